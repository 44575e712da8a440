"""bits: bits per dimension of images of bytes, from the log density of the dequantised image.

The wrong answers are the ones by which published figures have been made incomparable: the scale of
the data forgotten, or counted with the wrong sign, or nats called bits.
"""

import math

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["BITS"]

WHERE = "Chapter 4, “Digits, and bits per dimension”"


def bits_per_dimension(log_density: Tensor) -> Tensor:
    """−(log p(y) − D log 256) / (D log 2) for images of D = 784 values in [0, 1): (B,) to (B,)."""
    return (math.log(256) - log_density / 784) / math.log(2)


def bits_inputs(generator: Generator) -> list[Arguments]:
    """Log densities in nats of whole images; 0 is the uniform density on [0, 1)."""
    cases: list[Arguments] = [(torch.tensor([0.0, 784.0, 3000.0]),)]
    for rows, dtype in [(4, torch.float32), (7, torch.float64)]:
        log_density = 3700 + 300 * torch.randn(rows, generator=generator)
        cases.append((log_density.to(dtype),))
    return cases


def bits_from_mass(log_density: Tensor) -> Tensor:
    """The same: first the log probability of the bytes, then its bits, then the share of each."""
    log_mass = log_density - 784 * math.log(256)
    return -log_mass / math.log(2) / 784


def bits_from_eight(log_density: Tensor) -> Tensor:
    """The same: eight bits, less what the density saves."""
    return 8 - log_density * math.log2(math.e) / (28 * 28)


BITS = FunctionQuestion(
    name="bits",
    function="bits_per_dimension",
    points=25,
    inputs=bits_inputs,
    reference=bits_per_dimension,
    alternatives=(bits_from_mass, bits_from_eight),
    expects=(
        "one number for each image, shape (B,): 8 for the uniform density, which saves nothing, "
        "and less for a better one"
    ),
    misconceptions=(
        Misconception(
            "the scale of the data forgotten",
            "You convert the density of y as it is. But y lives in the unit cube, and a byte has "
            "256 values there, each as wide as one part in 256. A density is not a probability "
            "until it is multiplied by a width.",
            WHERE,
            lambda log_density: -log_density / 784 / math.log(2),
        ),
        Misconception(
            "the width counted with the wrong sign",
            "You multiply by 256 for each value where you should divide. The uniform density would "
            "then need minus eight bits for a byte. What should it need?",
            WHERE,
            lambda log_density: (-math.log(256) - log_density / 784) / math.log(2),
        ),
        Misconception(
            "nats called bits",
            "Your number is right in nats for each dimension. A bit is the information of one fair "
            "coin, and a nat is worth about 1.44 of them.",
            WHERE,
            lambda log_density: math.log(256) - log_density / 784,
        ),
        Misconception(
            "bits of the whole image",
            "You give the bits of the whole image. Per dimension means for each value, so that "
            "images of different sizes can be compared, and beside a byte's eight bits one sees "
            "what was saved.",
            WHERE,
            lambda log_density: 784 * bits_per_dimension(log_density),
        ),
        Misconception(
            "the width counted once",
            "You count the width of a single value. There are 784 values in an image, each has a "
            "width of its own, and the widths multiply to the volume of one small cube.",
            WHERE,
            lambda log_density: (math.log(256) - log_density) / 784 / math.log(2),
        ),
        Misconception(
            "255 steps instead of 256",
            "Bytes from 0 to 255 have 256 values, and the image was divided by 256. You counted "
            "the steps between the values.",
            WHERE,
            lambda log_density: (math.log(255) - log_density / 784) / math.log(2),
        ),
        Misconception(
            "one number for all images",
            "You average over the images. That is how a table reports it; the function was asked "
            "for the figure of each. Leave the batch dimension standing.",
            WHERE,
            lambda log_density: bits_per_dimension(log_density).mean(),
        ),
    ),
)
