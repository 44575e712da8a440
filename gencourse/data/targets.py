r"""Targets in the plane whose density and score are known exactly.

Four of the five are made by one recipe: choose a clean point :math:`c` on a shape, then add
Gaussian noise, :math:`x = c + \sigma\epsilon`. Their density is the shape blurred,

    p(x) = E_c[ N(x; c, σ² I) ],

and so Tweedie's formula gives their score from the mean of the clean points that could have
led to :math:`x`,

    ∇ log p(x) = (E[c | x] − x) / σ².

The fifth, `Pinwheel`, is a Gaussian mixture bent by a map that preserves area.

Every target lives in the square [−extent, extent]² and computes in the precision of its input.

References
----------
Robbins, *An empirical Bayes approach to statistics*, 1956, for Tweedie's formula.
Johnson, Duvenaud, Wiltschko, Datta, Adams, *Composing graphical models with neural networks*,
2016, for the first pinwheel.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["TARGETS", "Checkerboard", "EightGaussians", "Pinwheel", "Ring", "Target", "TwoMoons"]


class Target(ABC):
    """A density in the plane that can be sampled, scored and differentiated without error."""

    name: ClassVar[str]
    extent: ClassVar[float] = 3.0
    """Half the width of the square to plot; all but a millionth of the mass is inside."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw `n` independent points, (n, 2), on the generator's device.

        The same generator state gives the same points. Raises `ValueError` for negative `n`.
        """

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats, (B, 2) → (B,); any leading shape will do.

        Raises `ValueError` unless the last dimension is 2, `TypeError` unless x is floating point.
        """

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """Evaluate ∇ₓ log p(x), (B, 2) → (B, 2), in nats per unit length.

        Raises as `log_prob` does.
        """


@dataclass(frozen=True)
class Ring(Target):
    r"""A circle of the given radius, its points blurred by Gaussian noise.

    The angle can be integrated out in closed form, :math:`I_0` being a modified Bessel function:

        p(x) = exp(−(|x|² + R²) / 2σ²) · I₀(R|x| / σ²) / (2πσ²)
    """

    name: ClassVar[str] = "ring"
    radius: float = 2.0
    noise: float = 0.15

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw an angle uniformly, then add the noise: (n, 2)."""
        angle = 2 * math.pi * _uniform(n, generator)
        clean = self.radius * torch.stack([angle.cos(), angle.sin()], dim=-1)
        return clean + self.noise * _normal(n, generator)

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats, (B, 2) → (B,), with I₀ scaled so that it cannot overflow."""
        r: Tensor = torch.linalg.vector_norm(_points(x), dim=-1)
        variance = self.noise**2
        log_bessel: Tensor = torch.special.i0e(self.radius * r / variance).log()
        return (
            log_bessel - (r - self.radius) ** 2 / (2 * variance) - math.log(2 * math.pi * variance)
        )

    def score(self, x: Tensor) -> Tensor:
        """Evaluate (E[c | x] − x)/σ², (B, 2) → (B, 2); the mean lies on the ray through x."""
        kappa = self.radius * torch.linalg.vector_norm(_points(x), dim=-1, keepdim=True)
        kappa = kappa / self.noise**2
        ratio = torch.special.i1e(kappa) / torch.special.i0e(kappa)
        # I₁(κ)/κI₀(κ) tends to 1/2 at the centre, where the formula itself reads 0/0.
        ratio_over_kappa = torch.where(kappa > 1e-4, ratio / kappa.clamp(min=1e-4), 0.5)
        clean_mean = (self.radius / self.noise) ** 2 * ratio_over_kappa * x
        return (clean_mean - x) / self.noise**2


@dataclass(frozen=True)
class EightGaussians(Target):
    """Eight equal Gaussians, evenly spaced on a circle: p(x) = ⅛ Σₖ N(x; cₖ, σ² I)."""

    name: ClassVar[str] = "eight Gaussians"
    radius: float = 2.0
    noise: float = 0.2

    @property
    def means(self) -> Tensor:
        """The eight centres, (8, 2), in double precision, anticlockwise from (radius, 0)."""
        angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
        return self.radius * torch.stack([angle.cos(), angle.sin()], dim=-1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw a centre, then add the noise: (n, 2)."""
        component = _integers(8, n, generator)
        noise = _normal(n, generator)
        return self.means.to(noise)[component] + self.noise * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats, (B, 2) → (B,)."""
        centres = self.means.to(_points(x))
        return _mixture_log_prob(x, centres, torch.full_like(centres[:, 0], 1 / 8), self.noise)

    def score(self, x: Tensor) -> Tensor:
        """Evaluate ∇ log p(x), (B, 2) → (B, 2), by Tweedie's formula."""
        centres = self.means.to(_points(x))
        return _mixture_score(x, centres, torch.full_like(centres[:, 0], 1 / 8), self.noise)


@dataclass(frozen=True)
class TwoMoons(Target):
    """Two interleaved half circles, their points blurred by Gaussian noise.

    The integral along each arc is done by Gauss-Legendre quadrature with 128 nodes. Its integrand
    is smooth on the scale of noise/radius, so within the plot square the error in log p is below
    1e-6 nats for noise ≥ 0.1 radius (a test compares it with a far finer rule).
    """

    name: ClassVar[str] = "two moons"
    radius: float = 1.3
    noise: float = 0.13

    def _clean(self, angle: Tensor, upper: Tensor) -> Tensor:
        """Points (B, 2) on the upper arc, or on the lower, which is the upper turned about 0."""
        arc = self.radius * torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=-1)
        return torch.where(upper.unsqueeze(-1), arc, -arc)

    def _nodes(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Quadrature nodes on both arcs, (256, 2), and their weights, (256,), which sum to 1."""
        node, weight = (torch.from_numpy(a).to(like) for a in _gauss_legendre(128))
        angle = math.pi * (1 + node) / 2
        upper = torch.arange(256, device=like.device) < 128
        return self._clean(angle.repeat(2), upper), weight.repeat(2) / 4

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw an arc, an angle along it, then add the noise: (n, 2)."""
        upper = _integers(2, n, generator) == 0
        clean = self._clean(math.pi * _uniform(n, generator), upper)
        return clean + self.noise * _normal(n, generator)

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats, (B, 2) → (B,)."""
        return _mixture_log_prob(x, *self._nodes(_points(x)), self.noise)

    def score(self, x: Tensor) -> Tensor:
        """Evaluate ∇ log p(x), (B, 2) → (B, 2), by Tweedie's formula."""
        return _mixture_score(x, *self._nodes(_points(x)), self.noise)


@dataclass(frozen=True)
class Checkerboard(Target):
    """The eight dark squares of a 4 × 4 board, their points blurred by Gaussian noise.

    A square is a product of two intervals, so each term is a product of two differences of the
    normal distribution function Φ, and the score exists everywhere:

        p(x) = ⅛ Σₖ Πⱼ [Φ((xⱼ − aₖⱼ + h)/σ) − Φ((xⱼ − aₖⱼ − h)/σ)] / 2h

    with aₖ the centre of a square and h half its side.
    """

    name: ClassVar[str] = "checkerboard"
    side: float = 1.0
    noise: float = 0.05

    @property
    def centres(self) -> Tensor:
        """The centres of the eight filled squares, (8, 2), in double precision."""
        cell = torch.arange(4, dtype=torch.float64)
        column, row = torch.meshgrid(cell, cell, indexing="ij")
        filled = torch.stack([column, row], dim=-1)[(column + row) % 2 == 0]
        return self.side * (filled - 1.5)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw a square, a point in it, then add the noise: (n, 2)."""
        component = _integers(8, n, generator)
        within = torch.stack([_uniform(n, generator), _uniform(n, generator)], dim=-1) - 0.5
        clean = self.centres.to(within)[component] + self.side * within
        return clean + self.noise * _normal(n, generator)

    def _log_masses(self, x: Tensor) -> Tensor:
        """log[Φ(·) − Φ(·)] for each square and axis, (B, 2) → (B, 8, 2).

        By symmetry only the distance to the centre counts. Measuring from that side keeps both
        values of Φ in the lower tail, where their difference does not cancel.
        """
        distance = (x.unsqueeze(-2) - self.centres.to(x)).abs()
        near = torch.special.log_ndtr((self.side / 2 - distance) / self.noise)
        far = torch.special.log_ndtr((-self.side / 2 - distance) / self.noise)
        log_mass: Tensor = near + torch.log1p(-(far - near).exp())
        return log_mass

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats, (B, 2) → (B,)."""
        in_squares = self._log_masses(_points(x)).sum(-1).logsumexp(-1)
        return in_squares - math.log(8 * self.side**2)

    def score(self, x: Tensor) -> Tensor:
        """Evaluate ∇ log p(x), (B, 2) → (B, 2): each square's own score, weighted by its share."""
        log_mass = self._log_masses(_points(x))
        share = log_mass.sum(-1, keepdim=True).softmax(-2)
        offset = x.unsqueeze(-2) - self.centres.to(x)
        log_left = _log_normal((offset + self.side / 2) / self.noise)
        log_right = _log_normal((offset - self.side / 2) / self.noise)
        slope = (log_left - log_mass).exp() - (log_right - log_mass).exp()
        return (share * slope).sum(-2) / self.noise


@dataclass(frozen=True)
class Pinwheel(Target):
    """Five spokes of a wheel, each an elongated Gaussian, twisted about the centre.

    A point f of the straight wheel moves to x = R(τ|f|²) f, where R(θ) turns by the angle θ. Every
    circle about the origin only turns in itself, so |x| = |f|, no area changes, and

        p(x) = ⅕ Σₖ N(R(−θₖ(x)) x; (m, 0), diag(s², t²)),    θₖ(x) = 2πk/5 + τ|x|²
    """

    name: ClassVar[str] = "pinwheel"
    middle: float = 1.3
    length: float = 0.35
    width: float = 0.12
    twist: float = 0.3

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw a spoke, a point on it while it is straight, then twist: (n, 2)."""
        spoke = _integers(5, n, generator)
        noise = _normal(n, generator)
        straight = noise * noise.new_tensor([self.length, self.width])
        straight = straight + noise.new_tensor([self.middle, 0.0])
        return _rotate(straight, self._angle(straight).gather(-1, spoke.unsqueeze(-1)).squeeze(-1))

    def _angle(self, x: Tensor) -> Tensor:
        """The angle θₖ(x) by which each spoke is turned at the radius |x|, (B, 2) → (B, 5)."""
        spoke = torch.arange(5, dtype=x.dtype, device=x.device) * (2 * math.pi / 5)
        return spoke + self.twist * x.square().sum(-1, keepdim=True)

    def _straighten(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Undo each spoke's turn: the points f, (B, 5, 2), each spoke's θₖ and log N(f), (B, 5)."""
        angle = self._angle(x)
        straight = _rotate(x.unsqueeze(-2).expand(*angle.shape, 2), -angle)
        along = (straight[..., 0] - self.middle) / self.length
        across = straight[..., 1] / self.width
        log_normal = _log_normal(along) + _log_normal(across) - math.log(self.length * self.width)
        return straight, angle, log_normal

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate log p(x) in nats, (B, 2) → (B,); the twist has no log-determinant to add."""
        return self._straighten(_points(x))[2].logsumexp(-1) - math.log(5)

    def score(self, x: Tensor) -> Tensor:
        """Evaluate ∇ log p(x), (B, 2) → (B, 2), by the chain rule through the twist."""
        straight, angle, log_normal = self._straighten(_points(x))
        share = log_normal.softmax(-1).unsqueeze(-1)
        slope = torch.stack(
            [
                (self.middle - straight[..., 0]) / self.length**2,
                -straight[..., 1] / self.width**2,
            ],
            dim=-1,
        )
        # Moving x outwards turns f clockwise; `torque` is what that turn does to log N(f).
        torque = slope[..., 0] * straight[..., 1] - slope[..., 1] * straight[..., 0]
        by_turning = 2 * self.twist * torque.unsqueeze(-1) * x.unsqueeze(-2)
        return (share * (_rotate(slope, angle) + by_turning)).sum(-2)


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (Ring(), EightGaussians(), TwoMoons(), Checkerboard(), Pinwheel())
}
"""The five targets with their standard parameters, by name."""


def _points(x: Tensor) -> Tensor:
    """Return x if it is a batch of points in the plane, else say what is wrong with it."""
    if not x.is_floating_point():
        raise TypeError(
            f"expected points as float32 or float64, got {x.dtype}; call x.float() first"
        )
    if x.shape[-1:] != (2,):
        cause = "transposed? try x.T" if x.dim() == 2 and x.shape[0] == 2 else "not 2-D points?"
        raise ValueError(
            f"expected points of shape (B, 2), one row each, got {tuple(x.shape)}; {cause}"
        )
    return x


def _device(n: int, generator: torch.Generator | None) -> torch.device:
    if n < 0:
        raise ValueError(f"expected a number of points n ≥ 0, got {n}")
    return torch.device("cpu") if generator is None else generator.device


def _uniform(n: int, generator: torch.Generator | None) -> Tensor:
    return torch.rand(n, generator=generator, device=_device(n, generator))


def _normal(n: int, generator: torch.Generator | None) -> Tensor:
    return torch.randn(n, 2, generator=generator, device=_device(n, generator))


def _integers(high: int, n: int, generator: torch.Generator | None) -> Tensor:
    return torch.randint(high, (n,), generator=generator, device=_device(n, generator))


def _log_normal(x: Tensor) -> Tensor:
    return -x.square() / 2 - math.log(2 * math.pi) / 2


def _mixture_log_terms(x: Tensor, centres: Tensor, weights: Tensor, noise: float) -> Tensor:
    """log wₖ N(x; cₖ, σ² I), (B, 2) and K centres → (B, K)."""
    squared = (x[..., :1] - centres[:, 0]).square() + (x[..., 1:] - centres[:, 1]).square()
    return weights.log() - squared / (2 * noise**2) - math.log(2 * math.pi * noise**2)


def _mixture_log_prob(x: Tensor, centres: Tensor, weights: Tensor, noise: float) -> Tensor:
    return _mixture_log_terms(x, centres, weights, noise).logsumexp(-1)


def _mixture_score(x: Tensor, centres: Tensor, weights: Tensor, noise: float) -> Tensor:
    """(E[c | x] − x)/σ²: the posterior over centres is the softmax of the log terms."""
    posterior = _mixture_log_terms(x, centres, weights, noise).softmax(-1)
    return (posterior @ centres - x) / noise**2


def _rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Turn the points x, (..., 2), anticlockwise by the angles, (...)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]], -1)


@cache
def _gauss_legendre(n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Nodes and weights on [−1, 1], kept because they cost far more than the sum they serve."""
    node, weight = np.polynomial.legendre.leggauss(n)
    return node, weight
