"""The autoregressive models of binarised digits: how they are trained, and what is measured."""

import math
from typing import Any

import torch
from torch import Tensor

from gencourse.data import binarize, mnist
from gencourse.families.autoregressive import PixelCNN
from gencourse.families.order_agnostic import OrderAgnostic
from gencourse.recipes.recipe import Recipe

__all__ = ["RECIPES"]

TRAIN_SEED = 1
"""Static binarisation: the training set is drawn once, and is the same in every epoch."""
TEST_SEED = 0
SUBSET = 500
"""How many test images the tests measure again."""

EXACT = 100
"""How many of them have an exact likelihood computed, one pass for each pixel."""


def static_images(epoch: int) -> Tensor:
    """The training set, (60000, 784), binarised once: every epoch sees the same images."""
    return binarize(mnist("train").images, seed=TRAIN_SEED)


def fresh_images(epoch: int) -> Tensor:
    """The training set, (60000, 784), binarised afresh in every epoch."""
    return binarize(mnist("train").images, seed=epoch)


@torch.no_grad()
def nll(model: PixelCNN, x: Tensor) -> Tensor:
    """-log p(x) of every image in nats, (N,), in batches that fit a cache."""
    return -torch.cat([model.log_prob(batch) for batch in x.split(250)])


def measure(model: PixelCNN) -> dict[str, Any]:
    """The exact likelihood of MNIST's test set and of as many training images, in nats.

    "standard_error" is that of the mean over images; bits per dimension are nats / (784 log 2).
    """
    losses = nll(model, binarize(mnist("test").images, seed=TEST_SEED))
    train = nll(model, static_images(0)[: len(losses)])
    return {
        "test": {
            "images": len(losses),
            "binarisation_seed": TEST_SEED,
            "nll": losses.mean().item(),
            "standard_error": losses.std().item() / math.sqrt(len(losses)),
            "bits_per_dimension": losses.mean().item() / (784 * math.log(2)),
        },
        "train": {"images": len(train), "nll": train.mean().item()},
    }


def subset(model: PixelCNN) -> dict[str, float]:
    """The mean of -log p(x), in nats, over the first 500 images of the same test set."""
    return {
        "nll": nll(model, binarize(mnist("test").images, seed=TEST_SEED)[:SUBSET]).mean().item()
    }


@torch.no_grad()
def any_order_nll(model: OrderAgnostic, x: Tensor, draws: int) -> float:
    """The mean of -log p_o(x) over images and uniformly random orderings, estimated, in nats."""
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    for _ in range(draws):
        for batch in x.split(500):
            orderings = torch.rand(batch.shape, generator=generator).argsort(dim=1)
            total += model.estimate(batch, orderings, generator).sum().item()
    return total / (draws * len(x))


def measure_any_order(model: OrderAgnostic) -> dict[str, Any]:
    """The likelihood of MNIST's test set, in nats: estimated over orderings, exact for two of them.

    An exact figure costs 784 passes, so those are of the first 100 images.
    """
    x = binarize(mnist("test").images, seed=TEST_SEED)
    shuffled = torch.randperm(784, generator=torch.Generator().manual_seed(0))
    return {
        "test": {
            "images": len(x),
            "binarisation_seed": TEST_SEED,
            "nll_any_order": any_order_nll(model, x, draws=10),
            "exact_images": EXACT,
            "nll_raster": -model.log_prob(x[:EXACT]).mean().item(),
            "nll_shuffled": -model.log_prob(x[:EXACT], shuffled).mean().item(),
        }
    }


def subset_any_order(model: OrderAgnostic) -> dict[str, float]:
    """The estimate over uniform orderings, in nats, on the first 500 images of the test set."""
    x = binarize(mnist("test").images, seed=TEST_SEED)[:SUBSET]
    return {"nll_any_order": any_order_nll(model, x, draws=4)}


RECIPES = {
    "pixel-chain": Recipe(
        description="Conditionals of a pixel of binarised MNIST given any others, for a web page",
        data=fresh_images,
        data_description="MNIST, 60,000 training images, a fresh binarisation every epoch",
        measure=measure_any_order,
        subset=subset_any_order,
        epochs=24,
        batch_size=64,
        learning_rate=3e-3,
        max_grad_norm=200.0,
        ema_decay=0.999,
    ),
    "pixelcnn": Recipe(
        description=(
            "A gated PixelCNN on statically binarised MNIST, over cells of 2 × 2 pixels; "
            "convolutions in bfloat16 while training"
        ),
        data=static_images,
        data_description="MNIST, 60,000 training images, binarised once with seed 1",
        measure=measure,
        subset=subset,
        epochs=12,
        batch_size=32,
        learning_rate=2e-3,
        max_grad_norm=100.0,  # above the usual norm: it stops the rare step that ends a run
        ema_decay=0.999,
    ),
}
