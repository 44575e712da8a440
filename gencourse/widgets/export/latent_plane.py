"""What the latent plane takes from the checkpoint `vae-2d`: its weights file and its picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gencourse import checkpoints
from gencourse.data import binarize, mnist
from gencourse.families.vae import VAE
from gencourse.widgets.export.networks import Tensors, layers_of
from gencourse.widgets.latent_plane import LatentPlane
from gencourse.widgets.weights import pack, unpack

__all__ = ["latent_plane", "latent_plane_picture", "restore", "write"]

CODES = 500
"""Test digits whose codes the latent plane can show."""

EXTENT = 3.0
"""Half the width of the plane."""

INK, RAISED = 35, 248
"""Grey levels of ink and of the ground around the picture; paper is white."""


def latent_plane(model: VAE) -> bytes:
    """The weights file of the latent plane: both networks, one test digit of each class, the codes
    of the first `CODES` test digits, and the mean and spread of each class's codes."""
    networks = {"encoder": model.encoder.network, "decoder": model.decoder.network}
    layers: dict[str, list[tuple[str, str]]] = {}
    tensors: Tensors = {}
    for name, network in networks.items():
        layers[name], parameters = layers_of(name, network)
        tensors |= parameters
    restore(model, tensors)  # from here on the model is the one in the browser

    test = mnist("test")
    images = binarize(test.images, seed=0)
    with torch.no_grad():
        codes = model.encoder(images)[0]
    first = [int((test.labels == digit).nonzero()[0]) for digit in range(10)]
    classes = [codes[test.labels == digit] for digit in range(10)]
    tensors |= {
        "examples": np.packbits(images[first].numpy().astype(np.uint8), axis=1, bitorder="little"),
        "labels": test.labels[:CODES].numpy().astype(np.uint8),
        "codes": codes[:CODES].numpy().astype(np.float16),
        "means": torch.stack([each.mean(0) for each in classes]).numpy().astype(np.float16),
        "stds": torch.stack([each.std(0) for each in classes]).numpy().astype(np.float16),
    }
    return pack({**layers, "extent": EXTENT, "computed": ["codes", "means", "stds"]}, tensors)


def restore(model: VAE, tensors: Tensors) -> None:
    """Give the model the float16 weights of a weights file, so that it computes what the browser
    does."""
    state = {
        key.replace(".", ".network.", 1): torch.from_numpy(array.astype(np.float32))
        for key, array in tensors.items()
        if key.startswith(("encoder.", "decoder."))
    }
    model.load_state_dict(state)


def latent_plane_picture(model: VAE, extent: float, z: Sequence[float]) -> Image.Image:
    """The latent plane in its starting state, ink on white, as it stands before the figure starts.

    It has the proportions of the figure's own layout, so that nothing moves when the figure takes
    its place.
    """
    side, cells, left, digit = 354, 18, 22, 290
    picture = Image.new("L", (684, 382), RAISED)
    centres = extent * ((2 * torch.arange(cells) + 1) / cells - 1)
    codes = torch.cartesian_prod(-centres, centres).flip(1)  # z2 falls from row to row
    with torch.no_grad():
        small = model.decoder.mean(codes).reshape(cells, cells, 28, 28)
        large = model.decoder.mean(torch.tensor(list(z))).reshape(28, 28)
    plane = _ink(small.permute(0, 2, 1, 3).reshape(28 * cells, 28 * cells))
    picture.paste(plane.resize((side, side), Image.Resampling.LANCZOS), (left, 0))
    picture.paste(_ink(large).resize((digit, digit), Image.Resampling.NEAREST), (684 - digit, 0))
    x, y = left + side * (z[0] / extent + 1) / 2, side * (1 - z[1] / extent) / 2
    pen = ImageDraw.Draw(picture)
    for radius, shade in ((12, 255), (10, INK), (7, 255)):
        pen.circle((x, y), radius, outline=shade, width=3 if shade == INK else 2)
    return picture


def _ink(probability: Tensor) -> Image.Image:
    """Probabilities of ink as grey levels, white for 0."""
    return Image.fromarray((255 - (255 - INK) * probability).round().to(torch.uint8).numpy())


def write(weights: Path, picture: Path) -> None:
    """Write the weights file and the picture of the starting state."""
    model = checkpoints.load("vae-2d")
    weights.write_bytes(latent_plane(model))
    meta, _ = unpack(weights.read_bytes())
    drawn = latent_plane_picture(model, meta["extent"], LatentPlane().z)
    drawn.save(picture, quality=60, method=6)
