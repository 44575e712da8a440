"""read-reports: what a few numbers about a VAE say, and what they do not."""

from gencourse.grading.question import ChoiceQuestion

__all__ = ["READ_REPORTS"]

READ_REPORTS = ChoiceQuestion(
    name="read-reports",
    variable="readings",
    points=10,
    options=("a", "b", "c", "d"),
    key={
        "retrained encoder": "c",
        "grey digits": "d",
        "soft edges": "b",
        "two models": "b",
        "more samples": "a",
    },
    remarks={
        ("retrained encoder", "a"): (
            "The encoder taken for a part of the model of x. Which networks does the definition of "
            "p_θ(x) mention? Which of them changed?"
        ),
        ("retrained encoder", "b"): (
            "A rise of the bound read as a rise of what it bounds. A floor can be raised under a "
            "ceiling that stays where it is."
        ),
        ("retrained encoder", "d"): (
            "Overfitting would have lowered the ELBO on test images, and it rose. Which networks "
            "does the definition of p_θ(x) mention?"
        ),
        ("grey digits", "a"): (
            "Collapse taken for a loose bound. The gap compares q with the true posterior. What is "
            "the true posterior of a decoder that does not listen to its code?"
        ),
        ("grey digits", "b"): (
            "The report says something about the encoder and something about the decoder. The "
            "first gives you q, the second the true posterior: the gap needs no more."
        ),
        ("grey digits", "c"): (
            "Reconstruction error taken for the gap. Bad drawings lower log p_θ(x) itself, and the "
            "ELBO with it. The gap is what lies between the two."
        ),
        ("soft edges", "a"): (
            "Blur taken for posterior collapse. A collapsed code costs nothing and says nothing; "
            "this one costs 14 nats and says which digit it is, and in whose hand."
        ),
        ("soft edges", "c"): (
            "Blur blamed on the gap. The Markov chain drew from the true posterior, where there is "
            "no gap, and the blur was still there."
        ),
        ("soft edges", "d"): (
            "Blur blamed on the noise in z. The noise chooses a code; what is drawn from that one "
            "code is soft already."
        ),
        ("two models", "a"): (
            "A bound read as a likelihood. You have subtracted two floors. The distance from each "
            "to its ceiling is not in the report."
        ),
        ("two models", "c"): (
            "Both numbers are lower bounds. That model A's likelihood is at least −98.0 does not "
            "stop model B's from being higher still."
        ),
        ("two models", "d"): (
            "You have assumed that the gap of A is the larger one. Nothing in the report says so: "
            "each model has its own encoder, and its own gap."
        ),
        ("more samples", "b"): (
            "A better measurement taken for a better model. Nothing was trained between the two "
            "figures, so the pictures that it draws are the same."
        ),
        ("more samples", "c"): (
            "The encoder still proposes what it proposed before. What changed is how many of its "
            "proposals are weighed together."
        ),
        ("more samples", "d"): (
            "The importance-weighted bound read as an average of ELBOs. Such an average would lose "
            "its noise and keep its expected value; here the expected value moved."
        ),
    },
    where="Chapter 2, “What the bound is made of”",
)
