"""Truths of integrals on a grid."""

import math

import pytest
import torch

from gencourse.data.targets import EightGaussians, Ring
from gencourse.evaluation.quadrature import LogDensity, grid, kl_divergence, log_normaliser


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


def test_kl_tells_a_model_that_covers_too_much_from_one_that_forgets() -> None:
    """Each way round punishes one fault: forward the forgotten modes, backward the rest."""
    p = EightGaussians()
    wide = normal(1.5)
    centre = p.means[0]
    one = torch.distributions.Independent(
        torch.distributions.Normal(centre, torch.full_like(centre, p.noise)), 1
    )
    covers, forgets = (
        (kl_divergence(p.log_prob, q.log_prob, 6.0), kl_divergence(q.log_prob, p.log_prob, 6.0))
        for q in (wide, one)
    )
    assert covers[0] < forgets[0]
    assert covers[1] > forgets[1]
    # One mode of eight, exact where it is: its price the wrong way round is that of choosing it.
    assert math.isclose(float(forgets[1]), math.log(8), abs_tol=1e-3)


def test_kl_adds_nothing_where_the_first_density_is_nothing() -> None:
    def square(half: float) -> LogDensity:
        inside = -2 * math.log(2 * half)
        return lambda x: torch.where(x.abs().amax(-1) < half, inside, -math.inf)

    small, large = square(1.0), square(2.0)
    assert math.isclose(float(kl_divergence(small, large)), math.log(4), rel_tol=1e-6)
    assert float(kl_divergence(large, small)) == math.inf


@pytest.mark.parametrize(
    ("log_p", "found"),
    [
        (lambda x: normal(0.4).log_prob(x) + math.log(2), "mass 2 in"),
        (lambda x: normal(5.0).log_prob(x), r"mass 0\.2"),
        (lambda x: normal(0.4).log_prob(x) + math.nan, "mass nan"),
    ],
    ids=["not normalised", "beyond the square", "NaN"],
)
def test_kl_refuses_what_has_not_its_mass_in_the_square(log_p: LogDensity, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        kl_divergence(log_p, normal(0.4).log_prob)
