"""which-trade: one deployment, one family, one argued paragraph, marked by a person."""

from gencourse.grading.question import WrittenQuestion

__all__ = ["WHICH_TRADE"]

WHICH_TRADE = WrittenQuestion(
    name="which-trade",
    points=30,
    rubric=(
        (3, "Chooses one deployment and one family (or a named hybrid), and stands by it."),
        (
            6,
            "Says what this deployment cannot do without, in numbers where the text gives them: "
            "the milliseconds of a frame, the rarity of the class, the patience of a visitor.",
        ),
        (
            6,
            "Argues from the map: what the family computes in place of p(x), and why that gives "
            "what is needed. Quotes a row of the chapter's table and uses it.",
        ),
        (
            6,
            "Names the corner of the trilemma that is given up, the particular weakness that comes "
            "with it, and how it would show itself to the users of this very system.",
        ),
        (
            5,
            "Proposes a measurement that would reveal that weakness before launch, with a "
            "threshold, and says what would be done if it were missed.",
        ),
        (4, "Meets the strongest rival honestly: for what change of the task it would win."),
    ),
)
