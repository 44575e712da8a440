"""The four questions on chapter 5, the chain rule, and what they are worth: 100 points."""

from gencourse.grading.question import Assignment
from gencourse.grading.questions.autoregressive.level_mass import LEVEL_MASS
from gencourse.grading.questions.autoregressive.next_pixel import NEXT_PIXEL
from gencourse.grading.questions.autoregressive.read_chains import READ_CHAINS
from gencourse.grading.questions.autoregressive.who_sees_whom import WHO_SEES_WHOM

__all__ = ["ASSIGNMENT"]

ASSIGNMENT = Assignment(
    name="05-autoregressive",
    questions=(READ_CHAINS, WHO_SEES_WHOM, NEXT_PIXEL, LEVEL_MASS),
)
