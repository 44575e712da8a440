"""A digit as a chain of conditionals, pixel by pixel (`gencourse train pixel-chain`)."""

from typing import ClassVar

import traitlets

from gencourse.widgets.base import STATIC, LiveFigure

__all__ = ["PixelChain"]


class PixelChain(LiveFigure):
    """An image is a chain: each pixel given those already visible, in any order.

    The reader hides, draws or keeps pixels of a digit; sees p(ink | visible) of every hidden one;
    and makes the chain link by link, drawn by the model or taken from the digit, in five orders,
    while the nats of the links add up. In a notebook the state can be read and set: `figure.order`.
    """

    name: ClassVar[str] = "pixel-chain"
    family: ClassVar[str] = "autoregressive"
    title: ClassVar[str] = "One pixel at a time."
    legend: ClassVar[str] = (
        "The lower half of a digit is hidden; the darker a hidden pixel, the surer the model is "
        "of ink there, given what is visible. Press Play and watch each drawn pixel change the "
        "conditionals of all others. Hide or draw pixels with the pen, change the order, or let "
        "the chain take its values from the digit: then the nats add up to what the digit costs."
    )
    alt: ClassVar[str] = (
        "A digit of 28 by 28 pixels. Its upper half is given in ink. In the lower half, on grey, "
        "each hidden pixel is shaded by the probability of ink that the model gives it: dark "
        "along the ways in which the stroke may go on, pale elsewhere."
    )
    picture_size: ClassVar[tuple[int, int]] = (684, 380)

    _esm = STATIC / "pixel-chain.mjs"

    x = traitlets.Unicode("3").tag(sync=True, state=True)
    """The image: "0" to "9" for a test digit, or 784 pixels in base64."""
    seen = traitlets.Unicode("upper").tag(sync=True, state=True)
    """The visible pixels: "upper", "left", "none", "all", or 784 bits in base64."""
    made = traitlets.Unicode("").tag(sync=True, state=True)
    """Those of the visible pixels that the chain has made, 784 bits in base64, or "" for none."""
    nats = traitlets.List(traitlets.Float(), [0.0, 0.0], 2, 2).tag(sync=True, state=True)
    """What the chain has cost so far, and its last link."""
    order = traitlets.Unicode("raster").tag(sync=True, state=True)
    """The order of the chain: "raster", "columns", "spiral", "random" or "certain"."""
    source = traitlets.Unicode("model").tag(sync=True, state=True)
    """Where the next pixel comes from: "model" draws it, "digit" takes it from the image."""
    at = traitlets.List(traitlets.Int(), [20, 14], 2, 2).tag(sync=True, state=True)
    """Row and column of the pixel under the pen."""
    seed = traitlets.Int(0).tag(sync=True, state=True)
    """The seed of the draws, and of the random order."""
