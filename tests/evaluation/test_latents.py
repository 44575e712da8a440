"""What the codes carry, on encoders for which the answer is known."""

import math

import pytest
import torch

from gencourse.evaluation.latents import active_units, aggregate_posterior_kl, mutual_information
from gencourse.families.linear_gaussian import LinearGaussian
from gencourse.kernels import reparameterize_kl


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_collapsed_dimension_is_inactive():
    mean = torch.stack([noise(1000), 0.05 * noise(1000), torch.full((1000,), 3.0)], dim=1)
    assert active_units(mean).tolist() == [True, False, False]


def test_codes_that_ignore_the_data_carry_no_information():
    mean, log_var = torch.zeros(500, 2), torch.zeros(500, 2)
    assert abs(mutual_information(mean, log_var, noise(500, 2))) < 1e-5
    assert abs(aggregate_posterior_kl(mean, log_var, noise(500, 2))) < 1e-5


def test_codes_that_never_overlap_carry_log_n():
    n = 300
    mean, log_var = 100 * torch.arange(n)[:, None].float(), torch.zeros(n, 1)
    assert mutual_information(mean, log_var, noise(n, 1)) == pytest.approx(math.log(n), abs=1e-4)


def test_information_and_aggregate_gap_add_up_to_the_average_kl():
    """E[KL(q(z|x) || p(z))] = I(x; z) + KL(q(z) || p(z)), up to the sampling of z."""
    mean, log_var = noise(2000, 2), noise(2000, 2, seed=1) - 1
    _, kl = reparameterize_kl(mean, log_var, torch.zeros(2000, 2))
    total = sum(
        f(mean, log_var, noise(2000, 2, seed=2))
        for f in (mutual_information, aggregate_posterior_kl)
    )
    assert total == pytest.approx(float(kl.mean()), abs=0.1)


def test_information_of_the_exact_posterior_is_known():
    """For probabilistic PCA, I(x; z) = ½ log det(I + WᵀW/σ²), and q(z) is the prior."""
    columns = torch.tensor([[1.0, 0.0], [0.0, 1.5], [0.0, 0.0]], dtype=torch.float64)
    truth = LinearGaussian(columns, torch.zeros(3, dtype=torch.float64), scale=0.8)
    x = truth.sample(1500, torch.Generator().manual_seed(0))
    mean, log_var = (t.detach() for t in truth.encoder()(x))
    information = 0.5 * float(torch.logdet(truth.precision()))
    assert mutual_information(mean, log_var, noise(1500, 2).double()) == pytest.approx(
        information, abs=0.06
    )
    assert aggregate_posterior_kl(mean, log_var, noise(1500, 2).double()) < 0.05
