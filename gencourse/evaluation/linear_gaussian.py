r"""The linear-Gaussian latent variable model, the VAE whose every quantity is known.

    p(z)   = N(z; 0, I),                z in R^d
    p(x|z) = N(x; W z + b, σ² I),       x in R^D

Everything else is Gaussian too, with Λ = I + WᵀW/σ² (Tipping and Bishop, 1999):

    p(x)   = N(x; b, W Wᵀ + σ² I)
    p(z|x) = N(z; Λ⁻¹ Wᵀ(x − b)/σ², Λ⁻¹)

So the ELBO of any Gaussian q, and its distance from log p(x), can be written down and compared.
All in nats. B is the number of observations.
"""

import math
from typing import Any

import torch
from torch import Generator, Tensor

__all__ = ["LinearGaussian", "latent_rates"]

LOG_2PI = math.log(2 * math.pi)


class LinearGaussian:
    """p(z) = N(0, I), p(x|z) = N(Wz + b, σ² I).

    weight (D, d), bias (D,); scale is σ > 0. Raises `ValueError` where these do not fit together.
    """

    def __init__(self, weight: Tensor, bias: Tensor, scale: float) -> None:
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise ValueError(
                f"weight must be (D, d) and bias (D,); got {tuple(weight.shape)} and "
                f"{tuple(bias.shape)}."
            )
        if scale <= 0:
            raise ValueError(f"scale is a standard deviation and must be positive; got {scale}.")
        self.weight, self.bias, self.scale = weight, bias, scale
        latents = weight.shape[1]
        precision = torch.eye(latents, dtype=weight.dtype) + weight.T @ weight / scale**2
        self.posterior_covariance: Tensor = torch.linalg.inv(precision)

    @classmethod
    def random(
        cls, data_dim: int, latent_dim: int, scale: float, generator: Generator
    ) -> "LinearGaussian":
        """A model with weights N(0, 1) and biases N(0, 1), in double precision."""
        double = torch.float64
        weight = torch.randn(data_dim, latent_dim, generator=generator, dtype=double)
        bias = torch.randn(data_dim, generator=generator, dtype=double)
        return cls(weight, bias, scale)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """`n` draws of x, (n, D)."""
        data_dim, latent_dim = self.weight.shape
        dtype = self.weight.dtype
        z = torch.randn(n, latent_dim, generator=generator, dtype=dtype)
        noise = torch.randn(n, data_dim, generator=generator, dtype=dtype)
        return z @ self.weight.T + self.bias + self.scale * noise

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = log N(x; b, WWᵀ + σ²I), exactly; x (B, D), returns (B,)."""
        eye = torch.eye(len(self.bias), dtype=x.dtype)
        covariance = self.weight @ self.weight.T + self.scale**2 * eye
        log_prob: Tensor = _normal(self.bias, covariance).log_prob(x)
        return log_prob

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z); x (B, D) and z (..., B, d), returns (..., B)."""
        squared = ((x - z @ self.weight.T - self.bias) ** 2).sum(dim=-1)
        return -0.5 * (
            len(self.bias) * (LOG_2PI + 2 * math.log(self.scale)) + squared / self.scale**2
        )

    def posterior_mean(self, x: Tensor) -> Tensor:
        """The mean of p(z|x), (B, d); its covariance, the same for every x, is an attribute."""
        return (x - self.bias) @ self.weight @ self.posterior_covariance / self.scale**2

    def elbo(self, x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
        """The ELBO of q = N(mean, diag exp(log_var)), with no sampling; mean, log_var (B, d).

        E_q[log p(x|z)] needs only E‖x − Wz − b‖² = ‖x − Wμ − b‖² + Σ_j ‖w_j‖² σ_j².
        """
        spread = (log_var.exp() * (self.weight**2).sum(dim=0)).sum(dim=-1) / self.scale**2
        reconstruction = self.log_likelihood(x, mean) - 0.5 * spread
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=-1)
        return reconstruction - kl

    def gap(self, x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
        """KL(q || p(z|x)) for q = N(mean, diag exp(log_var)), (B,): what the ELBO leaves out."""
        q = _normal(mean, torch.diag_embed(log_var.exp()))
        posterior = _normal(self.posterior_mean(x), self.posterior_covariance)
        gap: Tensor = torch.distributions.kl_divergence(q, posterior)
        return gap


def _normal(mean: Tensor, covariance: Tensor) -> Any:
    return torch.distributions.MultivariateNormal(mean, covariance)


def latent_rates(eigenvalues: Tensor, scale: float) -> Tensor:
    """Average KL of each latent at the maximum of the likelihood: ½ log(λ/σ²) if λ > σ², else 0.

    eigenvalues (d,) of the data's covariance, scale the decoder's fixed σ. Returns (d,) in nats.
    A direction that varies less than the decoder's noise is not encoded (Lucas et al., 2019).
    """
    if scale <= 0 or bool((eigenvalues < 0).any()):
        raise ValueError("scale must be positive and eigenvalues of a covariance at least zero.")
    return 0.5 * torch.clamp(torch.log(eigenvalues / scale**2), min=0)
