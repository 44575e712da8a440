"""What the operation costs, counted before anything is measured.

Plain PyTorch runs one kernel for each operator of the formula, and each goes to memory and back.
The lists below name them all, forward as `reference.reparameterize_kl` writes them and backward as
autograd derives them. The fused kernels read every input once and write every output once.
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
    Step("log σ² / 2", elements=2),
    Step("σ = exp(…)", elements=2),
    Step("σ ε", elements=3),
    Step("z = μ + …", elements=3),
    Step("μ²", elements=2),
    Step("σ² - 1 = expm1(log σ²)", elements=2),
    Step("… - log σ²", elements=3),
    Step("μ² + …", elements=3),
    Step("Σ over d", elements=1, rows=1),
    Step("KL = … / 2", elements=0, rows=2, flops=0, row_flops=1),
)

# A bar over a letter is the loss's derivative with respect to it; g is half of KL's.
EAGER_BACKWARD = (
    Step("g = K̄L̄ / 2", elements=0, rows=2, flops=0, row_flops=1),
    Step("-g, once for each of d", elements=1, rows=1),
    Step("(σ² - 1) + 1", elements=2),
    Step("g σ²", elements=2, rows=1),
    Step("g σ² - g", elements=3),
    Step("μ¹, from the derivative of μ²", elements=2),
    Step("2 μ", elements=2),
    Step("g · 2 μ", elements=2, rows=1),
    Step("μ̄ = z̄ + …", elements=3),
    Step("z̄ ε", elements=3),
    Step("z̄ ε σ", elements=3),
    Step("… / 2", elements=2),
    Step("the two parts of log σ²'s derivative", elements=3),
)

FUSED_FORWARD = (
    # In: μ, log σ², ε. Out: z, and KL for each row.
    Step("z and KL", elements=4, rows=1, flops=9, row_flops=1),
)

FUSED_BACKWARD = (
    # In: z̄, μ, log σ², ε, and KL's derivative for each row. Out: the derivatives of μ and log σ².
    Step("both derivatives", elements=6, rows=1, flops=10),
)


def eager(batch: int, d: int, *, backward: bool = True) -> Cost:
    """The cost of plain PyTorch on (batch, d) float32 inputs, with the backward pass or without."""
    return total(EAGER_FORWARD + (EAGER_BACKWARD if backward else ()), batch, d)


def fused(batch: int, d: int, *, backward: bool = True) -> Cost:
    """The cost of the fused kernels on (batch, d) float32 inputs, with the backward pass or not."""
    return total(FUSED_FORWARD + (FUSED_BACKWARD if backward else ()), batch, d)
