"""The five questions on chapter 1, the map of the families, and what they are worth: 100 points."""

from gencourse.grading.question import Assignment
from gencourse.grading.questions.taxonomy.fit_bill import FIT_BILL
from gencourse.grading.questions.taxonomy.sample_chain import SAMPLE_CHAIN
from gencourse.grading.questions.taxonomy.sample_walk import SAMPLE_WALK
from gencourse.grading.questions.taxonomy.what_follows import WHAT_FOLLOWS
from gencourse.grading.questions.taxonomy.which_trade import WHICH_TRADE

__all__ = ["ASSIGNMENT"]

ASSIGNMENT = Assignment(
    name="01-map",
    questions=(WHAT_FOLLOWS, SAMPLE_CHAIN, SAMPLE_WALK, FIT_BILL, WHICH_TRADE),
)
