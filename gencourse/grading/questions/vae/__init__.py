"""The six questions on chapter 2, the VAE and its bound, and what they are worth: 100 points."""

from gencourse.grading.question import Assignment
from gencourse.grading.questions.vae.iw_bound import IW_BOUND
from gencourse.grading.questions.vae.kl import KL
from gencourse.grading.questions.vae.mend_loss import MEND_LOSS
from gencourse.grading.questions.vae.place_systems import PLACE_SYSTEMS
from gencourse.grading.questions.vae.read_reports import READ_REPORTS
from gencourse.grading.questions.vae.sign_off import SIGN_OFF

__all__ = ["ASSIGNMENT"]

ASSIGNMENT = Assignment(
    name="02-vae",
    questions=(PLACE_SYSTEMS, READ_REPORTS, KL, MEND_LOSS, IW_BOUND, SIGN_OFF),
)
