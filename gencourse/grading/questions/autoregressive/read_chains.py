"""read-chains: five findings about autoregressive models, and what each of them says."""

from gencourse.grading.question import ChoiceQuestion

__all__ = ["READ_CHAINS"]

READ_CHAINS = ChoiceQuestion(
    name="read-chains",
    variable="readings",
    points=20,
    options=("a", "b", "c", "d"),
    key={
        "too good": "b",
        "two orders": "c",
        "parallel": "d",
        "cache": "a",
        "drift": "c",
    },
    remarks={
        ("too good", "a"): (
            "No model needs so little for a pixel of handwriting. Before you celebrate, add up the "
            "probabilities of all small images."
        ),
        ("too good", "c"): (
            "Overfitting would make held-out images worse. These are held out, and excellent."
        ),
        ("too good", "d"): (
            "A wrong unit changes the number and not the samples. These samples are snow, so "
            "something is known in training that is not known in drawing."
        ),
        ("two orders", "a"): (
            "For the true conditionals the order makes no difference. A network has not learned "
            "the true ones, and finds some orders easier."
        ),
        ("two orders", "b"): (
            "Each order is exact: its conditionals multiply to a density. They are two densities, "
            "by two trained models."
        ),
        ("two orders", "d"): (
            "An average of two log-likelihoods is the log-likelihood of no model. An average of "
            "the two probabilities would be one."
        ),
        ("parallel", "a"): (
            "The chain rule allows every order, and none of them allows a value to be drawn "
            "without those before it."
        ),
        ("parallel", "b"): (
            "A faster network shortens each pass. The number of passes is set by something else."
        ),
        ("parallel", "c"): (
            "More memory stores more of the past. The future has still not been drawn."
        ),
        ("cache", "b"): (
            "What is kept is exactly what would be computed again. The draws are the same to the "
            "last digit, given the same noise."
        ),
        ("cache", "c"): (
            "Each pass became cheaper. There are as many of them as before, because each waits for "
            "the last draw."
        ),
        ("cache", "d"): (
            "In training all values are known and one pass scores them all. There is nothing to be "
            "kept for later."
        ),
        ("drift", "a"): (
            "The conditionals were trained on true pasts, and a likelihood is measured on true "
            "pasts as well. It cannot see what happens on pasts that the model wrote itself."
        ),
        ("drift", "b"): (
            "The noise of one draw is small. What grows is the distance between the pasts it was "
            "trained on and the one it is writing."
        ),
        ("drift", "d"): (
            "Each conditional is normalised, far along the chain too. They are good answers to a "
            "question that nobody asked in training."
        ),
    },
    where="Chapter 5",
)
