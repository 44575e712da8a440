"""How far apart two sets of points are, in one number: three distances between distributions.

    MMD²       the squared length of the difference of two mean embeddings (Gretton et al., 2012)
    energy     the same with −‖x − y‖ for a kernel: nothing to choose (Székely and Rizzo, 2013)
    Fréchet    between the normal distributions with the same means and covariances

The first two are 0 only for equal distributions. The third compares two moments and no more: what
keeps mean and covariance can be anything else. In features of a network the third is what FID is in
the features of Inception; these are not those, so the figure is not an FID and compares with none.

Each is one number for quality and variety together, so none tells a model that forgets half of the
data from one that blurs all of it, and all three praise samples that were copied from the data.
`gencourse.evaluation.coverage` tells the first two apart.

No table of distances is kept: memory grows with the number of points, not with its square.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.evaluation.points import refuse_unusable
from gencourse.kernels.pairwise import distance_sum, rbf_sum
from gencourse.kernels.pairwise.op import check_points

__all__ = ["energy_distance", "frechet_distance", "median_bandwidths", "mmd2"]

MEDIAN_ROWS = 1000
"""How many points the median distance is taken from: half a million pairs settle it to 1 %."""


def median_bandwidths(data: Tensor, factors: Sequence[float] = (0.5, 1.0, 2.0)) -> list[float]:
    """Bandwidths for `mmd2` from the data alone: the median distance of a pair, times `factors`.

    data (M, D), of which the first 1000 rows are used; independent rows have no order. Samples take
    no part, so that two models are measured by one ruler. Narrow kernels see detail, wide ones see
    the whole.

    Raises `ValueError` for fewer than two rows, NaN, and data that are mostly copies of one point.
    """
    refuse_unusable(data, "data")
    if len(data) < 2:
        raise ValueError("data has 1 row; a median distance takes at least two.")
    median = float(torch.pdist(data[:MEDIAN_ROWS].double()).median())
    if median == 0:
        raise ValueError(
            "the median distance within data is 0: more than half of the pairs are copies of each "
            "other, so it says nothing of the scale. Pass bandwidths of your own."
        )
    return [median * factor for factor in factors]


def mmd2(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    r"""The squared maximum mean discrepancy, estimated without bias; a scalar in float64.

        MMD² = mean_{i≠j} k(xᵢ, xⱼ) + mean_{i≠j} k(yᵢ, yⱼ) − 2 mean_{ij} k(xᵢ, yⱼ),
        k(a, b) = mean_b exp(−‖a − b‖² / 2σ_b²).

    x (N, D) and y (M, D) with N, M ≥ 2; bandwidths: the σ_b, in the units of x. Being unbiased, it
    is 0 on average for equal distributions, hence below 0 about half of the time, and at most 2.
    Differentiable with respect to x and y, in memory that grows with N + M: it can be a loss (Li,
    Swersky and Zemel, 2015). Only points closer than a few σ see each other.

    Raises `ValueError` and `TypeError` for points that do not fit together, fewer than two in a
    set, NaN, and bandwidths that are not positive (Gretton et al., 2012, equation 3).
    """
    n, m = _sizes(x, y)
    # The diagonal of k(x, x) is 1 for each bandwidth, whatever the points.
    b = len(bandwidths)
    within_x = (rbf_sum(x, x, bandwidths).double().sum() - n * b) / (n * (n - 1))
    within_y = (rbf_sum(y, y, bandwidths).double().sum() - m * b) / (m * (m - 1))
    across = rbf_sum(x, y, bandwidths).double().sum() / (n * m)
    return (within_x + within_y - 2 * across) / b


def energy_distance(x: Tensor, y: Tensor) -> float:
    r"""The energy distance, estimated without bias, in the units of x.

        2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖,

    X, X′ drawn from x (N, D) and Y, Y′ from y (M, D), no point paired with itself. In one dimension
    it is twice the squared distance of the two distribution functions. No bandwidth: it sees every
    scale, and mostly the largest.

    Raises as `mmd2` does (Székely and Rizzo, 2013).
    """
    n, m = _sizes(x, y)
    within_x = float(distance_sum(x, x).double().sum()) / (n * (n - 1))
    within_y = float(distance_sum(y, y).double().sum()) / (m * (m - 1))
    across = float(distance_sum(x, y).double().sum()) / (n * m)
    return 2 * across - within_x - within_y


def frechet_distance(x: Tensor, y: Tensor) -> float:
    r"""The squared Fréchet distance of the normals fitted to both sets, in squared units of x.

        ‖μ_x − μ_y‖² + tr(Σ_x + Σ_y − 2 (Σ_x Σ_y)^½)

    x (N, D) and y (M, D) with N, M ≥ 2. The trace of the square root is the sum of the singular
    values of R_x R_yᵀ, for any R with RᵀR = Σ, and the eigenvectors of Σ give one: no square root
    of a matrix that is not symmetric, nothing added to a diagonal, and it holds with fewer points
    than dimensions. Few points make it too large: two halves of one set are not at distance 0, so
    compare models at one N.

    Raises as `mmd2` does (Dowson and Landau, 1982; Heusel et al., 2017, for features).
    """
    _sizes(x, y)
    (mean_x, root_x), (mean_y, root_y) = _moments(x), _moments(y)
    cross = torch.linalg.svdvals(root_x @ root_y.mT).sum()
    spread = root_x.square().sum() + root_y.square().sum() - 2 * cross
    return float((mean_x - mean_y).square().sum() + spread.clamp(min=0))


@torch.no_grad()
def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,) of the points (N, D) and a root R of their covariance, RᵀR = Σ."""
    points = x.double()
    mean = points.mean(0)
    points = points - mean
    variances, axes = torch.linalg.eigh(points.mT @ points / (len(x) - 1))
    return mean, variances.clamp(min=0).sqrt()[:, None] * axes.mT


def _sizes(x: Tensor, y: Tensor) -> tuple[int, int]:
    """How many points each set has, once both can be measured."""
    for name, points in {"x": x, "y": y}.items():
        refuse_unusable(points, name)
        if len(points) < 2:
            raise ValueError(
                f"{name} has 1 row; an unbiased estimate needs at least two, because no point is "
                "compared with itself."
            )
    check_points(x, y)
    return len(x), len(y)
