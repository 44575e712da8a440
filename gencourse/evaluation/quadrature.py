"""Integrals on a grid: the honest way to a normaliser, as long as there are few dimensions.

All use the midpoint rule, which converges faster than any power of the spacing for a
smooth integrand that vanishes before the edge of the box. Everything is computed in float64.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["grid", "jensen_shannon", "kl_divergence", "log_normaliser"]

LogDensity = Callable[[Tensor], Tensor]


def grid(dimension: int, extent: float, points: int) -> Tensor:
    """Midpoints of `points` cells per axis over [−extent, extent]ᴰ: (points ** D, D)."""
    step = 2 * extent / points
    axis = -extent + step * (torch.arange(points, dtype=torch.float64) + 0.5)
    return torch.cartesian_prod(*[axis] * dimension).reshape(-1, dimension)


def log_normaliser(energy: LogDensity, dimension: int, extent: float, points: int) -> Tensor:
    """log Z = log ∫ exp(−E(x)) dx over [−extent, extent]ᴰ, in nats; a scalar.

    `energy` maps (B, D) to (B,) and is evaluated points ** D times.
    """
    step = torch.tensor(2 * extent / points, dtype=torch.float64)
    x = grid(dimension, extent, points)
    return torch.logsumexp(-energy(x), dim=0) + dimension * step.log()


def kl_divergence(
    log_p: LogDensity, log_q: LogDensity, extent: float = 3.0, points: int = 240
) -> Tensor:
    """KL(p ‖ q) = ∫ p(x) (log p(x) − log q(x)) dx over a square of the plane, in nats; a scalar.

    Both functions map (B, 2) to (B,) and must be normalised (Kullback and Leibler, 1951). The other
    way round, KL(q ‖ p), is another number: this one is infinite where q denies what p allows, and
    asks of q to be everywhere that p is; that one asks it to be nowhere else. Where p is 0, nothing
    is added.

    Raises `ValueError` when p does not have its mass, to within 1 %, inside the square: it is not
    normalised, or reaches beyond, or is too thin for the grid to see.
    """
    x = grid(2, extent, points)
    log_p_x, log_q_x = log_p(x), log_q(x)
    p = log_p_x.exp() * (2 * extent / points) ** 2
    mass = float(p.detach().sum())
    if not abs(mass - 1) < 0.01:
        raise ValueError(
            f"the first density has mass {mass:.3g} in the square [−{extent:g}, {extent:g}]², "
            "expected 1. It is not normalised, or reaches beyond the square (a larger extent), or "
            f"is thinner than a cell of {2 * extent / points:.2g} (more points)."
        )
    return torch.where(p > 0, p * (log_p_x - log_q_x), 0.0).sum()


def jensen_shannon(
    log_p: LogDensity, log_q: LogDensity, extent: float = 3.0, points: int = 240
) -> Tensor:
    """JSD(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q)/2, in nats; a scalar.

    Both functions map (B, 2) to (B,) and must be normalised. It is 0 for equal densities and log 2,
    its largest value, for densities with no place in common (Lin, 1991).
    """

    def log_mean(x: Tensor) -> Tensor:
        return torch.logaddexp(log_p(x), log_q(x)) - math.log(2)

    to_mean = [kl_divergence(log, log_mean, extent, points) for log in (log_p, log_q)]
    return (to_mean[0] + to_mean[1]) / 2
