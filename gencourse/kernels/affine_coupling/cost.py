"""What the operation costs, counted before anything is measured.

Plain PyTorch runs one kernel for each operator of the formula, and each goes to memory and back.
The lists below name them all, forward as `reference.affine_coupling` writes them and backward as
autograd derives them. The fused kernels read every input once and write every output once; the
shift's gradient is that of y, and costs nothing.
"""

from gencourse.kernels.roofline import Cost, Step, total

__all__ = [
    "EAGER_BACKWARD",
    "EAGER_FORWARD",
    "FUSED_BACKWARD",
    "FUSED_FORWARD",
    "eager",
    "fused",
]

EAGER_FORWARD = (
    Step("exp(α)", elements=2),
    Step("x exp(α)", elements=3),
    Step("y = … + β", elements=3),
    Step("Σ α over D", elements=1, rows=1),
)

# A bar over a letter is the loss's derivative with respect to it.
EAGER_BACKWARD = (
    Step("x̄ = ȳ exp(α)", elements=3),
    Step("ȳ x", elements=3),
    Step("ȳ x exp(α)", elements=3),
    Step("ᾱ = … + the log-determinant's", elements=2, rows=1),
)

FUSED_FORWARD = (
    # In: x, α, β. Out: y, and the log-determinant of each row.
    Step("y and log-determinant", elements=4, rows=1, flops=4),
)

FUSED_BACKWARD = (
    # In: ȳ, x, α, and the log-determinant's derivative for each row. Out: x̄ and ᾱ.
    Step("both derivatives", elements=5, rows=1, flops=4),
)


def eager(batch: int, d: int, *, backward: bool = True) -> Cost:
    """The cost of plain PyTorch on (batch, d) float32 inputs, with the backward pass or without."""
    return total(EAGER_FORWARD + (EAGER_BACKWARD if backward else ()), batch, d)


def fused(batch: int, d: int, *, backward: bool = True) -> Cost:
    """The cost of the fused kernels on (batch, d) float32 inputs, with the backward pass or not."""
    return total(FUSED_FORWARD + (FUSED_BACKWARD if backward else ()), batch, d)
