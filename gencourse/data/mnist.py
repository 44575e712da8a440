"""MNIST, embedded in the package, and its binarisation.

The four files of LeCun, Cortes and Burges travel inside the wheel, so nothing is downloaded. They
are read the first time `mnist` is called, checked against the digests below, and kept.
"""

import functools
import gzip
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["MNIST", "binarize", "mnist"]

FILES = Path(__file__).parent / "files"

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"
    ),
    "train-labels-idx1-ubyte.gz": (
        "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b"
    ),
}

PREFIX = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class MNIST:
    """One split of MNIST.

    `images` is (N, 28, 28) uint8, 0 for paper and 255 for ink; `labels` is (N,) int64, 0 to 9.
    N is 60,000 for the training split and 10,000 for the test split.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


@functools.cache
def mnist(split: str = "train") -> MNIST:
    """The training or the test split of MNIST (LeCun et al., 1998).

    The same tensors come back at every call: clone them before writing into them.

    Raises `ValueError` for a split that does not exist and `RuntimeError` for a file that is
    missing or damaged.
    """
    if split not in PREFIX:
        raise ValueError(f'MNIST has the splits "train" and "test"; got {split!r}.')
    images = _read(f"{PREFIX[split]}-images-idx3-ubyte.gz")
    labels = _read(f"{PREFIX[split]}-labels-idx1-ubyte.gz")
    return MNIST(images, labels.long())


def binarize(images: Tensor, seed: int) -> Tensor:
    """Binary images: every pixel is one draw from Bernoulli(pixel / 255).

    images: (N, 28, 28) uint8, or any (N, ...) uint8. Returns (N, D) float32 in {0, 1}, D the number
    of pixels of an image, 784 for MNIST. The same seed gives the same images: kept for good, that
    is *static* binarisation; a new seed at every epoch makes it *dynamic* (Salakhutdinov and
    Murray, 2008).

    Raises `TypeError` when the images are not bytes.
    """
    if images.dtype != torch.uint8:
        raise TypeError(
            f"binarize expects bytes, 0 to 255 in torch.uint8, as mnist().images gives them; "
            f"got {images.dtype}. If they were divided by 255 already, pass the originals."
        )
    flat = images.flatten(start_dim=1)
    generator = torch.Generator().manual_seed(seed)
    # Exact without fractions: of the 255 thresholds 0, ..., 254, a pixel exceeds pixel.
    threshold = torch.randint(255, flat.shape, generator=generator, dtype=torch.uint8)
    return (flat > threshold).float()


def _read(name: str) -> Tensor:
    """The tensor held by one IDX file of `FILES`, once its digest is right."""
    path = FILES / name
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        raise RuntimeError(
            f"MNIST's file {name} is missing from {path.parent}. "
            "Install gencourse again: the file is part of the package."
        ) from None
    digest = hashlib.sha256(packed).hexdigest()
    if digest != SHA256[name]:
        raise RuntimeError(
            f"MNIST's file {name} is damaged: expected SHA-256 {SHA256[name]}, got {digest} "
            f"({len(packed):,} bytes at {path}). "
            "A download or a copy was probably cut short; install gencourse again."
        )
    unpacked = gzip.decompress(packed)
    # IDX: two zero bytes, the type (8 is uint8), the number of dimensions, then each size as a
    # big-endian 32-bit integer, then the values.
    dimensions = unpacked[3]
    start = 4 + 4 * dimensions
    shape = [int.from_bytes(unpacked[i : i + 4], "big") for i in range(4, start, 4)]
    values = torch.frombuffer(bytearray(unpacked), dtype=torch.uint8, offset=start)
    assert len(values) == math.prod(shape)
    return values.reshape(shape)
