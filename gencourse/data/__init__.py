"""Data: MNIST, embedded whole, and targets in the plane whose density is known."""

from gencourse.data.mnist import MNIST, binarize, mnist
from gencourse.data.targets import (
    TARGETS,
    Checkerboard,
    EightGaussians,
    Pinwheel,
    Ring,
    Target,
    TwoMoons,
)

__all__ = [
    "MNIST",
    "TARGETS",
    "Checkerboard",
    "EightGaussians",
    "Pinwheel",
    "Ring",
    "Target",
    "TwoMoons",
    "binarize",
    "mnist",
]
