"""The bounds on log p(x) of a whole data set."""

from typing import Protocol

import torch
from torch import Generator, Tensor

from gencourse.families.vae import VAE, elbo_terms

__all__ = ["mean_bound", "mean_elbo_terms"]


class HasBound(Protocol):
    """A family whose `log_prob` averages k samples inside the logarithm."""

    def log_prob(self, x: Tensor, k: int, generator: Generator | None) -> Tensor: ...


@torch.no_grad()
def mean_elbo_terms(
    model: VAE, x: Tensor, seed: int, samples: int = 1, batch_size: int = 1000
) -> tuple[float, float]:
    """Reconstruction and KL, each in nats averaged over the rows of x (N, D) and over `samples`.

    Their difference is the mean ELBO. `seed` fixes the noise.
    """
    generator = Generator().manual_seed(seed)
    reconstruction, kl = 0.0, 0.0
    for batch in torch.split(x, batch_size):
        for _ in range(samples):
            noise = torch.randn(len(batch), model.latent_dim, generator=generator)
            terms = elbo_terms(batch, model.encoder, model.decoder, noise)
            reconstruction += float(terms[0].double().sum()) / (samples * len(x))
            kl += float(terms[1].double().sum()) / (samples * len(x))
    return reconstruction, kl


@torch.no_grad()
def mean_bound(model: HasBound, x: Tensor, k: int, seed: int, batch_size: int = 20) -> float:
    """The importance-weighted bound L_K with K = k, in nats, averaged over the rows of x (N, D).

    `batch_size` rows are decoded k times at once, so memory grows with their product.
    """
    generator = Generator().manual_seed(seed)
    total = 0.0
    for batch in torch.split(x, batch_size):
        total += float(model.log_prob(batch, k, generator).double().sum())
    return total / len(x)
