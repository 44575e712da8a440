"""what-follows: five findings about densities, and the one conclusion that each allows."""

from gencourse.grading.question import ChoiceQuestion

__all__ = ["WHAT_FOLLOWS"]

WHAT_FOLLOWS = ChoiceQuestion(
    name="what-follows",
    variable="conclusions",
    points=15,
    options=("a", "b", "c", "d"),
    key={
        "energies": "a",
        "pebbles": "d",
        "two widths": "b",
        "torn page": "c",
        "larger canvas": "c",
    },
    remarks={
        ("energies", "b"): (
            "You normalised over two molecules, as if there were no others. The sum that makes a "
            "density add up to one runs over every molecule there could be."
        ),
        ("energies", "c"): (
            "More is known than that. Write both probabilities with the normaliser in them, and "
            "divide one by the other."
        ),
        ("energies", "d"): (
            "A difference of energies read as a difference of probabilities. The energy stands in "
            "an exponent: what do differences there become?"
        ),
        ("pebbles", "a"): (
            "A high density taken for a familiar kind of thing. Smooth pictures with little "
            "contrast lie densely together, whatever they show."
        ),
        ("pebbles", "b"): (
            "Nothing has to be broken. Well-trained flows, VAEs and autoregressive models have all "
            "been caught doing this, with exact likelihoods among them."
        ),
        ("pebbles", "c"): (
            "Copying the training set would raise the training images themselves, and the pebbles "
            "stand above them."
        ),
        ("two widths", "a"): (
            "The factor of two is the same, but the penalty is not: look at the ratio inside the "
            "logarithm where there are data and hardly any model."
        ),
        ("two widths", "c"): (
            "The opposite. Where the data are and the model is not, the logarithm has no floor to "
            "land on; a model that is too wide merely wastes some of its mass."
        ),
        ("two widths", "d"): (
            "The average log-likelihood is all that the divergence needs: the entropy of the data "
            "is the same for both models, and drops out of the comparison."
        ),
        ("torn page", "a"): (
            "The average of two answers taken for an answer. Where two spellings are possible, the "
            "letter halfway between them is neither."
        ),
        ("torn page", "b"): (
            "A GAN can draw whole pages. To draw the ones that agree with a given half, somebody "
            "has to search, or to train it for the purpose: it has no conditional to draw from."
        ),
        ("torn page", "d"): (
            "A conditional is a density divided by a density, and both can be had here: one "
            "family has the factors lying ready, if the hole comes last."
        ),
        ("larger canvas", "a"): (
            "What sets the number of passes for a chain? It is not a setting that the maker may "
            "choose."
        ),
        ("larger canvas", "b"): ("Twice the side is not twice the picture. Count the pixels."),
        ("larger canvas", "d"): (
            "That would be the cost if every pass took four times as long as well. The question "
            "says that a pass takes the same time."
        ),
    },
    where="Chapter 1, “What training can aim at”",
)
