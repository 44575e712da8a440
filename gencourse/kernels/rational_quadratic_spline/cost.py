"""What the operation costs, counted before anything is measured.

Plain PyTorch runs one kernel for each operator of the formula, and each goes to memory and back.
The list names them all, as `reference.rational_quadratic_spline` writes the forward map, for (B, d)
numbers with K bins each. An *element* is a number; a table of its K widths is K of them. Most of
the traffic is in the tables, and most of the launches are in the arithmetic after them. The inverse
makes eleven launches more; autograd adds 172 on the way back, and nearly twice the traffic. The
fused kernel reads every table once.
"""

from gencourse.kernels.roofline import Cost, Step, total

__all__ = ["eager", "eager_steps", "fused"]


def eager_steps(bins: int) -> tuple[Step, ...]:
    """Every launch of plain PyTorch's forward map, in groups of like ones."""
    k = bins
    tables = (
        # Widths and heights: each step twice.
        Step("the largest of K", elements=k + 1, flops=k, times=2),
        Step("u - the largest", elements=2 * k + 1, flops=k, times=2),
        Step("exp", elements=2 * k, flops=k, times=2),
        Step("Σ exp", elements=k + 1, flops=k, times=2),
        Step("1 / Σ", elements=2, times=2),
        Step("(1 - K m) / Σ", elements=2, times=2),
        Step("… exp", elements=2 * k + 1, flops=k, times=2),
        Step("share = m + …", elements=2 * k, flops=k, times=2),
        Step("running sum", elements=2 * k, flops=k, times=2),
        Step("a knot at 0", elements=2 * k - 1, flops=0, times=2),
        Step("a knot at 1", elements=2 * k + 1, flops=0, times=2),
        # Booleans are quarters, indices of 64 bits are two.
        Step("inner knots ≤ u", elements=k + (k - 1) / 4, flops=k - 1),
        Step("the index is how many", elements=(k - 1) / 4 + 2, flops=k - 1),
        Step("slopes of 1 at both ends", elements=2 * k, flops=0),
        Step("index + 1", elements=4, times=3),
        Step("pick one of K + 1", elements=k + 4, flops=0, times=6),
    )
    arithmetic = (
        Step("|x|", elements=2),
        Step("whether x is outside", elements=1.25),
        Step("clamp x, + B, / 2B", elements=2, times=3),
        Step("width and height", elements=3, times=2),
        Step("softplus and the sums around it, twice", elements=2, flops=2, times=6),
        Step("θ", elements=3, times=2),
        # `rise` and `log_slope` both begin with these.
        Step("φ = 1 - θ", elements=2, times=2),
        Step("s = h / w", elements=3, times=2),
        Step("d₀ + d₁", elements=3, times=2),
        Step("θ² and φ²", elements=2, times=4),
        Step("the denominator, five steps", elements=3, times=10),
        Step("θ², in rise", elements=2),
        Step("the numerator of rise, four steps", elements=3, times=4),
        Step("bottom + height · numerator / denominator", elements=3, times=3),
        Step("θ², φ² and 2 s, in log_slope", elements=2, times=3),
        Step("the numerator of log_slope, six steps", elements=3, times=6),
        Step("s / denominator", elements=3),
        Step("two logarithms, one of them doubled", elements=2, times=3),
        Step("log_slope", elements=3),
        Step("2 B image - B", elements=2, times=2),
        Step("x where outside", elements=3.25),
        Step("0 where outside", elements=2.25),
        Step("Σ over d", elements=1, rows=1),
    )
    return tables + arithmetic


def fused_steps(bins: int, *, backward: bool) -> tuple[Step, ...]:
    parameters = 3 * bins - 1
    forward = Step("y and log-determinant", elements=parameters + 2, rows=1, flops=14 * bins + 60)
    gradient = Step("all derivatives", elements=2 * parameters + 3, rows=1, flops=26 * bins + 120)
    return (forward, gradient) if backward else (forward,)


def eager(batch: int, d: int, bins: int) -> Cost:
    """The cost of plain PyTorch's forward map on (batch, d) float32 numbers."""
    return total(eager_steps(bins), batch, d)


def fused(batch: int, d: int, bins: int, *, backward: bool = False) -> Cost:
    """The cost of the fused kernels on (batch, d) float32 numbers."""
    return total(fused_steps(bins, backward=backward), batch, d)
