"""Are the samples good, and are all the data there? Two questions that one number cannot answer.

Around every point of a set lies a ball that reaches to its k-th neighbour in the same set; the
union of the balls is where the set says that it lives (Kynkäänniemi et al., 2019). Then

    precision   how many samples lie where the data live: quality
    recall      how many data lie where the samples live: variety
    density     how many balls of the data hold a sample, over k: quality, not fooled by an outlier
    coverage    how many data have a sample in their own ball: variety, not fooled by one either

(the last two: Naeem et al., 2020). One point far from the rest has a large ball, which accepts
whatever falls into it: precision believes such an outlier of the data, recall one of the samples.

Distances mean what the space means. Points of the plane are compared as they are, images by the
features of a network (`gencourse.evaluation.features`). All four depend on k and on the numbers of
points, so figures compare only at the same k, N and M; and all four praise samples that were copied
from the data: whether a model has learned or memorised is asked of data that it never saw.

No table of distances is kept (`gencourse.kernels.pairwise`): memory grows with N + M.
"""

import torch
from torch import Tensor

from gencourse.evaluation.points import refuse_unusable
from gencourse.kernels.pairwise import count_within, kth_neighbour_distance, nearest

__all__ = ["classes_covered", "coverage", "density", "modes_covered", "precision", "recall"]


def precision(generated: Tensor, data: Tensor, k: int = 3) -> float:
    """The share of samples that lie in some ball of the data, from 0 to 1.

    generated (N, D), data (M, D); k counts neighbours, a point not being its own. Quality: 1 says
    that no sample is out of place, and nothing of what is missing.

    Raises `ValueError` for shapes that do not fit, NaN, and k larger than M − 1 (Kynkäänniemi et
    al., 2019, equation 2).
    """
    _check(generated, data, k)
    inside = count_within(generated, data, _radii(data, "data", k)) > 0
    return float(inside.double().mean())


def recall(generated: Tensor, data: Tensor, k: int = 3) -> float:
    """The share of data that lie in some ball of the samples, from 0 to 1.

    generated (N, D), data (M, D). Variety: it is `precision` with the two exchanged, so k may not
    exceed N − 1. Raises as `precision` does.
    """
    _check(generated, data, k)
    inside = count_within(data, generated, _radii(generated, "generated", k)) > 0
    return float(inside.double().mean())


def density(generated: Tensor, data: Tensor, k: int = 5) -> float:
    """How many balls of the data hold a sample, on average, divided by k.

    generated (N, D), data (M, D). About 1 when samples and data have one distribution, more when
    the samples prefer where the data are dense: it is not bounded by 1. A ball is closed, as
    published, so a copy of the data scores (k + 1)/k. Raises as `precision` does (Naeem et al.,
    2020, equation 3).
    """
    _check(generated, data, k)
    counts = count_within(generated, data, _radii(data, "data", k))
    return float(counts.double().mean()) / k


def coverage(generated: Tensor, data: Tensor, k: int = 5) -> float:
    """The share of data with at least one sample in their own ball, from 0 to 1.

    generated (N, D), data (M, D). For equal distributions with N = M it is 1 − 2⁻ᵏ in the limit,
    0.97 at k = 5, which is the value to compare with. Raises as `precision` does (Naeem et al.,
    2020, equation 4 and section 3.2).
    """
    _check(generated, data, k)
    reached = kth_neighbour_distance(data, generated, 1) <= _radii(data, "data", k)
    return float(reached.double().mean())


def modes_covered(x: Tensor, centres: Tensor, noise: float, enough: float = 0.1) -> int:
    """How many modes of a mixture of equal, round Gaussians the samples reach.

    x (N, D): the samples. centres (K, D): the modes. noise: the standard deviation of each. A
    sample belongs to its nearest centre if it is within three standard deviations of it, and a mode
    is covered by at least `enough` of its fair share N/K: a single stray point covers nothing.

    Raises `ValueError` for shapes that do not fit, NaN, or no samples.
    """
    refuse_unusable(x, "x")
    centres = centres.to(x)
    mode = nearest(x, centres)
    close = (x - centres[mode]).norm(dim=1) <= 3 * noise
    return _covered(mode[close], len(centres), enough * len(x) / len(centres))


def classes_covered(labels: Tensor, classes: int = 10, enough: float = 0.1) -> int:
    """How many classes turn up with at least `enough` of their fair share N/classes.

    labels (N,) int64, from 0: what a classifier makes of the samples
    (`FeatureNetwork.classify`). A classifier has to name every image, noise too: read it beside
    `precision`.

    Raises `ValueError` when there is no label or one outside the classes.
    """
    if len(labels) == 0:
        raise ValueError("expected at least one label, got none.")
    if int(labels.max()) >= classes:
        raise ValueError(
            f"expected labels from 0 to {classes - 1}, got {int(labels.max())}. Are there "
            f"more than {classes} classes?"
        )
    return _covered(labels, classes, enough * len(labels) / classes)


def _covered(labels: Tensor, classes: int, needed: float) -> int:
    return int((torch.bincount(labels, minlength=classes) >= needed).sum())


def _radii(points: Tensor, name: str, k: int) -> Tensor:
    """The distance of every point (N, D) to its k-th neighbour, itself left out: (N,)."""
    if len(points) <= k:
        raise ValueError(
            f"{name} has {len(points)} rows, so no point has {k} neighbours besides itself; "
            f"expected at least {k + 1} rows. Draw more, or lower k (and say so beside the figure)."
        )
    return kth_neighbour_distance(points, points, k + 1)


def _check(generated: Tensor, data: Tensor, k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}; neighbours are counted from 1.")
    refuse_unusable(generated, "generated")
    refuse_unusable(data, "data")
