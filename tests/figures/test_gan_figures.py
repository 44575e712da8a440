"""Truths of chapter 3's figures: what they claim to show is what they draw."""

import math

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from gencourse.data import EightGaussians
from gencourse.families import dirac_gan
from gencourse.figures import gan, use_look


@pytest.fixture(autouse=True)
def looked():
    mpl.use("Agg")
    with mpl.rc_context():
        use_look()
        yield
        plt.close("all")


def test_the_drawn_verdict_is_the_logistic_curve_of_the_log_ratio():
    """Of two Gaussians of one spread, log p/p_G is a line, so that the verdict is a sigmoid."""
    gan.verdict(shift=1.6)
    x, drawn = plt.gcf().axes[1].lines[0].get_data()
    expected = torch.sigmoid(1.6 * torch.as_tensor(x) + 1.6**2 / 2)
    assert np.abs(drawn - expected.numpy()).max() < 1e-4


def test_the_dots_of_the_verdict_lie_on_its_curve():
    gan.verdict()
    curve, _, *dots = plt.gcf().axes[1].lines
    for dot in dots:
        (x,), (y,) = dot.get_data()
        assert y == pytest.approx(float(np.interp(x, *curve.get_data())), abs=1e-3)


def test_the_two_losses_meet_nowhere_and_have_the_slopes_that_are_written():
    gan.losses_and_distances([0.0, 1.0], [0.0, math.log(2)], [0.0, 1.0])
    flat, steep = (line.get_data() for line in plt.gcf().axes[0].lines)
    assert abs(np.gradient(flat[1], flat[0])[0]) < 1e-2
    assert np.gradient(steep[1], steep[0])[0] == pytest.approx(-1, abs=1e-2)


def test_every_panel_shows_its_own_samples():
    draws = {name: [torch.full((5, 2), float(i)) for i in range(3)] for name in ("a", "b")}
    gan.samples_by_seed(EightGaussians(), draws)
    axes = plt.gcf().axes
    assert len(axes) == 6
    assert [float(ax.lines[1].get_xdata()[0]) for ax in axes] == [0, 1, 2] * 2


def test_spirals_begin_at_the_dot_and_end_at_the_triangle():
    path = dirac_gan.path((1.0, 0.0), 0.2, 40)
    gan.spirals({"out": path, "again": path})
    _, _, line, dot, triangle = plt.gcf().axes[0].lines
    assert [dot.get_xdata()[0], dot.get_ydata()[0]] == [1.0, 0.0]
    assert triangle.get_xdata()[0] == line.get_xdata()[-1]


def test_the_wall_holds_every_image_once():
    images = torch.zeros(6, 784)
    images[4] = 1
    gan.digit_wall(images, columns=3)
    wall = plt.gcf().axes[0].images[0].get_array()
    assert wall.shape == (58, 88)
    assert wall[30:58, 30:58].min() == 1
    assert wall.sum() == 784
