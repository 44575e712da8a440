"""read-flows: five statements about invertible models, and what becomes of them."""

from gencourse.grading.question import ChoiceQuestion

__all__ = ["READ_FLOWS"]

READ_FLOWS = ChoiceQuestion(
    name="read-flows",
    variable="readings",
    points=20,
    options=("a", "b", "c", "d"),
    key={
        "shrinking": "c",
        "slow sampler": "b",
        "two islands": "d",
        "raw bytes": "a",
        "half kept": "b",
    },
    remarks={
        ("shrinking", "a"): (
            "The points went along with the map, so none was lost. What changed is how much room "
            "they have."
        ),
        ("shrinking", "b"): (
            "You have moved the density as if it were a height painted on the points. The same "
            "mass stands on a smaller area now."
        ),
        ("shrinking", "d"): (
            "The right factor for a line. This is a plane, and the map shrinks it in both "
            "directions."
        ),
        ("slow sampler", "a"): (
            "A determinant is needed for a density. A sample is drawn without one."
        ),
        ("slow sampler", "c"): (
            "The layers of a flow are one function, gone through once. What has to wait for what, "
            "within a single layer?"
        ),
        ("slow sampler", "d"): (
            "Solvers belong to continuous flows. This one is masked, and each of its values reads "
            "those before it."
        ),
        ("two islands", "a"): (
            "More layers make the bridge thinner. A continuous map with a continuous inverse never "
            "cuts what was in one piece."
        ),
        ("two islands", "b"): (
            "Nothing went wrong in training. The most probable model of this kind has a bridge."
        ),
        ("two islands", "c"): (
            "Splines bend more sharply than lines, and are continuous all the same. What would "
            "have to be discontinuous here, for the islands to come apart?"
        ),
        ("raw bytes", "b"): (
            "The likelihood can be anything, since a density can be piled up on the 256 values "
            "without limit. A number that has no ceiling measures nothing."
        ),
        ("raw bytes", "c"): (
            "Overfitting shows on images that were not trained on. These were held out, and they "
            "take the same 256 values."
        ),
        ("raw bytes", "d"): (
            "The determinant is right, and that is the trouble: it honestly reports how far space "
            "was squeezed on to the values that occur."
        ),
        ("half kept", "a"): (
            "Whatever is kept by one layer is changed by the next, if the halves are exchanged. "
            "These two layers keep the same half."
        ),
        ("half kept", "c"): (
            "A triangular Jacobian has the product of its diagonal for a determinant, and no entry "
            "of that diagonal is zero here."
        ),
        ("half kept", "d"): (
            "The inverse of each layer is at hand, so the two can be undone one after the other."
        ),
    },
    where="Chapter 4",
)
