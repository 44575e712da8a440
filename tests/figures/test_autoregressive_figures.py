"""What the figures of chapter 5 draw is what they say."""

import matplotlib.pyplot as plt
import pytest
import torch

from gencourse import bench
from gencourse.figures import autoregressive as figures
from gencourse.nn import MaskedMLP


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def labels(axis="x"):
    return [getattr(ax, f"get_{axis}label")() for ax in plt.gcf().axes]


def test_the_blind_spot_is_in_one_network_and_not_in_the_other():
    figures.reach()
    plain, gated = labels()
    assert not plain.startswith("0 of")
    assert gated == "0 of 112 earlier pixels unseen"


def test_paths_leave_the_first_row_and_the_last_column_empty():
    order = [2, 0, 1]
    figures.masks(MaskedMLP(3, (6, 6), 1, order))
    paths = plt.gcf().axes[-1].images[0].get_array()
    assert (paths[order[0]] == 0).all()
    assert (paths[:, order[-1]] == 0).all()
    assert paths[order[-1], order[0]] > 0


def test_levels_share_all_probability():
    figures.grey_levels((0.0, 0.5), (-1.2, 0.3), (0.1, 0.01))
    heights = torch.tensor([bar.get_height() for bar in plt.gca().patches])
    assert len(heights) == 256
    assert heights.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_sum_below_a_digit_is_the_sum_of_its_surprise():
    surprise = torch.rand(2, 784, generator=torch.Generator().manual_seed(0))
    figures.digits_and_surprise(torch.zeros(2, 784), torch.zeros(2, 784), surprise)
    assert [text for text in labels() if text] == [f"{row.sum():.0f} nats" for row in surprise]


def test_the_chain_meets_the_refinement_where_the_times_are_equal():
    results = bench.result("speed_gap")
    row = results["batch"]["1"]
    figures.speed_gap(results, "1")
    noted = [t.get_text() for t in plt.gca().texts if t.get_text().startswith("T = ")]
    a_pass = row["refine"]["250"] / 250
    assert noted == [f"T = {row['whole'] / a_pass:,.0f}", f"T = {row['cached'] / a_pass:,.0f}"]
    assert row["crossing_cached"] == pytest.approx(row["cached"] / a_pass, abs=1)


def test_without_a_cache_the_crossing_is_the_number_of_values():
    for row in bench.result("speed_gap")["batch"].values():
        assert row["crossing_whole"] == pytest.approx(4096, rel=0.25)
        assert row["crossing_cached"] < 4096 / 4
