"""The four questions on chapter 4, flows and volume, and what they are worth: 100 points."""

from gencourse.grading.question import Assignment
from gencourse.grading.questions.flow.bits import BITS
from gencourse.grading.questions.flow.couple import COUPLE
from gencourse.grading.questions.flow.flow_density import FLOW_DENSITY
from gencourse.grading.questions.flow.read_flows import READ_FLOWS

__all__ = ["ASSIGNMENT"]

ASSIGNMENT = Assignment(
    name="04-flow",
    questions=(READ_FLOWS, COUPLE, FLOW_DENSITY, BITS),
)
