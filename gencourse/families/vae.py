r"""The variational autoencoder (Kingma and Welling, 2014; Rezende, Mohamed and Wierstra, 2014).

A latent z is drawn from a prior, an image x from a decoder, and an encoder guesses z back from x:

    p(z)     = N(z; 0, I)                                    prior, z in R^d
    p_θ(x|z) = Π_i Bernoulli(x_i; sigmoid(f_θ(z)_i))          decoder, x in {0,1}^D
    q_φ(z|x) = N(z; μ_φ(x), diag σ²_φ(x))                     encoder

The likelihood p_θ(x) = ∫ p_θ(x|z) p(z) dz has no closed form. For every q_φ,

    log p_θ(x) = E_q[log p_θ(x|z)] - KL(q_φ(z|x) || p(z))  +  KL(q_φ(z|x) || p_θ(z|x)),
                 `------------------ ELBO(x) -----------'      `--- the gap, ≥ 0 ----'

so that raising the ELBO raises a lower bound on log p_θ(x) and closes the gap. Its gradient with
respect to φ passes through the sample: z = μ + σ ε with ε ~ N(0, I). Averaging K weights inside
the logarithm gives a tighter bound (Burda, Grosse and Salakhutdinov, 2016):

    L_K(x) = E[log (1/K) Σ_k p_θ(x|z_k) p(z_k) / q_φ(z_k|x)],
    ELBO = L_1 ≤ L_2 ≤ ... ≤ log p_θ(x).

Everything is in nats. Shapes: B images in a batch, D pixels, d latent dimensions, K samples.
"""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gencourse.families.inputs import check_batch, refuse_condition
from gencourse.kernels import reparameterize_kl

__all__ = [
    "VAE",
    "BernoulliDecoder",
    "Encoder",
    "GaussianDecoder",
    "elbo",
    "elbo_terms",
    "importance_weighted_bound",
    "normal_log_prob",
]


class Encoder(nn.Module):
    """q_φ(z|x) = N(z; mean, diag exp(log_var)), the approximate posterior.

    network: any module from images (B, D) to (B, 2d), the means and then the log-variances.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q_φ(z|x), each (B, d), for images x (B, D)."""
        mean, log_var = self.network(x).chunk(2, dim=-1)
        return mean, log_var


class BernoulliDecoder(nn.Module):
    """p_θ(x|z) for binary pixels: independent Bernoullis whose logits are network(z).

    network: any module from latents (..., d) to logits (..., D).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """log p_θ(x|z) in nats, (..., B), for binary images x (B, D) and latents z (..., B, d)."""
        logits = self.network(z)
        # Cross-entropy from logits: x log sigmoid(l) + (1-x) log sigmoid(-l), with no log of a 0.
        cross_entropy = binary_cross_entropy_with_logits(
            logits, x.expand_as(logits), reduction="none"
        )
        return -cross_entropy.sum(dim=-1)

    def mean(self, z: Tensor) -> Tensor:
        """E[x|z], the probability that each pixel is ink, (..., D), for latents z (..., d)."""
        return torch.sigmoid(self.network(z))

    def sample(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """One draw of the pixels, (..., D) in {0, 1}, for latents z (..., d)."""
        return torch.bernoulli(self.mean(z), generator=generator)


class GaussianDecoder(nn.Module):
    """p_θ(x|z) = N(x; network(z), scale² I), for data that is not binary.

    network: any module from latents (..., d) to means (..., D). The scale is one number for all
    pixels. It is learned from where `scale` starts it, unless `log_scale.requires_grad` is False.
    """

    def __init__(self, network: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        if scale <= 0:
            raise ValueError(f"The scale is a standard deviation, above 0; got {scale}.")
        self.network = network
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """log p_θ(x|z) in nats, (..., B), for data x (B, D) and latents z (..., B, d)."""
        return normal_log_prob(x, self.mean(z), 2 * self.log_scale)

    def mean(self, z: Tensor) -> Tensor:
        """E[x|z], (..., D), for latents z (..., d)."""
        mean: Tensor = self.network(z)
        return mean

    def sample(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """One draw of the data, (..., D), for latents z (..., d)."""
        mean = self.mean(z)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return mean + self.log_scale.exp() * noise


Decoder = BernoulliDecoder | GaussianDecoder


def normal_log_prob(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(z; mean, diag exp(log_var)) in nats, summed over the last dimension.

    z (..., d); mean and log_var broadcast against it. Returns (...).
    """
    squared_distance = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (math.log(2 * math.pi) + log_var + squared_distance).sum(dim=-1)


def elbo_terms(
    x: Tensor, encoder: Encoder, decoder: Decoder, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """The two terms of the ELBO: reconstruction log p_θ(x|z) and KL(q_φ(z|x) || p(z)).

    x (B, D); noise (B, d), draws from N(0, I). Returns two (B,) in nats. The reconstruction is an
    estimate from the one sample z = μ + σ ε; the KL of two Gaussians is exact.
    """
    mean, log_var = encoder(x)
    z, kl = reparameterize_kl(mean, log_var, noise)
    return decoder.log_prob(x, z), kl


def elbo(x: Tensor, encoder: Encoder, decoder: Decoder, noise: Tensor) -> Tensor:
    """The evidence lower bound, estimated without bias from one sample: E[elbo] ≤ log p_θ(x).

    x (B, D); noise (B, d), draws from N(0, I). Returns (B,) in nats (Kingma and Welling, 2014).
    """
    reconstruction, kl = elbo_terms(x, encoder, decoder, noise)
    return reconstruction - kl


def importance_weighted_bound(
    x: Tensor, encoder: Encoder, decoder: Decoder, noise: Tensor
) -> Tensor:
    """log (1/K) Σ_k w_k with weights w_k = p_θ(x|z_k) p(z_k) / q_φ(z_k|x), z_k = μ + σ ε_k.

    x (B, D); noise (K, B, d), draws from N(0, I). Returns (B,) in nats. Its expectation L_K is the
    ELBO at K = 1, never falls as K grows, and tends to log p_θ(x) (Burda et al., 2016).
    """
    mean, log_var = encoder(x)
    z = mean + torch.exp(log_var / 2) * noise
    log_prior = normal_log_prob(z, torch.zeros_like(mean), torch.zeros_like(log_var))
    log_q = normal_log_prob(z, mean, log_var)
    log_weights = decoder.log_prob(x, z) + log_prior - log_q
    return torch.logsumexp(log_weights, dim=0) - math.log(len(noise))


class VAE(nn.Module):
    """A variational autoencoder: an encoder, a decoder, and the prior N(0, I) between them.

    encoder, decoder: an `Encoder` and a `BernoulliDecoder` or `GaussianDecoder`. data_dim is D,
    latent_dim is d. Every method that takes images takes them flat, (B, D), and raises
    `ValueError` or `TypeError` with the likely cause when they are not what the decoder models.
    """

    likelihood = "bound"

    def __init__(self, encoder: Encoder, decoder: Decoder, data_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.data_dim = data_dim
        self.latent_dim = latent_dim

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """The negative ELBO, one sample of z each, averaged over the batch: a scalar in nats."""
        refuse_condition(condition, self)
        self._check(x)
        return -elbo(x, self.encoder, self.decoder, self._noise(x, (len(x),), generator)).mean()

    def log_prob(self, x: Tensor, k: int = 64, generator: Generator | None = None) -> Tensor:
        """The importance-weighted bound with K = k samples, (B,) nats: E[log_prob(x)] ≤ log p_θ(x).

        k = 1 estimates the ELBO. A larger k is closer to log p_θ(x) and costs k decodings of x.
        """
        self._check(x)
        if k < 1:
            raise ValueError(f"k counts the samples averaged inside the logarithm; got k = {k}.")
        noise = self._noise(x, (k, len(x)), generator)
        return importance_weighted_bound(x, self.encoder, self.decoder, noise)

    @torch.no_grad()
    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n draws from p_θ(x): z from the prior, then x from p_θ(x|z), pixel by pixel. (n, D)."""
        refuse_condition(condition, self)
        parameter = next(self.decoder.parameters())
        return self.decoder.sample(self._noise(parameter, (n,), generator), generator)

    @torch.no_grad()
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q_φ(z|x), each (B, d), for images x (B, D)."""
        self._check(x)
        mean, log_var = self.encoder(x)
        return mean, log_var

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """What the decoder expects to see at the mean of q_φ(z|x): E[x'|μ_φ(x)], (B, D)."""
        mean, _ = self.encode(x)
        return self.decoder.mean(mean)

    @torch.no_grad()
    def interpolate(self, x_from: Tensor, x_to: Tensor, steps: int) -> Tensor:
        """Decodings of `steps` points on the line from μ_φ(x_from) to μ_φ(x_to), (steps, B, D)."""
        (start, _), (end, _) = self.encode(x_from), self.encode(x_to)
        t = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[:, None, None]
        return self.decoder.mean((1 - t) * start + t * end)

    def _noise(self, like: Tensor, batch: tuple[int, ...], generator: Generator | None) -> Tensor:
        shape = (*batch, self.latent_dim)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    def _check(self, x: Tensor) -> None:
        """Refuse a batch that p_θ(x|z) gives no probability to, and say what is probably wrong."""
        check_batch(x, (self.data_dim,), self)
        if isinstance(self.decoder, BernoulliDecoder) and not ((x == 0) | (x == 1)).all():
            low, high = float(x.min()), float(x.max())
            raise ValueError(
                "A Bernoulli decoder gives probability to pixels that are 0 or 1; got values from "
                f"{low:g} to {high:g}. Use gencourse.data.binarize(images, seed) on the bytes: "
                "grey levels are no outcomes of a Bernoulli, and the loss would be no likelihood."
            )
