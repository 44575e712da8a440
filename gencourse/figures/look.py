"""One look for all figures: the families' colours and marks, the style, the plane.

    from gencourse.figures import use_look

    use_look()

Data and truth are drawn in ink, a model in its family's colour, noise in grey. Colour never stands
alone: each family has a marker for plots and a mark, which is the picture of its verb.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from IPython import get_ipython
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Arc, Circle, FancyArrowPatch, Patch, Polygon
from matplotlib_inline.backend_inline import set_matplotlib_formats
from torch import Tensor

__all__ = [
    "FAMILIES",
    "GROUND",
    "INK",
    "NOISE",
    "QUIET",
    "RAISED",
    "RULE",
    "Family",
    "draw_mark",
    "plane_axes",
    "plane_grid",
    "show_density",
    "use_look",
]

INK, QUIET, NOISE, RULE, RAISED, GROUND = (
    "#1d232b",
    "#5b6472",
    "#a3adba",
    "#e3e7ec",
    "#f7f8fa",
    "#ffffff",
)

_FOLDER = Path(__file__).parent

Verb = Literal["compress", "contest", "invert", "chain", "denoise"]


@dataclass(frozen=True)
class Family:
    """How one family of models is named, coloured and marked, in plots and on the page."""

    name: str
    verb: Verb
    colour: str
    colour_on_dark: str
    marker: str


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("VAE", "compress", "#062def", "#afbaf4", "s"),
        Family("GAN", "contest", "#8e2929", "#e45e44", "^"),
        Family("flow", "invert", "#17a18a", "#5ee8ba", "D"),
        Family("autoregressive", "chain", "#6d298e", "#c04cfa", "P"),
        Family("diffusion", "denoise", "#bb861b", "#f9d210", "o"),
    )
}
"""The five families by name. Diffusion's kin share its entry and differ by line style and label."""


def use_look(figure_format: Literal["svg", "png"] = "svg") -> None:
    """Give all following figures the course's look, and notebooks figures in `figure_format`.

    Line work stays sharp as SVG, the default; dense rasters inside it are drawn at 200 dots an
    inch.
    """
    _register_fonts_and_map()
    plt.style.use(_FOLDER / "look.mplstyle")

    if get_ipython() is None:  # a script, not a notebook
        return
    # A date inside the file would make every build differ from the last.
    metadata = {"metadata": {"Date": None}} if figure_format == "svg" else {}
    set_matplotlib_formats(figure_format, **metadata)  # type: ignore[no-untyped-call]


@cache
def _register_fonts_and_map() -> None:
    for font in sorted((_FOLDER / "fonts").glob("*.ttf")):
        font_manager.fontManager.addfont(str(font))
    mpl.colormaps.register(_ink_map())


def plane_grid(extent: float, points: int = 240) -> Tensor:
    """Midpoints of a square grid over [−extent, extent]², (points, points, 2), rows going up."""
    step = 2 * extent / points
    axis = -extent + step * (torch.arange(points) + 0.5)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)


def plane_axes(ax: Axes, extent: float, *, labels: bool = False) -> None:
    """Make `ax` a view of the plane: a square of half width `extent`, few ticks, equal scales."""
    tick = int(extent) - 1
    ax.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
    ax.set_xticks([-tick, 0, tick])
    ax.set_yticks([-tick, 0, tick])
    if labels:
        ax.set_xlabel("$x_1$")
        ax.set_ylabel("$x_2$", rotation=0, labelpad=10, va="center")
    else:
        ax.tick_params(labelbottom=False, labelleft=False)


def show_density(ax: Axes, log_prob: Callable[[Tensor], Tensor], extent: float) -> None:
    """Fill the plane with exp(log_prob(x)), from white at 0 to ink at the highest density shown.

    `log_prob` maps (B, 2) to (B,), in nats.
    """
    with torch.no_grad():
        density = log_prob(plane_grid(extent).reshape(-1, 2)).exp().reshape(240, 240)
    # "none" leaves the pixels as they are in an SVG, for the reader's screen to smooth.
    edge = (-extent, extent, -extent, extent)
    ax.imshow(density.numpy(), extent=edge, vmin=0, interpolation="none")


def draw_mark(ax: Axes, verb: Verb, centre: tuple[float, float], size: float, colour: str) -> None:
    """Draw a family's mark, the picture of its verb, in a square of side `size` in data units."""

    def at(*points: tuple[float, float]) -> npt.NDArray[np.float64]:
        """Place points of the mark's own 20 × 20 square, y pointing up."""
        return np.asarray(centre) + size * (np.asarray(points) / 20 - 0.5)

    for patch in _MARKS[verb](at, size, colour):
        ax.add_patch(patch)


_Placer = Callable[..., npt.NDArray[np.float64]]


def _compress(at: _Placer, size: float, colour: str) -> list[Patch]:
    halves = (at((2, 3), (10, 10), (2, 17)), at((18, 3), (10, 10), (18, 17)))
    return [Polygon(half, facecolor=colour, edgecolor="none") for half in halves]


def _contest(at: _Placer, size: float, colour: str) -> list[Patch]:
    halves = (at((2, 3), (9, 10), (2, 17)), at((18, 3), (11, 10), (18, 17)))
    return [
        Polygon(half, closed=False, fill=False, edgecolor=colour, linewidth=1.6) for half in halves
    ]


def _invert(at: _Placer, size: float, colour: str) -> list[Patch]:
    return [
        FancyArrowPatch(
            *at(*line),
            arrowstyle="->,head_length=3,head_width=2.4",
            color=colour,
            linewidth=1.6,
            shrinkA=0,
            shrinkB=0,
        )
        for line in (((3, 13), (17, 13)), ((17, 7), (3, 7)))
    ]


def _chain(at: _Placer, size: float, colour: str) -> list[Patch]:
    line = Polygon(at((3, 10), (17, 10)), closed=False, edgecolor=colour, linewidth=1.4)
    dots = [Circle(at((x, 10))[0], 0.1 * size, color=colour) for x in (2.6, 7.5, 12.5, 17.4)]
    return [line, *dots]


def _denoise(at: _Placer, size: float, colour: str) -> list[Patch]:
    dashes = [
        Arc(at((6, 10))[0], 0.42 * size, 0.42 * size, theta1=a, theta2=a + 32, ec=colour, lw=1.6)
        for a in range(0, 360, 60)
    ]
    return [*dashes, Circle(at((15, 10))[0], 0.21 * size, fill=False, ec=colour, lw=1.8)]


_MARKS: dict[Verb, Callable[[_Placer, float, str], list[Patch]]] = {
    "compress": _compress,
    "contest": _contest,
    "invert": _invert,
    "chain": _chain,
    "denoise": _denoise,
}


def _ink_map() -> ListedColormap:
    """From white to ink along a straight line in OKLab, so that equal steps look equal.

    Ottosson, *A perceptual color space for image processing*, 2020.
    """
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )

    def oklab(colour: str) -> npt.NDArray[np.float64]:
        rgb = np.asarray(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return np.asarray(to_lab @ np.cbrt(to_lms @ linear))

    position = np.linspace(0, 1, 256)[:, None]
    lab = (1 - position) * oklab(GROUND) + position * oklab(INK)
    linear = (np.linalg.inv(to_lab) @ lab.T) ** 3
    linear = np.clip(np.linalg.inv(to_lms) @ linear, 0, 1).T
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return ListedColormap(rgb, name="ink")
