"""A figure's second colouring, for the dark theme.

Figures are drawn once, in the light theme's ink, ground and family colours
(`gencourse.figures.look`). Each colour in a figure is one of these or a mixture of ink, ground and
one family, as along a colour map or at the edge of a stroke. The dark version has the same mixture
of the dark theme's colours. A colour that is no such mixture is left as it is.
"""

import base64
import io
import re

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencourse.figures.look import FAMILIES, GROUND, INK, NOISE, QUIET, RAISED, RULE

Colours = npt.NDArray[np.float64]

DARK_INK, DARK_GROUND = "#e6e9ee", "#14181f"
EXACT = {
    INK: DARK_INK,
    GROUND: DARK_GROUND,
    RAISED: "#1b212a",
    QUIET: "#a3adba",
    NOISE: "#5b6472",
    RULE: "#2b333f",
    **{family.colour: family.colour_on_dark for family in FAMILIES.values()},
}
FAR = 70.0  # of 255: black is nearer than this to ink; what is farther is something else


def rgb(colour: str) -> Colours:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


def recolour(colours: Colours) -> Colours:
    """Colours (n, 3) of the light theme, from 0 to 255, as their counterparts in the dark one."""
    best, distance = colours.copy(), np.full(len(colours), FAR)
    ink, dark_ink = rgb(INK), rgb(DARK_INK)
    for family in FAMILIES.values():
        light = np.stack([rgb(GROUND) - ink, rgb(family.colour) - ink])
        dark = np.stack([rgb(DARK_GROUND) - dark_ink, rgb(family.colour_on_dark) - dark_ink])
        # How much ground and how much of the family; the rest is ink.
        shares = np.linalg.lstsq(light.T, (colours - ink).T, rcond=None)[0].T.clip(0, 1)
        shares /= shares.sum(axis=1, keepdims=True).clip(1)
        away = np.linalg.norm(ink + shares @ light - colours, axis=1)
        nearer = away < distance
        best[nearer] = (dark_ink + shares @ dark)[nearer]
        distance[nearer] = away[nearer]
    return best


def recolour_hex(colour: str) -> str:
    if colour in EXACT:
        return EXACT[colour]
    red, green, blue = recolour(rgb(colour)[None])[0].round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def recolour_png(content: bytes) -> bytes:
    """A raster, colour by colour; what is transparent stays so."""
    with Image.open(io.BytesIO(content)) as picture:
        pixels = np.array(picture.convert("RGBA"))
    colours, where = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_inverse=True)
    dark = recolour(colours.astype(float)).round().astype(np.uint8)
    pixels[..., :3] = dark[where.reshape(-1)].reshape((*pixels.shape[:2], 3))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def recolour_svg(text: str) -> str:
    """Colours written out, and the rasters inside."""

    def raster(found: re.Match[str]) -> str:
        dark = recolour_png(base64.b64decode(found[1]))
        return f"data:image/png;base64,{base64.b64encode(dark).decode()}"

    text = re.sub(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", raster, text)
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: recolour_hex(found[0]), text)
