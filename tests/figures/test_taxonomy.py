"""Truths of chapter 1's figures: what they claim to show is what they draw."""

from collections.abc import Callable, Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from gencourse import bench
from gencourse.data import EightGaussians, Ring
from gencourse.evaluation.exact_routes import discriminate
from gencourse.figures import taxonomy, use_look
from gencourse.figures.look import FAMILIES

MARKED = torch.tensor([[-2.0, 0.0], [0.0, 0.5]])

FIGURES: dict[str, Callable[[], None]] = {
    "routes": taxonomy.routes,
    "four_uses": lambda: taxonomy.four_uses(EightGaussians(), 1.2, 2, MARKED),
    "arrangement": taxonomy.arrangement,
    "empty_cells": lambda: taxonomy.empty_cells([2, 4], {10: [0.1, 0.8], 1000: [0.0, 0.4]}),
    "critic_along_a_ray": lambda: taxonomy.critic_along_a_ray(Ring(), Ring(2.1), [1.0, 2.0]),
    "trade": lambda: taxonomy.trade(bench.result("map")["results"]),
}


@pytest.fixture(autouse=True)
def looked() -> Iterator[None]:
    mpl.use("Agg")
    with mpl.rc_context():
        use_look()
        yield
        plt.close("all")


def texts() -> str:
    return " ".join(t.get_text() for ax in plt.gcf().axes for t in ax.texts).replace("−", "-")


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_figure_draws_and_returns_nothing(
    draw: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert draw() is None
    plt.gcf().canvas.draw()
    assert not caplog.records, "a glyph or a font is missing"


def test_routes_name_every_family_and_end_on_the_ring() -> None:
    taxonomy.routes()
    axes = plt.gcf().axes
    assert len(axes) == 5 * 5
    assert all(family.verb in texts() for family in FAMILIES.values())
    for last in axes[4::5]:
        x = np.stack(last.lines[-1].get_data(), axis=-1)
        assert abs(np.linalg.norm(x, axis=-1).mean() - Ring().radius) < 0.1


def test_uses_print_the_log_density_of_the_marked_points() -> None:
    FIGURES["four_uses"]()
    for log_p in EightGaussians().log_prob(MARKED):
        assert f"{log_p:.1f} nats" in texts()


def test_shuffled_digits_keep_their_pixels() -> None:
    taxonomy.arrangement()
    digits, shuffled, by_lot = (np.asarray(ax.images[0].get_array()) for ax in plt.gcf().axes)
    assert np.array_equal(np.sort(digits, axis=None), np.sort(shuffled, axis=None))
    assert not np.array_equal(digits, shuffled)
    assert np.abs(by_lot.mean() - digits.mean()) > 30


def test_empty_cells_draws_the_shares_it_is_given() -> None:
    FIGURES["empty_cells"]()
    few, many = plt.gca().lines
    assert list(few.get_ydata()) == [0.1, 0.8]
    assert list(many.get_ydata()) == [0.0, 0.4]
    assert "1,000 points" in texts()


def test_critic_prefers_an_impossible_point_to_a_typical_one() -> None:
    FIGURES["critic_along_a_ray"]()
    at = torch.tensor([[1.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    verdict, log_p = discriminate(Ring(), Ring(2.1), at), Ring().log_prob(at)
    assert verdict[0] > verdict[1]
    assert log_p[0] < log_p[1] - 20
    assert f"verdict {verdict[0]:.2f}\nlog density {log_p[0]:.1f}" in texts()
