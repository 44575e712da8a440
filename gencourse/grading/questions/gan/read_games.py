"""read-games: what five training logs of GANs say, and what they do not."""

from gencourse.grading.question import ChoiceQuestion

__all__ = ["READ_GAMES"]

READ_GAMES = ChoiceQuestion(
    name="read-games",
    variable="readings",
    points=20,
    options=("a", "b", "c", "d"),
    key={
        "flat critic": "b",
        "perfect critic": "d",
        "falling loss": "c",
        "two numbers": "a",
        "anomaly": "d",
    },
    remarks={
        ("flat critic", "a"): (
            "The equilibrium does look like this. So do other things: a critic that has learned "
            "nothing answers one half too, whatever it is shown."
        ),
        ("flat critic", "c"): (
            "Nothing was forgotten by looking at this one number. A generator that paints a single "
            "digit would be caught by any critic that still learns."
        ),
        ("flat critic", "d"): (
            "Vanishing gradients come from a critic that is too sure of itself. This one is as "
            "unsure as it can be."
        ),
        ("perfect critic", "a"): (
            "The critic's accuracy taken for the model's quality. A critic that cannot be fooled "
            "has a generator that fools nobody."
        ),
        ("perfect critic", "b"): (
            "Better judges would be better teachers if their verdicts still had a slope. What is "
            "the slope of the saturating loss where every verdict is zero?"
        ),
        ("perfect critic", "c"): (
            "A critic that tells two clouds apart without an error has not memorised anything: "
            "where the clouds do not overlap, it is easy."
        ),
        ("falling loss", "a"): (
            "The loss of one player read as the progress of both. It is measured against an "
            "opponent that changes at every step."
        ),
        ("falling loss", "b"): (
            "Overfitting would need a loss on the data. The generator never sees the data, and "
            "its loss contains none."
        ),
        ("falling loss", "d"): (
            "A learning rate that is too high shows itself as a loss that jumps or becomes no "
            "number. This one falls, and quietly: ask what the critic has forgotten meanwhile."
        ),
        ("two numbers", "b"): (
            "Precision and recall exchanged. Which of the two asks about the samples, and which "
            "about the data?"
        ),
        ("two numbers", "c"): (
            "Blur would show in precision: blurred images lie where no data are. Here nearly every "
            "sample is where data are."
        ),
        ("two numbers", "d"): (
            "A distance in one number could not tell these two models apart. That is why there are "
            "two numbers, and they do say something."
        ),
        ("anomaly", "a"): (
            "The verdict taken for a density. It compares the data with one generator's output, "
            "and the part has come from neither of them."
        ),
        ("anomaly", "b"): (
            "More training moves the critic of a good generator towards one half, for broken parts "
            "and for whole ones."
        ),
        ("anomaly", "c"): (
            "A critic need not have seen scratches to be useless for them: it was never asked how "
            "probable anything is."
        ),
    },
    where="Chapter 3",
)
