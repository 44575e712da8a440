"""The linear-Gaussian model is the yardstick of chapter 2, so it is held against quadrature."""

import math

import pytest
import torch

from gencourse.families.linear_gaussian import LinearGaussian, latent_rates


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def grid(extent, points=20_001):
    return torch.linspace(-extent, extent, points, dtype=torch.float64)


def test_log_prob_is_the_integral_over_the_latent(generator):
    model = LinearGaussian.random(3, 1, scale=0.7, generator=generator)
    x = model.sample(5, generator)
    z = grid(12)[:, None, None].expand(-1, 5, 1)
    log_prior = -0.5 * (z[..., 0] ** 2 + math.log(2 * math.pi))
    integrand = torch.exp(model.decoder().log_prob(x, z).detach() + log_prior)
    integral = torch.trapezoid(integrand, grid(12), dim=0)
    torch.testing.assert_close(integral.log(), model.log_prob(x), rtol=0, atol=1e-10)


def test_posterior_is_joint_over_evidence(generator):
    model = LinearGaussian.random(4, 2, scale=0.5, generator=generator)
    x, z = model.sample(6, generator), torch.randn(6, 2, generator=generator, dtype=torch.float64)
    posterior = torch.distributions.MultivariateNormal(
        model.posterior_mean(x), precision_matrix=model.precision()
    )
    log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(dim=-1)
    by_bayes = model.decoder().log_prob(x, z).detach() + log_prior - model.log_prob(x)
    torch.testing.assert_close(posterior.log_prob(z), by_bayes, rtol=0, atol=1e-10)


def test_elbo_plus_gap_is_the_log_likelihood(generator):
    model = LinearGaussian.random(8, 3, scale=0.6, generator=generator)
    x = model.sample(50, generator)
    mean, log_var = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)
    total = model.elbo(x, mean, log_var) + model.kl_to_posterior(x, mean, log_var)
    torch.testing.assert_close(total, model.log_prob(x), rtol=0, atol=1e-9)
    assert (model.kl_to_posterior(x, mean, log_var) > 0).all()


def test_samples_have_the_stated_covariance(generator):
    model = LinearGaussian.random(3, 2, scale=0.5, generator=generator)
    x = model.sample(200_000, generator)
    covariance = model.weight @ model.weight.T + 0.25 * torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(torch.cov(x.T), covariance, rtol=0.02, atol=0.02)


def test_latent_rates_are_the_average_kl_of_the_optimum(generator):
    """The average KL of the posterior of the model that maximises the likelihood."""
    scale = 0.8
    eigenvalues = torch.tensor([4.0, 1.5, 0.9, 0.3], dtype=torch.float64)
    vectors = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64)).Q
    weight = vectors * torch.clamp(eigenvalues - scale**2, min=0).sqrt()
    model = LinearGaussian(weight, torch.zeros(4, dtype=torch.float64), scale)
    posterior_covariance = torch.linalg.inv(model.precision())
    variance = torch.diagonal(posterior_covariance)
    projection = weight @ posterior_covariance / scale**2  # posterior mean is x times this
    covariance = vectors @ torch.diag(eigenvalues) @ vectors.T
    mean_square = torch.diagonal(projection.T @ covariance @ projection)
    average_kl = 0.5 * (mean_square + variance - 1 - variance.log())
    torch.testing.assert_close(average_kl, latent_rates(eigenvalues, scale), rtol=0, atol=1e-12)


def test_errors_say_what_was_given():
    with pytest.raises(ValueError, match=r"weight is \(D, d\)"):
        LinearGaussian(torch.zeros(3), torch.zeros(3), 1.0)
    with pytest.raises(ValueError, match="standard deviation"):
        LinearGaussian(torch.zeros(3, 1), torch.zeros(3), 0.0)
    with pytest.raises(ValueError, match="eigenvalues"):
        latent_rates(torch.tensor([-1.0]), 1.0)
