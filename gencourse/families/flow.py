r"""The normalising flow (Tabak and Turner, 2013; Rezende and Mohamed, 2015; Dinh et al., 2017).

An invertible map f takes data to noise whose density p_Z is known. Mass is carried along, none is
lost, so that a density is divided by the factor by which f⁻¹ stretches volume:

    log p(x) = log p_Z(f(x)) + log |det ∂f/∂x|,        x = f⁻¹(z),  z ~ p_Z.

Both lines are exact. What f is made of stands in `gencourse.nn.transforms`. Grey levels are not a
density's business until they are spread out: with u uniform on [0, 1)^D and y = (x + u)/256,

    log P(x) ≥ E_u[log p(y)] - D log 256,

by Jensen's inequality (Theis, van den Oord and Bethge, 2016), which `Dequantized` computes.

Everything is in nats. Shapes: B points in a batch, D coordinates.
"""

import math
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from gencourse.families.inputs import check_batch, check_within, refuse_condition
from gencourse.nn.transforms import Transform

__all__ = ["Dequantized", "Flow", "StandardNormal", "Uniform", "bits_per_dimension"]


class Base(Protocol):
    """The density of the noise: D independent coordinates."""

    features: int

    def log_prob(self, z: Tensor) -> Tensor: ...
    def sample(self, n: int, like: Tensor, generator: Generator | None) -> Tensor: ...


class StandardNormal:
    """N(0, I) in R^D."""

    def __init__(self, features: int) -> None:
        self.features = features

    def log_prob(self, z: Tensor) -> Tensor:
        """-½ Σ (z² + log 2π) in nats, (B,), for z (B, D)."""
        return -0.5 * (z**2 + math.log(2 * math.pi)).sum(dim=-1)

    def sample(self, n: int, like: Tensor, generator: Generator | None) -> Tensor:
        """n draws, (n, D), of the dtype and on the device of `like`."""
        shape = (n, self.features)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)


class Uniform:
    """The uniform density on the cube [low, high]^D."""

    def __init__(self, features: int, low: float, high: float) -> None:
        self.features, self.low, self.high = features, low, high

    def log_prob(self, z: Tensor) -> Tensor:
        """-D log(high - low) in nats inside the cube and -∞ outside, (B,), for z (B, D)."""
        inside = ((z >= self.low) & (z <= self.high)).all(dim=-1)
        density = -self.features * math.log(self.high - self.low)
        return torch.where(inside, density, -math.inf).to(z.dtype)

    def sample(self, n: int, like: Tensor, generator: Generator | None) -> Tensor:
        """n draws, (n, D), of the dtype and on the device of `like`."""
        shape = (n, self.features)
        u = torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)
        return self.low + (self.high - self.low) * u


class Flow(nn.Module):
    """An invertible transform f and the density of the noise that it ends in."""

    likelihood = "exact"

    def __init__(self, transform: Transform, base: StandardNormal | Uniform) -> None:
        super().__init__()
        self.transform = transform
        self.base = base

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = log p_Z(f(x)) + log |det ∂f/∂x|, (B,) in nats, for x (B, D)."""
        check_batch(x, (self.base.features,), self)
        z, log_det = self.transform.forward(x)
        return self.base.log_prob(z) + log_det

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """The mean of -log p(x) over the batch, a scalar in nats: nothing in it is random."""
        refuse_condition(condition, self)
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n draws from p(x), (n, D): noise from p_Z, carried back by f⁻¹."""
        refuse_condition(condition, self)
        z = self.base.sample(n, next(self.parameters()), generator)
        x, _ = self.transform.inverse(z)
        return x


class Dequantized(nn.Module):
    """A flow of grey levels: whole numbers 0, ..., levels - 1, spread out by uniform noise."""

    likelihood = "bound"

    def __init__(self, flow: Flow, levels: int = 256) -> None:
        super().__init__()
        self.flow = flow
        self.levels = levels

    def log_prob(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """log p((x + u)/L) - D log L, one draw of u, (B,) nats: its mean is at most log P(x)."""
        features = self.flow.base.features
        check_batch(x, (features,), self)
        self._check_levels(x)
        u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return self.flow.log_prob((x + u) / self.levels) - features * math.log(self.levels)

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """The mean of -log_prob over the batch: a scalar in nats, an upper bound on -log P(x)."""
        refuse_condition(condition, self)
        return -self.log_prob(x, generator).mean()

    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n images of grey levels, (n, D): the flow's samples times L, rounded down."""
        y = self.flow.sample(n, condition, generator)
        return (y * self.levels).floor().clamp(0, self.levels - 1)

    def _check_levels(self, x: Tensor) -> None:
        remedy = (
            "Give the bytes as they are, x = images.flatten(1).float(), neither divided by 255 nor "
            "standardised."
        )
        check_within(x, 0, self.levels - 1, self, remedy)
        if not (x == x.floor()).all():
            raise ValueError(
                f"This {type(self).__name__} takes whole grey levels 0, ..., {self.levels - 1}; "
                f"got fractions, such as {float(x[x != x.floor()][0]):g}. {remedy} The noise that "
                "spreads them out is added here."
            )


def bits_per_dimension(log_prob: Tensor, features: int) -> Tensor:
    """-log P(x) / (D log 2): nats of a whole image, (...), to bits for each of its D pixels."""
    return -log_prob / (features * math.log(2))
