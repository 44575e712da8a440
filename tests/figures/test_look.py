"""Truths of the look: it is complete, the same everywhere, and can be told apart by eye."""

import io
import math
import warnings
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib import font_manager

from gencourse.data.targets import Ring
from gencourse.figures import look, use_look
from gencourse.figures.look import FAMILIES


@pytest.fixture(autouse=True)
def looked() -> Iterator[None]:
    mpl.use("Agg")
    with mpl.rc_context():
        use_look()
        yield
        plt.close("all")


def luminance(colour: str) -> float:
    rgb = np.asarray(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(colour: str, ground: str) -> float:
    lighter, darker = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def svg_of(figure: mpl.figure.Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.name)
def test_family_colours_stand_out_from_both_grounds(family: look.Family) -> None:
    assert contrast(family.colour, "#ffffff") >= 3.2
    assert contrast(family.colour_on_dark, "#14181f") >= 4.75


def test_no_two_families_share_a_colour_a_marker_or_a_verb() -> None:
    for trait in ("colour", "colour_on_dark", "marker", "verb"):
        assert len({getattr(family, trait) for family in FAMILIES.values()}) == len(FAMILIES)


def test_text_is_set_in_the_font_that_the_package_carries() -> None:
    for weight in ("normal", "bold"):
        wanted = font_manager.FontProperties(family="Inter", weight=weight)
        found = font_manager.findfont(wanted, fallback_to_default=False)
        assert "gencourse" in found


def test_no_glyph_or_weight_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    figure, ax = plt.subplots()
    ax.set_title("Two moons: σ = 0.13, −3 … 3 ‘nats’ ×")
    ax.set_xlabel(r"$\log p_\theta(x)$")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg_of(figure)
    assert not caplog.records


def test_the_same_figure_gives_the_same_file() -> None:
    files = []
    for _ in range(2):
        figure, ax = plt.subplots()
        look.show_density(ax, Ring().log_prob, 3.0)
        look.draw_mark(ax, "compress", (0, 0), 2, look.INK)
        files.append(svg_of(figure))
    assert files[0] == files[1]


def test_sequential_map_runs_evenly_from_white_to_ink() -> None:
    colours = [mpl.colors.to_hex(c) for c in mpl.colormaps["ink"](np.linspace(0, 1, 17))]
    assert colours[0] == look.GROUND
    assert colours[-1] == look.INK
    # CIE lightness, a scale the map was not built in, falls by nearly equal steps.
    lightness = [116 * luminance(c) ** (1 / 3) - 16 for c in colours[:-2]]
    steps = -np.diff(lightness)
    assert steps.min() > 0.8 * steps.max()


def test_density_is_drawn_the_right_way_up() -> None:
    def upper_right(x: torch.Tensor) -> torch.Tensor:
        return -4 * ((x[:, 0] - 1) ** 2 + (x[:, 1] - 2) ** 2)

    _, ax = plt.subplots()
    look.show_density(ax, upper_right, 3.0)
    (image,) = ax.get_images()
    row, column = np.unravel_index(np.argmax(image.get_array()), image.get_array().shape)
    left, right, bottom, top = image.get_extent()
    assert math.isclose(left + (right - left) * (column + 0.5) / 240, 1, abs_tol=0.02)
    assert math.isclose(bottom + (top - bottom) * (row + 0.5) / 240, 2, abs_tol=0.02)
    assert image.origin == "lower"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.name)
def test_mark_stays_inside_its_square(family: look.Family) -> None:
    figure, ax = plt.subplots(figsize=(4, 4))
    ax.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    look.draw_mark(ax, family.verb, (0, 0), 1.0, family.colour)
    figure.canvas.draw()
    for patch in ax.patches:
        box = patch.get_window_extent().transformed(ax.transData.inverted())
        assert box.x0 > -0.55
        assert box.x1 < 0.55
        assert box.y0 > -0.55
        assert box.y1 < 0.55
