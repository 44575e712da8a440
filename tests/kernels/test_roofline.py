"""The roofline has a slanted part, a flat part, and a ridge between them."""

import math

from gencourse.kernels.reparameterize_kl import cost
from gencourse.kernels.roofline import A100, T4, Cost, Device, Step, roofline_table, total


def test_below_the_ridge_memory_sets_the_time() -> None:
    device = Device("round", bandwidth=100.0, peak=1000.0)
    assert Cost(bytes=200, flops=10, launches=1).seconds(device) == 2.0


def test_above_the_ridge_arithmetic_sets_the_time() -> None:
    device = Device("round", bandwidth=100.0, peak=1000.0)
    assert Cost(bytes=200, flops=5000, launches=1).seconds(device) == 5.0


def test_at_the_ridge_both_take_equally_long() -> None:
    for device in (T4, A100):
        ridge = device.peak / device.bandwidth
        cost = Cost(bytes=1_000_000, flops=round(1_000_000 * ridge), launches=1)
        assert math.isclose(cost.bytes / device.bandwidth, cost.flops / device.peak, rel_tol=1e-6)


def test_total_adds_elements_and_rows() -> None:
    steps = (Step("a", elements=2, rows=1, flops=3, row_flops=1), Step("b", elements=1))
    assert total(steps, batch=5, d=7) == Cost(bytes=4 * (3 * 35 + 5), flops=4 * 35 + 5, launches=2)


def test_table_holds_the_model_and_nothing_measured() -> None:
    table = roofline_table(cost.eager(128, 20), cost.fused(128, 20), T4)
    assert table == roofline_table(cost.eager(128, 20), cost.fused(128, 20), T4)
    lines = table.splitlines()
    assert lines[0].split() == ["plain", "PyTorch", "fused", "ratio"]
    assert lines[1].split() == ["launches", "23", "2", "11.50"]
    assert lines[2].split() == ["bytes", "505,856", "103,424", "4.89"]
