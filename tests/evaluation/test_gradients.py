"""Both estimators are right on average; only one of them is quiet."""

import pytest
import torch

from gencourse.evaluation.gradients import reparameterized_gradient, score_function_gradient

DOUBLE = torch.float64


def squared_norm(z):
    return (z**2).sum(dim=-1)


def draws(latents, n=400_000):
    generator = torch.Generator().manual_seed(0)
    mean = torch.linspace(-1, 1, latents, dtype=DOUBLE)
    log_var = torch.full((latents,), -0.5, dtype=DOUBLE)
    return mean, log_var, torch.randn(n, latents, generator=generator, dtype=DOUBLE)


@pytest.mark.parametrize("estimator", [score_function_gradient, reparameterized_gradient])
def test_both_estimators_are_unbiased(estimator):
    """E‖z‖² = ‖μ‖² + Σσ², so its gradient in μ is 2μ."""
    mean, log_var, noise = draws(3)
    estimates = estimator(squared_norm, mean, log_var, noise)
    error = estimates.std(dim=0) / len(noise) ** 0.5
    assert ((estimates.mean(dim=0) - 2 * mean).abs() < 4 * error + 1e-12).all()


def test_score_function_noise_grows_with_latents_and_reparameterised_does_not():
    variances = {}
    for latents in (2, 8, 32):
        mean, log_var, noise = draws(latents, n=20_000)
        for estimator in (score_function_gradient, reparameterized_gradient):
            estimates = estimator(squared_norm, mean, log_var, noise)
            variances[estimator.__name__, latents] = float(estimates[:, 0].var())
    assert variances["score_function_gradient", 32] > 8 * variances["score_function_gradient", 2]
    # For f = ‖z‖² the reparameterised estimate is 2z, whose variance is 4σ² in any dimension.
    for latents in (2, 8, 32):
        expected = 4 * float(torch.exp(torch.tensor(-0.5)))
        assert variances["reparameterized_gradient", latents] == pytest.approx(expected, rel=0.05)


def test_a_step_has_no_reparameterised_gradient_and_still_has_a_score_gradient():
    mean, log_var, noise = draws(1)

    def step(z):
        return (z[:, 0] > 0).to(DOUBLE) + 0 * z[:, 0]

    assert not reparameterized_gradient(step, mean, log_var, noise).any()
    # d/dμ P(z > 0) is the density of z at 0.
    scale = torch.exp(log_var / 2)
    density_at_zero = torch.exp(-0.5 * (mean / scale) ** 2) / (scale * (2 * torch.pi) ** 0.5)
    estimate = score_function_gradient(step, mean, log_var, noise).mean(dim=0)
    torch.testing.assert_close(estimate, density_at_zero, rtol=0.02, atol=0)
