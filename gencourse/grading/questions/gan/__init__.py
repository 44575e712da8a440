"""The four questions on chapter 3, the GAN and its game, and what they are worth: 100 points."""

from gencourse.grading.question import Assignment
from gencourse.grading.questions.gan.best_critic import BEST_CRITIC
from gencourse.grading.questions.gan.generator_loss import GENERATOR_LOSS
from gencourse.grading.questions.gan.keep_slope import KEEP_SLOPE
from gencourse.grading.questions.gan.read_games import READ_GAMES

__all__ = ["ASSIGNMENT"]

ASSIGNMENT = Assignment(
    name="03-gan",
    questions=(READ_GAMES, BEST_CRITIC, GENERATOR_LOSS, KEEP_SLOPE),
)
