r"""What all pairs of two sets of points say together, without ever holding all pairs.

Between N points $x_i$ and M points $y_j$ in $\mathbb{R}^D$ there are NM distances. Five questions
are asked of them, and each needs only one number for each $x_i$:

$$ s_i = \sum_{j=1}^{M} \sum_b \exp\!\Bigl( -\frac{\lVert x_i - y_j \rVert^2}{2 \sigma_b^2} \Bigr),
   \qquad t_i = \sum_{j=1}^{M} \lVert x_i - y_j \rVert, $$

$$ a_i = \arg\min_j \lVert x_i - y_j \rVert,
   \qquad d_i = \text{the } k\text{-th smallest of } \lVert x_i - y_j \rVert \text{ over } j,
   \qquad c_i = \#\bigl\{ j : \lVert x_i - y_j \rVert \le r_j \bigr\}. $$

`rbf_table` asks the first as a textbook does, of the whole table at once. All others make the table
tile by tile; a tile is reduced while it is still in the cache, and forgotten. Memory grows with
N + M, and time is that of the matrix products: each tile is one,

$$ \lVert x - y \rVert^2 = (-2x,\ \lVert x \rVert^2,\ 1) \cdot (y,\ 1,\ \lVert y \rVert^2). $$

The price of that identity is cancellation: where two points are close, two large numbers are
subtracted. The sum $s$ bears it, once both sets are centred, and so does the index $a$: of two that
are equally near but for rounding, either will do. A distance does not: a point must be at distance
0 from its copy, and two equal distances must compare as equal. So $t$, $d$ and $c$ form their
products in float64, and float64 points subtract first and square afterwards. In float64, everything
here is the truth that the kernels are tested against.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

__all__ = [
    "SIDE",
    "count_within",
    "distance_sum",
    "gradients",
    "kth_neighbour_distance",
    "nearest",
    "rbf_sum",
    "rbf_table",
]

# A tile of 384 × 384 numbers is 0.6 MB in float32: it stays in a core's second cache.
SIDE = 384

# A share of ‖x‖² + ‖y‖² far above the rounding of a float64 product, and below what float32
# coordinates can tell: taken off, it makes the distance of a point from its copy exactly 0.
HAIR = 1e-12


def rbf_table(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    r"""`rbf_sum` as it is written first: the whole table, (N, M), several times over.

    Args:
        x: N points, with shape (N, D).
        y: M points, with shape (M, D).
        bandwidths: The σ_b.

    Returns:
        The sums, with shape (N,).
    """
    norms = x.square().sum(1)[:, None] + y.square().sum(1)
    squared = norms - 2 * (x @ y.mT)
    sums = [torch.exp(squared * (-0.5 / sigma**2)).sum(1) for sigma in bandwidths]
    return torch.stack(sums).sum(0)


def middle(y: Tensor) -> Tensor:
    """The mean of the points, (D,), as far as they are anywhere, and without a derivative."""
    return y.detach().nan_to_num(0.0, 0.0, 0.0).mean(0)


def factors(x: Tensor, y: Tensor, keep: float = 1.0) -> tuple[Tensor, Tensor]:
    r"""Two matrices, (N, D + 2) and (M, D + 2), whose product is $\lVert x_i - y_j \rVert^2$.

    Both sets are moved first, so that y has mean 0: no distance changes, and the norms shrink to
    the spread of the points. `keep` is the share of the norms that is kept.
    """
    centre = middle(y)
    x, y = x - centre, y - centre
    left = torch.cat(
        [-2 * x, keep * x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])], dim=1
    )
    right = torch.cat([y, torch.ones_like(y[:, :1]), keep * y.square().sum(1, keepdim=True)], dim=1)
    return left, right


def rbf_terms(squared: Tensor, bandwidths: Sequence[float]) -> Iterator[tuple[float, Tensor]]:
    r"""Each σ, widest first, with $\exp(-\lVert x - y \rVert^2 / 2 \sigma^2)$ of a tile.

    A bandwidth that is $2^{-m/2}$ of the one before needs no exponential of its own: its kernel is
    the one before, squared m times.
    """
    wider, kernel = math.inf, squared
    for sigma in sorted(bandwidths, reverse=True):
        squarings = 2 * math.log2(wider / sigma) if wider < math.inf else math.inf
        if squarings < 5 and abs(squarings - round(squarings)) < 1e-9:
            for _ in range(round(squarings)):
                kernel = kernel * kernel
        else:
            kernel = torch.exp(squared * (-0.5 / sigma**2))
        wider = sigma
        yield sigma, kernel


def rbf_sum(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    r"""Sum Gaussian kernels around every x: `s_i = Σ_j Σ_b exp(-‖x_i - y_j‖² / 2σ_b²)`.

    Differentiable any number of times, but a derivative taken through it by autograd keeps every
    tile; `gradients` does not.

    Args:
        x: N points, with shape (N, D).
        y: M points, with shape (M, D). Given the same tensor twice, half of the tiles are the other
            half transposed, and are not computed.
        bandwidths: The σ_b, positive, in the units of x.

    Returns:
        The sums, with shape (N,): float64 for float64 points, float32 for all others; added up in
        float64 over the tiles.
    """
    precise = torch.promote_types(x.dtype, torch.float32)
    left, right = factors(x.to(precise), y.to(precise))
    rows, columns = left.split(SIDE), right.split(SIDE)
    sums = [torch.zeros_like(block[:, 0], dtype=torch.float64) for block in rows]
    for i in range(len(rows)):
        for j in range(i if y is x else 0, len(columns)):
            for _, kernel in rbf_terms(rows[i] @ columns[j].mT, bandwidths):
                sums[i] = sums[i] + kernel.sum(1)
                if y is x and j > i:
                    sums[j] = sums[j] + kernel.sum(0)
    return torch.cat(sums).to(precise)


def gradients(
    grad: Tensor, x: Tensor, y: Tensor, bandwidths: Sequence[float]
) -> tuple[Tensor, Tensor]:
    r"""The vector-Jacobian product of `rbf_sum`, tile by tile.

    With $w_{ij} = \bar s_i \sum_b \exp(-\lVert x_i - y_j \rVert^2 / 2\sigma_b^2) / \sigma_b^2$,

    $$ \bar x_i = \sum_j w_{ij} (y_j - x_i), \qquad \bar y_j = \sum_i w_{ij} (x_i - y_j): $$

    a point is drawn towards its neighbours when more kernel is asked for.

    Args:
        grad: The derivative of the loss with respect to the sums, with shape (N,).
        x: The N points, with shape (N, D).
        y: The M points, with shape (M, D).
        bandwidths: The σ_b.

    Returns:
        The derivatives of the loss with respect to x, (N, D), and to y, (M, D).
    """
    precise = grad.dtype
    x_, y_ = x.to(precise), y.to(precise)
    left, right = factors(x_, y_)
    centre = middle(y_)
    x_, y_ = x_ - centre, y_ - centre
    grad_x = [torch.zeros_like(block) for block in x_.split(SIDE)]
    grad_y = [torch.zeros_like(block) for block in y_.split(SIDE)]
    rows = list(zip(left.split(SIDE), x_.split(SIDE), grad.split(SIDE), strict=True))
    columns = list(zip(right.split(SIDE), y_.split(SIDE), strict=True))
    for i, (row, x_i, grad_i) in enumerate(rows):
        for j, (column, y_j) in enumerate(columns):
            terms = [
                kernel * (1 / sigma**2) for sigma, kernel in rbf_terms(row @ column.mT, bandwidths)
            ]
            weight = torch.stack(terms).sum(0) * grad_i[:, None]
            grad_x[i] = grad_x[i] + weight @ y_j - weight.sum(1)[:, None] * x_i
            grad_y[j] = grad_y[j] + weight.mT @ x_i - weight.sum(0)[:, None] * y_j
    return torch.cat(grad_x).to(x.dtype), torch.cat(grad_y).to(y.dtype)


def square_tiles(
    x: Tensor, y: Tensor, products: torch.dtype = torch.float64
) -> Iterator[list[Tensor]]:
    """Squared distances: for each block of x, its tiles along y.

    By products in float64 none cancels away; products in float32 are enough to choose by.
    """
    if x.dtype is torch.float64:
        for row in x.split(SIDE):
            yield [
                torch.cdist(row, column, compute_mode="donot_use_mm_for_euclid_dist").square()
                for column in y.split(SIDE)
            ]
        return
    left, right = factors(x.to(products), y.to(products), keep=1 - HAIR)
    for row in left.split(SIDE):
        yield [row @ column.mT for column in right.split(SIDE)]


def distance_sum(x: Tensor, y: Tensor) -> Tensor:
    r"""Add up the distances from every x to all of y: `t_i = Σ_j ‖x_i - y_j‖`.

    Args:
        x: N points, with shape (N, D).
        y: M points, with shape (M, D).

    Returns:
        The sums, with shape (N,), in the precision of x, at least float32; added up in float64 over
        the tiles.
    """
    precise = torch.promote_types(x.dtype, torch.float32)
    sums = [
        torch.stack([distance(tile, precise).sum(1).double() for tile in tiles]).sum(0)
        for tiles in square_tiles(x, y)
    ]
    return torch.cat(sums).to(precise)


def nearest(x: Tensor, y: Tensor) -> Tensor:
    r"""Find the nearest y to every x: `a_i = argmin_j ‖x_i - y_j‖`, the first of equals.

    Here and below a distance that is NaN counts as infinite: what is nowhere is near nothing.

    Args:
        x: N points, with shape (N, D).
        y: M points, at least one, with shape (M, D).

    Returns:
        Indices from 0 to M - 1, with shape (N,), int64.
    """
    found = []
    for tiles in square_tiles(x, y, products=torch.float32):
        smallest = [tile.nan_to_num(nan=math.inf, posinf=math.inf).min(1) for tile in tiles]
        block = torch.stack([values for values, _ in smallest]).argmin(0)
        within = torch.stack([indices for _, indices in smallest]).gather(0, block[None])[0]
        found.append(block * SIDE + within)
    return torch.cat(found)


def kth_neighbour_distance(x: Tensor, y: Tensor, k: int) -> Tensor:
    r"""Measure how far the k-th nearest y is from every x.

    Args:
        x: N points, with shape (N, D).
        y: M points, at least k, with shape (M, D).
        k: Which neighbour, from 1. Where y is x, the first is the point itself.

    Returns:
        Distances, with shape (N,), in the precision of x, at least float32.
    """
    precise = torch.promote_types(x.dtype, torch.float32)
    distances = []
    for tiles in square_tiles(x, y):
        few = [tile.topk(min(k, tile.shape[1]), largest=False).values for tile in tiles]
        kth = torch.cat(few, dim=1).topk(k, largest=False).values.amax(1)
        distances.append(distance(kth, precise).nan_to_num(nan=math.inf, posinf=math.inf))
    return torch.cat(distances)


def count_within(x: Tensor, y: Tensor, radii: Tensor) -> Tensor:
    r"""Count the balls around the y that hold x: `c_i = #{j : ‖x_i - y_j‖ ≤ r_j}`.

    Args:
        x: N points, with shape (N, D).
        y: The M centres, with shape (M, D).
        radii: Their radii, with shape (M,). A ball of radius 0 holds its centre.

    Returns:
        How many balls hold each x, with shape (N,), int64.
    """
    precise = torch.promote_types(x.dtype, torch.float32)
    counts = []
    for tiles in square_tiles(x, y):
        within = [
            (distance(tile, precise) <= r).sum(1)
            for tile, r in zip(tiles, radii.to(precise).split(SIDE), strict=True)
        ]
        counts.append(torch.stack(within).sum(0))
    return torch.cat(counts)


def distance(squared: Tensor, precise: torch.dtype) -> Tensor:
    """Distances from squares, rounded first: equal to `kth_neighbour_distance` where squares are.

    A radius is the distance of some pair, rounded to float32. The same pair must be inside it.
    """
    return squared.to(precise).clamp(min=0).sqrt()
