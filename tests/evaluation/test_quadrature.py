"""Truths of integrals on a grid."""

import math

import pytest
import torch

from gencourse.data.targets import EightGaussians, Ring
from gencourse.evaluation.quadrature import grid, kl_divergence, log_normaliser


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_grid_has_one_point_in_every_cell(dimension: int) -> None:
    x = grid(dimension, 1.0, 4)
    assert x.shape == (4**dimension, dimension)
    assert len(torch.unique(x, dim=0)) == 4**dimension
    torch.testing.assert_close(x.mean(0), torch.zeros(dimension, dtype=torch.float64))


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_normaliser_of_a_gaussian_is_known(dimension: int) -> None:
    log_z = log_normaliser(lambda x: x.square().sum(-1) / 2, dimension, extent=6, points=24)
    assert math.isclose(float(log_z), dimension / 2 * math.log(2 * math.pi), abs_tol=1e-6)


def test_normaliser_finds_the_constant_that_an_energy_hides() -> None:
    log_z = log_normaliser(lambda x: -Ring().log_prob(x) - 7, 2, extent=3, points=120)
    assert math.isclose(float(log_z), 7, abs_tol=1e-6)


def test_energy_is_evaluated_once_for_every_cell() -> None:
    evaluated = 0

    def energy(x: torch.Tensor) -> torch.Tensor:
        nonlocal evaluated
        evaluated += len(x)
        return x.square().sum(-1)

    log_normaliser(energy, dimension=3, extent=4, points=10)
    assert evaluated == 10**3


def normal(std: float) -> torch.distributions.Independent:
    zero = torch.zeros(2, dtype=torch.float64)
    return torch.distributions.Independent(torch.distributions.Normal(zero, zero + std), 1)


def test_kl_of_two_gaussians_is_known() -> None:
    p, q = normal(0.4), normal(0.7)
    expected = torch.distributions.kl_divergence(p, q)
    torch.testing.assert_close(kl_divergence(p.log_prob, q.log_prob, 4.0), expected)


def test_kl_is_zero_for_equals_and_positive_otherwise() -> None:
    p, q = EightGaussians(), EightGaussians(noise=0.25)
    assert abs(float(kl_divergence(p.log_prob, p.log_prob))) < 1e-12
    assert float(kl_divergence(p.log_prob, q.log_prob)) > 0.01


def test_mean_log_likelihood_falls_short_of_minus_the_entropy_by_the_kl() -> None:
    p, q = Ring(), Ring(noise=0.2)
    x = p.sample(200_000, torch.Generator().manual_seed(0)).double()
    shortfall = p.log_prob(x) - q.log_prob(x)
    standard_error = float(shortfall.std()) / math.sqrt(len(x))
    kl = float(kl_divergence(p.log_prob, q.log_prob))
    assert abs(float(shortfall.mean()) - kl) < 4 * standard_error
