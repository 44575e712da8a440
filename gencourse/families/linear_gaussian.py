r"""Probabilistic PCA (Tipping and Bishop, 1999): the VAE about which everything is known.

Its decoder is linear and its noise Gaussian,

    p(z) = N(z; 0, I),      p(x|z) = N(x; W z + b, σ² I),       z in R^d, x in R^D,

so that the likelihood and the posterior, which a VAE can only bound and guess, have closed forms:

    p(x)   = N(x; b, C),                    C = W Wᵀ + σ² I,
    p(z|x) = N(z; Λ⁻¹ Wᵀ(x - b)/σ², Λ⁻¹),   Λ = I + WᵀW/σ².

The course measures every bound against it. `maximum_likelihood` shows posterior collapse with
nothing else to blame: a direction of the data whose variance is below σ² gets a column of zeros.
"""

import math

import torch
from torch import Generator, Tensor, nn

from gencourse.families.vae import Encoder, GaussianDecoder

__all__ = ["LinearGaussian", "latent_rates"]


class LinearGaussian:
    """Probabilistic PCA with weight W (D, d), bias b (D,) and noise scale σ > 0."""

    likelihood = "exact"

    def __init__(self, weight: Tensor, bias: Tensor, scale: float) -> None:
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise ValueError(
                "The weight is (D, d) and the bias (D,); "
                f"got {tuple(weight.shape)} and {tuple(bias.shape)}."
            )
        if not scale > 0:
            raise ValueError(f"The scale σ is a standard deviation, above 0; got {scale}.")
        self.weight = weight
        self.bias = bias
        self.scale = scale

    @classmethod
    def random(
        cls, data_dim: int, latent_dim: int, scale: float, generator: Generator
    ) -> "LinearGaussian":
        """A model whose weights and biases are drawn from N(0, 1), in double precision."""
        double = torch.float64
        weight = torch.randn(data_dim, latent_dim, generator=generator, dtype=double)
        return cls(weight, torch.randn(data_dim, generator=generator, dtype=double), scale)

    @classmethod
    def maximum_likelihood(cls, x: Tensor, latent_dim: int, scale: float) -> "LinearGaussian":
        """The model of greatest likelihood for data x (N, D) among those with this σ.

        W = U (L - σ² I)₊^½ with U and L the d leading eigenvectors and eigenvalues of the data's
        covariance: where an eigenvalue is below σ² the column of W is zero, and the posterior of
        that z_i is the prior (Tipping and Bishop, 1999, appendix A; Lucas et al., 2019).
        """
        centred = x - x.mean(dim=0)
        eigenvalues, eigenvectors = torch.linalg.eigh(centred.T @ centred / len(x))
        leading = eigenvalues.flip(0)[:latent_dim]
        directions = eigenvectors.flip(1)[:, :latent_dim]
        return cls(directions * (leading - scale**2).clamp(min=0).sqrt(), x.mean(dim=0), scale)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = log N(x; b, C) in nats, exact, (B,) for data x (B, D)."""
        identity = torch.eye(len(self.bias), dtype=x.dtype)
        factor = torch.linalg.cholesky(self.weight @ self.weight.T + self.scale**2 * identity)
        whitened = torch.linalg.solve_triangular(factor, (x - self.bias).T, upper=False)
        log_det: Tensor = 2 * factor.diagonal().log().sum()
        distance: Tensor = (whitened**2).sum(dim=0)
        return -0.5 * (len(self.bias) * math.log(2 * math.pi) + log_det + distance)

    def precision(self) -> Tensor:
        """Λ = I + WᵀW/σ², the inverse covariance (d, d) of p(z|x), the same for every x."""
        identity = torch.eye(self.weight.shape[1], dtype=self.weight.dtype)
        return identity + self.weight.T @ self.weight / self.scale**2

    def posterior_mean(self, x: Tensor) -> Tensor:
        """E[z|x] = Λ⁻¹ Wᵀ(x - b)/σ², (B, d) for data x (B, D)."""
        projected = (x - self.bias) @ self.weight / self.scale**2
        mean: Tensor = torch.linalg.solve(self.precision(), projected.T).T
        return mean

    def elbo(self, x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
        """The ELBO of q = N(mean, diag exp log_var) in nats, exact: no sampling, (B,).

        x (B, D); mean and log_var (B, d). The expected square under q is that at the mean plus the
        spread: E_q‖x - Wz - b‖² = ‖x - W mean - b‖² + Σ_j ‖w_j‖² exp(log_var_j).
        """
        square = ((x - mean @ self.weight.T - self.bias) ** 2).sum(dim=1)
        spread = (log_var.exp() * (self.weight**2).sum(dim=0)).sum(dim=1)
        log_norm = len(self.bias) * math.log(2 * math.pi * self.scale**2)
        reconstruction = -0.5 * (log_norm + (square + spread) / self.scale**2)
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)
        return reconstruction - kl

    def kl_to_posterior(self, x: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
        """The gap KL(N(mean, diag exp log_var) || p(z|x)) in nats, exact, (B,).

        x (B, D); mean and log_var (B, d), what some encoder answers for x.
        """
        precision = self.precision()
        difference = mean - self.posterior_mean(x)
        trace = (log_var.exp() * precision.diagonal()).sum(dim=1)
        distance = ((difference @ precision) * difference).sum(dim=1)
        log_det = torch.logdet(precision) + log_var.sum(dim=1)
        return 0.5 * (trace + distance - mean.shape[1] - log_det)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n draws from p(x), (n, D)."""
        z = torch.randn(n, self.weight.shape[1], generator=generator, dtype=self.weight.dtype)
        return self.decoder().sample(z, generator).detach()

    def decoder(self) -> GaussianDecoder:
        """p(x|z) as a decoder for `gencourse.families.vae`."""
        linear = nn.Linear(self.weight.shape[1], len(self.bias)).to(self.weight.dtype)
        linear.weight.data, linear.bias.data = self.weight.clone(), self.bias.clone()
        decoder = GaussianDecoder(linear, self.scale)
        decoder.log_scale.data = torch.tensor(math.log(self.scale), dtype=self.weight.dtype)
        return decoder

    def encoder(self) -> Encoder:
        """The best encoder with a diagonal covariance: the posterior's mean, variances 1 / Λ_ii.

        It is the posterior itself when the columns of W are orthogonal. Otherwise the gap is
        ½ (Σ_i log Λ_ii - log det Λ), for every x.
        """
        precision = self.precision()
        to_mean = torch.linalg.solve(precision, self.weight.T / self.scale**2)
        linear = nn.Linear(len(self.bias), 2 * len(precision)).to(self.weight.dtype)
        linear.weight.data = torch.cat([to_mean, torch.zeros_like(to_mean)])
        linear.bias.data = torch.cat([-to_mean @ self.bias, -precision.diagonal().log()])
        return Encoder(linear)


def latent_rates(eigenvalues: Tensor, scale: float) -> Tensor:
    """Average KL of each latent at the maximum of the likelihood: ½ log(λ/σ²) if λ > σ², else 0.

    eigenvalues (d,) of the data's covariance, scale the decoder's fixed σ. Returns (d,) in nats.
    A direction that varies less than the decoder's noise is not encoded (Lucas et al., 2019).
    """
    if scale <= 0 or bool((eigenvalues < 0).any()):
        raise ValueError(
            "The scale is a standard deviation, above 0, and the eigenvalues of a covariance are "
            f"at least 0; got scale {scale} and a least eigenvalue of {float(eigenvalues.min())}."
        )
    return 0.5 * torch.clamp(torch.log(eigenvalues / scale**2), min=0)
