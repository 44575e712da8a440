"""The GAN of MNIST's grey levels: how it is trained, and how varied and how good its digits are."""

from typing import Any

import torch
from torch import Tensor

from gencourse import checkpoints
from gencourse.data import mnist
from gencourse.evaluation.coverage import classes_covered, coverage, density, precision, recall
from gencourse.families.gan import GAN
from gencourse.recipes.recipe import Recipe

__all__ = ["RECIPES"]

SUBSET = 1000
"""How many samples and test images the tests measure again."""


def training_images(epoch: int) -> Tensor:
    """The training set's grey levels in [0, 1], (60000, 784), the same in every epoch."""
    return mnist("train").images.flatten(start_dim=1) / 255


def measure(model: GAN) -> dict[str, Any]:
    """Quality and variety of 10,000 samples (seed 0) against all test images, in features."""
    return {"test": _compare(model, 10_000)}


def subset(model: GAN) -> dict[str, float]:
    """The same with 1000 samples against the first 1000 test images."""
    return _compare(model, SUBSET)


def _compare(model: GAN, n: int) -> dict[str, float]:
    network = checkpoints.load("features")
    samples = model.eval().sample(n, generator=torch.Generator().manual_seed(0))
    data = mnist("test").images[:n].flatten(start_dim=1) / 255
    generated, real = network.features(samples), network.features(data)
    return {
        "images": n,
        "precision": precision(generated, real),
        "recall": recall(generated, real),
        "density": density(generated, real),
        "coverage": coverage(generated, real),
        "classes_covered": classes_covered(network.classify(samples)),
    }


RECIPES = {
    "gan": Recipe(
        description="A convolutional GAN of MNIST's grey levels, held in check by the R1 penalty",
        data=training_images,
        data_description="MNIST, 60,000 training images, grey levels from 0 to 1",
        measure=measure,
        subset=subset,
        epochs=16,
        batch_size=64,
        learning_rate=1e-3,
        betas=(0.0, 0.99),  # momentum makes two players overshoot each other
        ema_decay=0.999,
    )
}
