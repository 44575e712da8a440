"""sign-off: one argued paragraph, marked by a person."""

from gencourse.grading.question import WrittenQuestion

__all__ = ["SIGN_OFF"]

SIGN_OFF = WrittenQuestion(
    name="sign-off",
    points=20,
    rubric=(
        (2, "Decides (sign, refuse, or sign on conditions that are named) and stands by it."),
        (
            4,
            "Says what the score is: a bound, whose gap differs from scan to scan, so that the "
            "order of two scans by ELBO need not be their order by log p(x).",
        ),
        (
            5,
            "Separates improbable from ill. Even the exact log p(x) depends on how complicated an "
            "image is, and a scan can be probable under the model and yet abnormal. Gives a "
            "reason, an example or a published result.",
        ),
        (
            3,
            "Finds what the department's own evidence leaves open: the threshold comes from the "
            "training scans, and both tests are easy ones.",
        ),
        (
            4,
            "Proposes a measurement that could prove the writer wrong: which scans, which score, "
            "compared with what, and a threshold fixed in advance.",
        ),
        (
            2,
            "Weighs the two mistakes: a missed illness against a needless alarm, and what each "
            "costs when all other scans wait for a week.",
        ),
    ),
)
