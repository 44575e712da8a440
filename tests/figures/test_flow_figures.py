"""Truths of chapter 4's figures: what they claim to show is what they draw."""

from collections.abc import Callable, Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from gencourse import checkpoints
from gencourse.data import Pinwheel, Ring
from gencourse.figures import flow as figures
from gencourse.figures import use_look
from gencourse.figures.look import FAMILIES

LINE = torch.linspace(-1, 1, 5)


def moons():
    return checkpoints.load("flow-2d")


FIGURES: dict[str, Callable[[], None]] = {
    "mass_along_a_line": figures.mass_along_a_line,
    "two_curves": lambda: figures.two_curves({"a": (LINE, LINE, LINE), "b": (LINE, LINE, LINE)}),
    "density_and_samples": lambda: figures.density_and_samples(Pinwheel(), moons(), n=50),
    "through_the_layers": lambda: figures.through_the_layers(moons(), [0, 3, 6], n=50),
    "hole": lambda: figures.hole(Ring(), {"two": moons()}, radius=1.0),
    "costs": lambda: figures.costs(
        {"dense": ([2, 4], [1.0, 8.0]), "triangular": ([2, 4], [1.0, 2.0])},
        dict.fromkeys(["a", "b", "c"], ([2, 4], [1.0, 1.0], [2.0, 2.0])),
    ),
    "paths": lambda: figures.paths(checkpoints.load("flow-ode"), [1, 0.5], n=20, lines=5),
}


@pytest.fixture(autouse=True)
def looked() -> Iterator[None]:
    mpl.use("Agg")
    with mpl.rc_context():
        use_look()
        yield
        plt.close("all")


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_figure_returns_nothing_and_shows_the_family(draw: Callable[[], None]) -> None:
    assert draw() is None
    plt.gcf().canvas.draw()
    colours = {
        mpl.colors.to_hex(artist.get_color())
        for ax in plt.gcf().axes
        for artist in ax.lines
        if artist.get_color() != "none"
    }
    patches = {mpl.colors.to_hex(p.get_edgecolor()) for ax in plt.gcf().axes for p in ax.patches}
    drawn_in_ink = draw is FIGURES["through_the_layers"]  # there, shade says where noise began
    assert FAMILIES["flow"].colour in colours | patches or drawn_in_ink


def test_shaded_slices_have_equal_mass() -> None:
    """The area of each slice of noise is that of its image: what the caption says."""
    figures.mass_along_a_line()
    areas = {}
    for ax in plt.gcf().axes:
        for shade in ax.collections:
            x, y = shade.get_paths()[0].vertices.T
            areas.setdefault(ax, []).append(
                0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
            )
    before, after = areas.values()
    assert len(before) == len(after) == 2
    assert sorted(before) == pytest.approx(sorted(after), rel=0.02)


def test_layers_end_where_the_flow_samples() -> None:
    flow = moons()
    figures.through_the_layers(flow, [0, 6], n=30)
    first, last = (ax.collections[0].get_offsets() for ax in plt.gcf().axes)
    z = torch.as_tensor(np.asarray(first), dtype=torch.float32)
    with torch.no_grad():
        x, _ = flow.transform.inverse(z)
    np.testing.assert_allclose(np.asarray(last), x.numpy(), atol=1e-4)
