"""Every route must arrive, and each must have the property its family is named for."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats

from gencourse.data.targets import EightGaussians, Ring, TwoMoons
from gencourse.evaluation.exact_routes import (
    chain,
    compress,
    conditional,
    contest,
    decode,
    denoise,
    discriminate,
    marginal,
    noised,
    warp,
)

RING = Ring()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def through_warp(n: int) -> torch.Tensor:
    return warp(RING, torch.randn(n, 2, generator=generator()))


@pytest.mark.parametrize(
    "route",
    [
        lambda n: compress(RING, n, generator()),
        lambda n: contest(RING, n, generator()),
        through_warp,
        lambda n: chain(RING, n, generator()),
        lambda n: denoise(RING, n, 400, generator())[-1],
    ],
    ids=["compress", "contest", "invert", "chain", "denoise"],
)
def test_every_route_arrives_at_the_ring(route: Callable[[int], torch.Tensor]) -> None:
    arrived, expected = route(5_000), RING.sample(5_000, torch.Generator().manual_seed(1))
    for feature in (
        lambda x: x.norm(dim=-1),
        lambda x: torch.atan2(x[:, 1], x[:, 0]),
        RING.log_prob,
    ):
        assert stats.ks_2samp(feature(arrived), feature(expected)).pvalue > 0.01


def test_code_is_spent_evenly_round_the_circle() -> None:
    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([0.0625, 0.25, 0.5, 0.75]))
    angle = torch.atan2(*decode(RING, z).T.flip(0)) / (2 * math.pi) % 1
    torch.testing.assert_close(angle, torch.tensor([0.0625, 0.25, 0.5, 0.75]))


def test_no_critic_beats_the_ratio_of_densities() -> None:
    forger = Ring(radius=1.7, noise=0.3)
    real, fake = RING.sample(20_000, generator()), forger.sample(20_000, generator())

    def value(tilt: float, shift: float) -> float:
        def critic(x: torch.Tensor) -> torch.Tensor:
            best = discriminate(RING, forger, x.double())
            return torch.sigmoid(torch.logit(best) * tilt + shift)

        return float(critic(real).log().mean() + (-critic(fake)).log1p().mean())

    best = value(1.0, 0.0)
    assert all(
        value(tilt, shift) < best
        for tilt, shift in [(0.8, 0.0), (1.2, 0.0), (1.0, 0.3), (1.0, -0.3)]
    )


def test_critic_cannot_decide_when_the_forger_is_perfect() -> None:
    x = torch.randn(100, 2, generator=generator())
    torch.testing.assert_close(discriminate(RING, RING, x), torch.full((100,), 0.5))


def test_warp_obeys_the_change_of_variables() -> None:
    z = torch.randn(200, 2, generator=generator(), dtype=torch.float64)
    h = 1e-4
    columns = [
        (warp(RING, z + h * unit) - warp(RING, z - h * unit)) / (2 * h)
        for unit in torch.eye(2, dtype=torch.float64)
    ]
    log_det = torch.linalg.det(torch.stack(columns, dim=-1)).log()
    base = -z.square().sum(-1) / 2 - math.log(2 * math.pi)
    torch.testing.assert_close(RING.log_prob(warp(RING, z)), base - log_det, atol=0.02, rtol=0)


def test_warp_never_lets_two_points_meet() -> None:
    ray = torch.linspace(0.01, 4, 400, dtype=torch.float64)
    moved = warp(RING, torch.stack([ray, torch.zeros_like(ray)], dim=-1))[:, 0]
    assert (moved.diff() > 0).all()


@pytest.mark.parametrize("target", [RING, EightGaussians(), TwoMoons()], ids=lambda t: t.name)
def test_conditionals_multiply_to_the_joint(target: Ring | EightGaussians | TwoMoons) -> None:
    x1 = torch.tensor([-1.7, 0.1, 1.9], dtype=torch.float64)
    x2 = torch.linspace(-3, 3, 601, dtype=torch.float64)
    given = conditional(target, x1, x2)
    joint = target.log_prob(torch.cartesian_prod(x1, x2)).exp().reshape(3, 601)
    torch.testing.assert_close(marginal(target, x1)[:, None] * given, joint)
    torch.testing.assert_close(
        torch.trapezoid(given, x2), torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0
    )


def test_noised_ring_is_the_ring_with_noise_added() -> None:
    x0 = RING.sample(20_000, generator())
    eps = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    t = 0.4
    x = math.cos(math.pi * t / 2) * x0 + math.sin(math.pi * t / 2) * eps
    expected = noised(RING, t).sample(20_000, torch.Generator().manual_seed(2))
    assert stats.ks_2samp(x.norm(dim=-1), expected.norm(dim=-1)).pvalue > 0.01


def test_diffusion_ends_in_a_standard_normal() -> None:
    x = torch.randn(50, 2, generator=generator(), dtype=torch.float64)
    normal = -x.square().sum(-1) / 2 - math.log(2 * math.pi)
    torch.testing.assert_close(noised(RING, 1.0).log_prob(x), normal)


def test_more_denoising_steps_come_closer() -> None:
    def distance(steps: int) -> float:
        arrived = denoise(RING, 4_000, steps, generator())[-1].norm(dim=-1)
        return float(
            stats.wasserstein_distance(arrived, RING.sample(40_000, generator()).norm(dim=-1))
        )

    assert distance(200) < distance(20) < distance(5)


def test_denoising_keeps_every_stop() -> None:
    assert len(denoise(RING, 3, 7, generator())) == 8
