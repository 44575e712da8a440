"""The plane of latent codes of the VAE with two latents (`gencourse train vae-2d`)."""

from typing import ClassVar

import traitlets

from gencourse.widgets.base import STATIC, LiveFigure

__all__ = ["LatentPlane"]


class LatentPlane(LiveFigure):
    """Two numbers are enough to draw a digit: the latent plane, with the decoder in the browser.

    The reader moves a ring over the plane and sees what the decoder draws there; samples the
    prior; walks between two digits; draws a digit and sees where the encoder puts it, and both
    terms of its ELBO. In a notebook the state can be read and set: `figure.z`, `figure.x`, ...
    """

    name: ClassVar[str] = "latent-plane"
    family: ClassVar[str] = "vae"
    title: ClassVar[str] = "The keyhole."
    legend: ClassVar[str] = (
        "Each small digit is what the decoder draws at that point of the plane. Drag the ring, or "
        "use the sliders, and look for the seams: where one digit becomes another, the decoder has "
        "to invent something that was never in the data, and its pixel entropy rises. Then draw a "
        "digit of your own, and try to find a better code for it than the encoder did."
    )
    alt: ClassVar[str] = (
        "A square plane of latent codes, z1 across and z2 up, tiled with the digit that each code "
        "decodes to. Neighbouring codes give similar digits; each class has a region of its own, "
        "and between the regions the digits are blurred mixtures. A ring marks one code; beside "
        "the plane stands its digit, large."
    )
    picture_size: ClassVar[tuple[int, int]] = (684, 380)

    _esm = STATIC / "latent-plane.mjs"

    z = traitlets.List(traitlets.Float(), [0.4, 0.9], 2, 2).tag(sync=True, state=True)
    """The code under the ring."""
    x = traitlets.Unicode("").tag(sync=True, state=True)
    """The digit under study: "" for none, "0" to "9" for a test digit, or 784 pixels in base64."""
    walk = traitlets.List(traitlets.Int(0)).tag(sync=True, state=True)
    """The two test digits of the walk, empty for none."""
    codes = traitlets.Bool(False).tag(sync=True, state=True)
    """Whether the codes of test digits lie over the plane."""
    seed = traitlets.Int(0).tag(sync=True, state=True)
    """The seed of the last sample of the prior."""
