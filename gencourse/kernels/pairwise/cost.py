"""What `rbf_sum` costs, counted before anything is measured.

The textbook's way, `reference.rbf_table`, makes a table of N × M numbers and goes through it many
times, to memory and back. The fused kernel reads the points and writes N sums. So little moves that
memory no longer sets the time: the kernel is among the few here that wait for arithmetic.

The other four reductions read and write the same, and differ in a few operations for each pair. The
launcher's transposed copies of the points, two launches that move twice 2 D (N + M) numbers, are
left out: next to N M D operations they are nothing.
"""

from gencourse.kernels.roofline import FLOAT32_BYTES, Cost

__all__ = ["eager", "fused", "table_bytes"]


def eager(n: int, m: int, d: int, bandwidths: int) -> Cost:
    """The cost of `reference.rbf_table` on (n, d) and (m, d) float32 points."""
    table, points = n * m, n * d + m * d
    norms = 3 * points + n + m  # square, and sum
    squared = (n + m + table) + (points + table) + 2 * table + 3 * table  # add, x yᵀ, 2 x yᵀ, take
    kernels = bandwidths * (2 * table + 2 * table + table + n)  # scale, exp, sum over a row
    together = 3 * bandwidths * n + n  # stack, and sum over bandwidths
    return Cost(
        bytes=(norms + squared + kernels + together) * FLOAT32_BYTES,
        flops=2 * points + table * (2 * d + 3 + 3 * bandwidths) + bandwidths * n,
        launches=4 + 4 + 3 * bandwidths + 2,
    )


def fused(n: int, m: int, d: int, bandwidths: int) -> Cost:
    """The cost of the fused kernel on (n, d) and (m, d) float32 points."""
    return Cost(
        bytes=(n * d + m * d + n) * FLOAT32_BYTES,
        # A difference, a square and a sum for each coordinate; then scale, exp and sum.
        flops=n * m * (3 * d + 3 * bandwidths),
        launches=1,
    )


def table_bytes(n: int, m: int) -> int:
    """What one float32 table takes. `reference.rbf_table` holds two or three at a time."""
    return n * m * FLOAT32_BYTES
