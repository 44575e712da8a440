"""What the chain of pixels takes from the checkpoint `pixel-chain`: its weights and its picture."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import nn

from gencourse import checkpoints
from gencourse.data import binarize, mnist
from gencourse.families.order_agnostic import OrderAgnostic
from gencourse.widgets.export.networks import Tensors
from gencourse.widgets.pixel_chain import PixelChain
from gencourse.widgets.weights import pack

__all__ = ["example_digits", "pixel_chain", "pixel_chain_picture", "write"]

INK, HIDDEN, RAISED = 35, 230, 248
"""Grey levels of ink, of a hidden pixel's ground, and of the ground around the picture."""


def example_digits() -> torch.Tensor:
    """The first test digit of each class, binarised with seed 0: (10, 784)."""
    test = mnist("test")
    first = [int((test.labels == digit).nonzero()[0]) for digit in range(10)]
    return binarize(test.images, seed=0)[first]


def pixel_chain(model: OrderAgnostic) -> bytes:
    """The weights file: the network's parameters by their names, and one digit of each class."""
    tensors: Tensors = {
        key: value.detach().numpy().astype(np.float16)
        for key, value in model.network.named_parameters()
    }
    digits = example_digits().numpy().astype(np.uint8)
    tensors["examples"] = np.packbits(digits, axis=1, bitorder="little")
    layers = cast(Iterable[nn.Conv2d], model.network.layers)
    dilations = [layer.dilation[0] for layer in layers]
    return pack({"dilations": dilations, "computed": []}, tensors)


def pixel_chain_picture(model: OrderAgnostic, digit: int) -> Image.Image:
    """The upper half of a test digit in ink, the lower half as the model's conditionals."""
    x = example_digits()[digit]
    visible = torch.zeros(28, 28)
    visible[:14] = 1
    visible = visible.flatten()
    with torch.no_grad():
        p = model.logits(x[None], visible[None])[0].sigmoid()
    known = 255 - (255 - INK) * x
    guessed = HIDDEN - (HIDDEN - 100) * p
    levels = torch.where(visible == 1, known, guessed).round().to(torch.uint8)
    digit_picture = Image.fromarray(levels.reshape(28, 28).numpy())
    picture = Image.new("L", (684, 382), RAISED)
    picture.paste(digit_picture.resize((382, 382), Image.Resampling.NEAREST), (0, 0))
    return picture


def write(weights: Path, picture: Path) -> None:
    """Write both files of the figure."""
    model = checkpoints.load("pixel-chain")
    weights.write_bytes(pixel_chain(model))
    pixel_chain_picture(model, int(PixelChain().x)).save(picture, quality=60, method=6)
