"""The network whose features images are compared by: how it is trained, and how well it names."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gencourse.data import binarize, mnist
from gencourse.evaluation.features import FeatureNetwork
from gencourse.recipes.recipe import Recipe

__all__ = ["RECIPES"]

SHIFT = 2
SUBSET = 1000
"""How many test images the tests measure again."""


def training_digits(epoch: int) -> tuple[Tensor, Tensor]:
    """Images (60000, 784) and their labels: each image moved by up to two pixels, half binarised.

    Moved, because a feature should not depend on where a digit stands; binarised, because some
    families draw grey levels and others only ink and paper, and one network compares them all.
    """
    generator = torch.Generator().manual_seed(epoch)
    train = mnist("train")
    n, side = len(train), train.images.shape[-1]
    down, right = torch.randint(2 * SHIFT + 1, (2, n, 1), generator=generator)
    line = torch.arange(side)
    padded = F.pad(train.images, (SHIFT,) * 4)
    rows, columns = (down + line)[:, :, None], (right + line)[:, None, :]
    moved = padded[torch.arange(n)[:, None, None], rows, columns]
    grey = moved.flatten(start_dim=1) / 255
    binary = torch.rand(n, 1, generator=generator) < 0.5
    return torch.where(binary, binarize(moved, seed=epoch), grey), train.labels


def measure(network: FeatureNetwork) -> dict[str, Any]:
    """Accuracy on MNIST's test set as it is, and binarised once with seed 0."""
    test = mnist("test")
    grey, binary = test.images.flatten(start_dim=1) / 255, binarize(test.images, seed=0)
    return {
        "test": {
            "images": len(test),
            "accuracy": _accuracy(network, grey, test.labels),
            "accuracy_binarised": _accuracy(network, binary, test.labels),
            "binarisation_seed": 0,
        }
    }


def subset(network: FeatureNetwork) -> dict[str, float]:
    """Accuracy and mean cross-entropy, in nats, on the first 1000 test images."""
    test = mnist("test")
    x, labels = test.images[:SUBSET].flatten(start_dim=1) / 255, test.labels[:SUBSET]
    with torch.no_grad():
        loss = float(network.loss(x, labels))
    return {"accuracy": _accuracy(network, x, labels), "cross_entropy": loss}


def _accuracy(network: FeatureNetwork, x: Tensor, labels: Tensor) -> float:
    return float((network.classify(x) == labels).double().mean())


RECIPES = {
    "features": Recipe(
        description="A classifier of MNIST digits; its 64 features are where images are compared",
        data=training_digits,
        data_description=(
            "MNIST, 60,000 training images with their labels; in every epoch each image is moved "
            "by up to two pixels either way, and a random half of them is binarised"
        ),
        measure=measure,
        subset=subset,
        epochs=7,
        batch_size=128,
        learning_rate=2e-3,
    )
}
