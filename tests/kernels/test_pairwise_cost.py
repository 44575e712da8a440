"""The cost model says what PyTorch really does."""

import pytest
import torch
from traffic import Traffic

from gencourse.kernels.pairwise import cost, reference
from gencourse.kernels.pairwise.op import fused_rbf_sum
from gencourse.kernels.roofline import A100, T4

BANDWIDTHS = [0.5, 1.3, 2.9]


@pytest.mark.parametrize(("n", "m", "d"), [(40, 30, 5), (7, 300, 2), (500, 700, 64)])
@pytest.mark.parametrize(
    ("function", "model"), [(reference.rbf_table, cost.eager), (fused_rbf_sum, cost.fused)]
)
def test_model_counts_the_bytes_that_move(function, model, n, m, d):
    x, y = torch.randn(n, d), torch.randn(m, d)
    with Traffic() as traffic:
        function(x, y, BANDWIDTHS)
    expected = model(n, m, d, len(BANDWIDTHS))
    assert (traffic.bytes, traffic.launches) == (expected.bytes, expected.launches)


def test_fusion_turns_a_wait_for_memory_into_a_wait_for_arithmetic():
    eager, fused = (model(5000, 5000, 64, 3) for model in (cost.eager, cost.fused))
    for device in (T4, A100):
        ridge = device.peak / device.bandwidth
        assert eager.intensity < ridge < fused.intensity
        assert eager.seconds(device) > 5 * fused.seconds(device)


def test_a_table_of_fifty_thousand_squared_does_not_fit():
    assert cost.table_bytes(50_000, 50_000) == 10_000_000_000
    assert cost.fused(50_000, 50_000, 64, 3).bytes < 26_000_000
