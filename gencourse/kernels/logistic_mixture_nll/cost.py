"""What the operation costs, counted before anything is measured.

Plain PyTorch runs one kernel for each operator of the formula, and each goes to memory and back.
The list names them all, as `reference.logistic_mixture_nll` writes them, for so many pixels of M
components each: an *element* is a component of a pixel, a *row* is a pixel. Autograd adds 36
launches more on the way back, and half as much traffic again; they are not listed. The fused kernel
reads every input once and writes one number for each pixel.
"""

from gencourse.kernels.roofline import Cost, Step, total

__all__ = ["EAGER", "FUSED", "FUSED_BACKWARD", "eager", "fused"]

# ℓ is half a level's width, s the scale, δ = 2ℓ / s.
EAGER = (
    Step("2 x", elements=0, rows=2, flops=0, row_flops=1),
    Step("2 x - (L - 1)", elements=0, rows=2, flops=0, row_flops=1),
    Step("c = … / (L - 1)", elements=0, rows=2, flops=0, row_flops=1),
    Step("c - μ", elements=2, rows=1),
    Step("-log s", elements=2),
    Step("1 / s = exp(…)", elements=2),
    Step("c - μ + ℓ", elements=2),
    Step("b = … / s", elements=3),
    # PyTorch keeps exp(-|b|) for the way back.
    Step("log σ(b)", elements=3, flops=4),
    Step("ℓ - (c - μ)", elements=2),
    Step("-a = … / s", elements=3),
    Step("log σ(-a)", elements=3, flops=4),
    Step("-δ", elements=2),
    Step("exp(-δ) - 1", elements=2, flops=2),
    Step("1 - exp(-δ)", elements=2),
    Step("log(1 - exp(-δ))", elements=2),
    Step("log σ(b) + log σ(-a)", elements=3),
    Step("… + log(1 - exp(-δ))", elements=3),
    Step("whether x is the last level", elements=0, rows=1.25, flops=0, row_flops=1),
    Step("its choice", elements=3, rows=0.25),
    Step("whether x is the first level", elements=0, rows=1.25, flops=0, row_flops=1),
    Step("its choice", elements=3, rows=0.25),
    Step("log Σ exp(logits)", elements=1, rows=1, flops=3),
    Step("logits + log P", elements=3),
    Step("log Σ exp(logits + log P)", elements=1, rows=1, flops=3),
    Step("their difference", elements=0, rows=3, flops=0, row_flops=1),
)

FUSED = (
    # In: x for each pixel, three parameters for each component. Out: nats for each pixel.
    Step("the negative log-likelihood", elements=3, rows=2, flops=40, row_flops=4),
)

FUSED_BACKWARD = (
    # In: the derivative and x for each pixel, three parameters. Out: three derivatives.
    Step("three derivatives", elements=6, rows=2, flops=60),
)


def eager(pixels: int, components: int) -> Cost:
    """The cost of plain PyTorch, forward, on (pixels, components) float32 parameters."""
    return total(EAGER, pixels, components)


def fused(pixels: int, components: int, *, backward: bool = False) -> Cost:
    """The cost of the fused kernels on (pixels, components) float32 parameters."""
    return total(FUSED + (FUSED_BACKWARD if backward else ()), pixels, components)
