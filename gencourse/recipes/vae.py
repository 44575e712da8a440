"""The two VAEs of binarised digits: how they are trained, and what is measured on them."""

from typing import Any

import torch
from torch import Tensor

from gencourse.data import binarize, mnist
from gencourse.evaluation.bounds import mean_bound, mean_elbo_terms
from gencourse.evaluation.latents import active_units, aggregate_posterior_kl, mutual_information
from gencourse.families.vae import VAE
from gencourse.recipes.recipe import Recipe

__all__ = ["RECIPES"]

TEST_SEED = 0
"""The seed of the test set's binarisation, done once."""
SUBSET = 500
"""How many test images the tests measure again."""
IW_SAMPLES = 500
ELBO_SAMPLES = 10


def training_images(epoch: int) -> Tensor:
    """The training set, (60000, 784), binarised afresh in every epoch."""
    return binarize(mnist("train").images, seed=epoch)


def measure(model: VAE) -> dict[str, Any]:
    """Bounds in nats and latent statistics on MNIST's test set, binarised once.

    The ELBO is averaged over ten draws of the noise, the importance-weighted bound uses K = 500.
    """
    x = binarize(mnist("test").images, seed=TEST_SEED)
    reconstruction, kl = mean_elbo_terms(model, x, seed=0, samples=ELBO_SAMPLES)
    mean, log_var = model.encode(x)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    return {
        "test": {
            "images": len(x),
            "binarisation_seed": TEST_SEED,
            "elbo": reconstruction - kl,
            "elbo_samples": ELBO_SAMPLES,
            "reconstruction": reconstruction,
            "kl": kl,
            "iw_bound": mean_bound(model, x, IW_SAMPLES, seed=0),
            "iw_k": IW_SAMPLES,
            "active_units": int(active_units(mean).sum()),
            "latent_dim": model.latent_dim,
            "mutual_information": mutual_information(mean, log_var, noise),
            "aggregate_posterior_kl": aggregate_posterior_kl(mean, log_var, noise),
        }
    }


def subset(model: VAE) -> dict[str, float]:
    """Both terms of the ELBO, in nats, on the first 500 images of the same test set."""
    x = binarize(mnist("test").images, seed=TEST_SEED)[:SUBSET]
    reconstruction, kl = mean_elbo_terms(model, x, seed=0, samples=ELBO_SAMPLES)
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


DIGITS = "MNIST, 60,000 training images, a fresh binarisation every epoch"

RECIPES = {
    "vae-2d": Recipe(
        description="A VAE on binarised MNIST whose latent space is a plane",
        data=training_images,
        data_description=DIGITS,
        measure=measure,
        subset=subset,
        epochs=100,
        batch_size=128,
        learning_rate=2e-3,
        max_grad_norm=200.0,  # above the usual norm: it stops the rare step that ends a run
    ),
    "vae": Recipe(
        description="A convolutional VAE on binarised MNIST with twenty latent dimensions",
        data=training_images,
        data_description=DIGITS,
        measure=measure,
        subset=subset,
        epochs=100,
        batch_size=128,
        learning_rate=2e-3,
    ),
}
