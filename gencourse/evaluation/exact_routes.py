"""Five exact routes from noise to data, one for each family. Nothing here is trained.

Each function does to a target in the plane what its family's network would have to learn to do. For
a ring the answers are known, so the routes can be walked before any network exists:

    compress   a code picks a place on the circle, the decoder's noise does the rest
    contest    a critic compares two densities; a forger that matches leaves it undecided
    invert     the plane is pushed outwards, circle by circle, and nothing tears
    chain      first x₁, then x₂ given x₁
    denoise    the mean of all clean points that could have led here, a little at a time
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Generator, Tensor

from gencourse.data.targets import Ring, Target

__all__ = [
    "chain",
    "compress",
    "conditional",
    "contest",
    "decode",
    "denoise",
    "discriminate",
    "marginal",
    "noised",
    "signal_and_noise",
    "warp",
]


def compress(
    ring: Ring,
    n: int,
    generator: Generator | None = None,
) -> Tensor:
    """Draw a code, decode it, add the decoder's noise: `n` points (n, 2), one decoder pass."""
    z = torch.randn(n, generator=generator)
    noise = torch.randn(n, 2, generator=generator)
    return decode(ring, z) + ring.noise * noise


def decode(ring: Ring, z: Tensor) -> Tensor:
    """The mean of p(x|z) for a single code z ~ N(0, 1): (n,) → (n, 2), once round the circle."""
    angle = 2 * math.pi * torch.special.ndtr(z)
    return ring.radius * torch.stack([angle.cos(), angle.sin()], dim=-1)


def contest(forger: Ring, n: int, generator: Generator | None = None) -> Tensor:
    """Three numbers of noise to one point, (n, 2), in one generator pass.

    A generator is a decoder whose own noise has become part of the code.
    """
    z = torch.randn(n, 3, generator=generator)
    return decode(forger, z[:, 0]) + forger.noise * z[:, 1:]


def discriminate(data: Target, forger: Target, x: Tensor) -> Tensor:
    """The best possible critic, D*(x) = p_data(x) / (p_data(x) + p_G(x)): (B, 2) → (B,).

    Goodfellow et al., *Generative adversarial nets*, 2014, proposition 1.
    """
    return torch.sigmoid(data.log_prob(x) - forger.log_prob(x))


def warp(ring: Ring, z: Tensor) -> Tensor:
    """An invertible map that carries N(0, I) onto the ring: (n, 2) → (n, 2), in one pass.

    Only the distance from the centre changes. It goes to the radius that has as much of the ring
    inside it as the Gaussian has inside |z|, namely 1 − exp(−|z|²/2).
    """
    radius = torch.linspace(0, 2 * ring.extent, 6001, dtype=torch.float64)
    on_ray = torch.stack([radius, torch.zeros_like(radius)], dim=-1)
    density = 2 * math.pi * radius * ring.log_prob(on_ray).exp()
    inside = torch.cat([radius.new_zeros(1), torch.cumulative_trapezoid(density, radius)])
    r = z.double().norm(dim=-1, keepdim=True)
    wanted = -torch.expm1(-(r**2) / 2)
    target_r = torch.from_numpy(np.interp(wanted, inside / inside[-1], radius))
    moved: Tensor = z * (target_r / r)
    return moved.to(z)


def chain(
    target: Target,
    n: int,
    generator: Generator | None = None,
) -> Tensor:
    """Draw x₁ from p(x₁), then x₂ from p(x₂|x₁), (n, 2): as many passes as there are dimensions."""
    edge = target.extent
    line = torch.linspace(-edge, edge, 601, dtype=torch.float64)
    odds = marginal(target, line).expand(n, -1)
    x1 = _draw(odds, line, generator)
    odds = conditional(target, x1, line)
    x2 = _draw(odds, line, generator)
    return torch.stack([x1, x2], dim=-1).float()


def marginal(target: Target, x1: Tensor) -> Tensor:
    """p(x₁) = ∫ p(x₁, x₂) dx₂ by the midpoint rule over the target's extent: (n,) → (n,)."""
    step = 2 * target.extent / 600
    x2 = -target.extent + step * (torch.arange(600, dtype=x1.dtype) + 0.5)
    return target.log_prob(_pairs(x1, x2)).exp().sum(-1) * step


def conditional(target: Target, x1: Tensor, x2: Tensor) -> Tensor:
    """p(x₂|x₁) = p(x₁, x₂) / p(x₁) at every pair of (n,) and (m,) coordinates: (n, m)."""
    joint = target.log_prob(_pairs(x1, x2)).exp()
    return joint / marginal(target, x1).unsqueeze(-1)


def signal_and_noise(t: float) -> tuple[float, float]:
    """α = cos πt/2 and s = sin πt/2: all signal at t = 0, all noise at t = 1, α² + s² = 1."""
    return math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)


def noised(ring: Ring, t: float) -> Ring:
    """The ring at time t of a diffusion, the density of x = α x₀ + s ε.

    Shrinking a ring and adding Gaussian noise gives another ring; at t = 1 it is N(0, I).
    """
    alpha, s = signal_and_noise(t)
    return Ring(alpha * ring.radius, math.hypot(alpha * ring.noise, s))


def denoise(
    ring: Ring,
    n: int,
    steps: int = 50,
    generator: Generator | None = None,
) -> list[Tensor]:
    """Walk from noise to the ring in `steps` passes; returns every stop, steps + 1 times (n, 2).

    Each step estimates the clean point with the score, x̂₀ = (x + s² ∇log p_t(x)) / α, and moves to
    where that point would be at the next, lower noise level, keeping the same noise ε̂ (DDIM; Song,
    Meng and Ermon, 2021).
    """
    x = torch.randn(n, 2, generator=generator)
    stops = [x]
    times = torch.linspace(0.99, 0, steps + 1).tolist()
    for now, then in pairwise(times):
        alpha, s = signal_and_noise(now)
        score = noised(ring, now).score(x)
        clean, noise = (x + s**2 * score) / alpha, -s * score
        alpha, s = signal_and_noise(then)
        x = alpha * clean + s * noise
        stops.append(x)
    return stops


def _pairs(x1: Tensor, x2: Tensor) -> Tensor:
    """All pairs of (n,) and (m,) coordinates, (n, m, 2)."""
    return torch.cartesian_prod(x1, x2).reshape(len(x1), len(x2), 2)


def _draw(density: Tensor, x: Tensor, generator: Generator | None) -> Tensor:
    """One draw from each row of densities (n, m) tabulated at x (m,): (n,)."""
    cdf = torch.cumulative_trapezoid(density, x)
    cdf = torch.cat([torch.zeros_like(cdf[:, :1]), cdf], dim=-1)
    u = torch.rand(len(density), 1, generator=generator, dtype=x.dtype) * cdf[:, -1:]
    upper = torch.searchsorted(cdf, u).clamp(1, len(x) - 1)
    below, above = cdf.gather(-1, upper - 1), cdf.gather(-1, upper)
    part = (u - below) / (above - below)
    return (x[upper - 1] + part * (x[upper] - x[upper - 1])).squeeze(-1)
