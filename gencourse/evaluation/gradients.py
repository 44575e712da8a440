r"""Two estimators of the gradient of an expectation over a Gaussian.

The ELBO asks for the gradient of E_q[f(z)] with respect to the parameters of q = N(μ, diag σ²)
itself, and the expectation cannot be taken first. Two identities move the gradient inside:

    ∇ E_q[f(z)] = E_ε[∇ f(μ + σ ε)],  ε ~ N(0, I)         reparameterised: f is differentiated
    ∇ E_q[f(z)] = E_q[f(z) ∇ log q(z)]                    score function: f is only evaluated

Both are unbiased. Their variances differ, often by orders of magnitude (Kingma and Welling, 2014,
section 2.2; the score function's is REINFORCE, Williams, 1992).

In both functions f maps (K, d) to (K,), mean and log_var are (d,), and noise is (K, d), draws from
N(0, I). Each returns K estimates of the gradient with respect to the mean and K with respect to the
log-variance, both (K, d); the estimate from K samples is their average.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gencourse.families.vae import normal_log_prob

__all__ = ["reparameterized_gradient", "score_function_gradient"]


def reparameterized_gradient(
    f: Callable[[Tensor], Tensor], mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """∇ f(μ + σ ε), one estimate for each row of the noise; needs f to be differentiable."""
    means = mean.expand_as(noise).clone().requires_grad_()
    log_vars = log_var.expand_as(noise).clone().requires_grad_()
    z = means + torch.exp(log_vars / 2) * noise
    by_mean, by_log_var = torch.autograd.grad(f(z).sum(), (means, log_vars))
    return by_mean, by_log_var


def score_function_gradient(
    f: Callable[[Tensor], Tensor], mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """f(z) ∇ log q(z) at z = μ + σ ε, one estimate for each row of the noise; f may be any f."""
    means = mean.expand_as(noise).clone().requires_grad_()
    log_vars = log_var.expand_as(noise).clone().requires_grad_()
    z = (mean + torch.exp(log_var / 2) * noise).detach()
    log_q = normal_log_prob(z, means, log_vars)
    by_mean, by_log_var = torch.autograd.grad(log_q.sum(), (means, log_vars))
    weight = f(z).detach()[:, None]
    return weight * by_mean, weight * by_log_var
