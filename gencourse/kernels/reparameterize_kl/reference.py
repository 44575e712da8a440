r"""A sample from the encoder's Gaussian, and that Gaussian's distance from the prior.

The encoder of a variational autoencoder describes $q_\phi(z \mid x) = \mathcal{N}(\mu,
\operatorname{diag} \sigma^2)$ by its mean $\mu$ and its log-variance $\log \sigma^2$, both in
$\mathbb{R}^d$. Training needs a sample of it through which gradients flow,

$$ z = \mu + \sigma \odot \varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I), $$

and its Kullback-Leibler divergence from the standard normal prior,

$$ \mathrm{KL}\bigl(q_\phi(z \mid x) \,\|\, \mathcal{N}(0, I)\bigr)
   = \tfrac{1}{2} \sum_{i=1}^{d} \bigl( \mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2 \bigr). $$

Everything here is plain PyTorch, differentiable any number of times, in any direction and under
any transform of `torch.func`. In float64 it is the truth that the kernel is tested against.
"""

import torch
from torch import Tensor

__all__ = ["gradients", "kl_to_standard_normal", "reparameterize", "reparameterize_kl"]


def reparameterize(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    r"""Sample a diagonal Gaussian by moving and scaling standard noise: `z = μ + σ ε`.

    The randomness arrives from outside, so `z` is an ordinary differentiable function of the
    parameters: $\partial z / \partial \mu = 1$ and $\partial z / \partial \log \sigma^2 =
    \sigma \varepsilon / 2$.

    Args:
        mean: The mean μ, with shape (..., d).
        log_var: The logarithm of the variance, log σ², with shape (..., d).
        noise: Standard normal noise ε, with shape (..., d).

    Returns:
        The sample z, with shape (..., d).

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 2.4.
        Rezende, Mohamed and Wierstra (2014), Stochastic Backpropagation and Approximate Inference
        in Deep Generative Models.
    """
    return mean + torch.exp(log_var / 2) * noise


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    r"""KL(N(μ, diag σ²) ‖ N(0, I)) in nats: `½ Σ (μ² + σ² - 1 - log σ²)`.

    Near the prior, where log σ² is almost 0, the last three terms cancel: in float32 `exp(log_var)
    - 1 - log_var` then answers with rounding noise, negative as often as not. `expm1` computes
    `exp - 1` without subtracting, and leaves an error of one rounding of log σ².

    Args:
        mean: The mean μ, with shape (..., d).
        log_var: The logarithm of the variance, log σ², with shape (..., d).

    Returns:
        The divergence in nats, with shape (...), summed over the d dimensions and never negative.

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, appendix B.
    """
    return (mean.square() + (torch.expm1(log_var) - log_var)).sum(-1) / 2


def reparameterize_kl(mean: Tensor, log_var: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Both at once, computed in float32 or better whatever the inputs' precision.

    Args:
        mean: The mean μ, with shape (..., d).
        log_var: The logarithm of the variance, log σ², with shape (..., d).
        noise: Standard normal noise ε, with shape (..., d).

    Returns:
        The sample z, with shape (..., d) and the inputs' dtype, and the divergence in nats, with
        shape (...), in float64 for float64 inputs and in float32 for all others.
    """
    precise = torch.promote_types(mean.dtype, torch.float32)
    mean_, log_var_, noise_ = mean.to(precise), log_var.to(precise), noise.to(precise)
    z = reparameterize(mean_, log_var_, noise_)
    return z.to(mean.dtype), kl_to_standard_normal(mean_, log_var_)


def gradients(
    grad_z: Tensor, grad_kl: Tensor, mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    r"""The vector-Jacobian product of `reparameterize_kl`, written out.

    $$ \bar\mu = \bar z + \overline{\mathrm{KL}}\, \mu, \qquad
       \overline{\log \sigma^2} = \tfrac{1}{2} \bigl( \bar z\, \sigma \varepsilon
       + \overline{\mathrm{KL}}\, (\sigma^2 - 1) \bigr), $$

    where a bar is the derivative of the loss with respect to what is under it.

    Args:
        grad_z: The derivative of the loss with respect to z, with shape (..., d).
        grad_kl: The derivative of the loss with respect to the divergence, with shape (...).
        mean: The mean μ, with shape (..., d).
        log_var: The logarithm of the variance, log σ², with shape (..., d).
        noise: The noise ε that made z, with shape (..., d).

    Returns:
        The derivatives of the loss with respect to `mean` and `log_var`, with shape (..., d).
    """
    precise = grad_kl.dtype
    sigma_noise = torch.exp(log_var.to(precise) / 2) * noise.to(precise)
    weight = grad_kl.unsqueeze(-1)
    grad_mean = grad_z.to(precise) + weight * mean.to(precise)
    grad_log_var = (
        grad_z.to(precise) * sigma_noise + weight * torch.expm1(log_var.to(precise))
    ) / 2
    return grad_mean.to(mean.dtype), grad_log_var.to(log_var.dtype)
