"""What only a GPU can show of the pairwise kernels: `pytest -m gpu tests/kernels`."""

from typing import Any

import pytest
import torch
from closeness import assert_close
from torch import Tensor

from gencourse.kernels import (
    count_within,
    distance_sum,
    kth_neighbour_distance,
    nearest,
    rbf_sum,
)
from gencourse.kernels.pairwise import op, reference

pytestmark = pytest.mark.gpu

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
SIZES = [(1, 1, 1), (5, 7, 2), (1031, 4099, 3), (300, 200, 784), (5, 4, 0), (0, 4, 2)]
BANDWIDTHS = [0.5, 1.0, 3.0]


def points(n: int, m: int, d: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(n + m + d)
    x, y = (torch.randn(rows, d, generator=generator, device="cuda") for rows in (n, m))
    return x.to(dtype), y.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("n", "m", "d"), SIZES)
def test_every_reduction_and_the_gradient(n: int, m: int, d: int, dtype: torch.dtype) -> None:
    x, y = points(n, m, d, dtype)
    doubles = x.double().requires_grad_(), y.double().requires_grad_()
    # Wide enough for d coordinates that some kernel is felt.
    bandwidths = [max(d, 1) ** 0.5 * sigma for sigma in BANDWIDTHS]
    leaves = x.clone().requires_grad_(), y.clone().requires_grad_()
    sums = rbf_sum(*leaves, bandwidths, impl="triton")
    true_sums = reference.rbf_table(*doubles, bandwidths)
    true_gradients = torch.autograd.grad(true_sums.sum(), doubles)
    gradients = torch.autograd.grad(sums.sum(), leaves)
    pairs = [(sums, true_sums), *zip(gradients, true_gradients, strict=True)]
    k = min(3, m)
    with torch.no_grad():
        kth = kth_neighbour_distance(x, y, k, impl="triton")
        pairs.append((kth, reference.kth_neighbour_distance(*doubles, k)))
        total = distance_sum(x, y, impl="triton")
        pairs.append((total, reference.distance_sum(*doubles)))
        own = (doubles[0] - doubles[1][nearest(x, y, impl="triton")]).norm(dim=1)
        torch.testing.assert_close(own, reference.kth_neighbour_distance(*doubles, 1))
        radii = kth_neighbour_distance(y, y, k, impl="triton")
        held = count_within(y, y, radii, impl="triton")
        assert held.sum() >= k * m  # more where half types are equally far
    for answer, truth in pairs:
        assert answer.shape == truth.shape
        if answer.numel() > 0:
            assert_close(answer, truth, units=8)


def test_same_input_same_bits() -> None:
    x, y = points(1031, 4099, 20, torch.float32)
    for function in (lambda: rbf_sum(x, y, BANDWIDTHS), lambda: kth_neighbour_distance(x, y, 5)):
        assert torch.equal(function(), function())


def test_memory_grows_with_the_points() -> None:
    x, y = points(50_000, 50_000, 64, torch.float32)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    rbf_sum(x, y, [8.0])
    kth_neighbour_distance(x, y, 5)
    assert torch.cuda.max_memory_allocated() - before < 4 * (x.nbytes + y.nbytes)


def test_opcheck() -> None:
    x, y = points(127, 65, 20, torch.float32)
    torch.library.opcheck(op._rbf_sum, (x, y, BANDWIDTHS))
    torch.library.opcheck(op._rbf_sum_backward, (x.sum(1), x, y, BANDWIDTHS))
    torch.library.opcheck(op._distance_sum, (x, y))
    torch.library.opcheck(op._nearest, (x, y))
    torch.library.opcheck(op._kth_neighbour_distance, (x, y, 2))
    torch.library.opcheck(op._count_within, (x, y, y.square().sum(1)))


@pytest.mark.parametrize("impl", ["auto", "triton", "compile"])
def test_compiles_to_one_graph(impl: Any) -> None:
    x, y = points(127, 65, 20, torch.float32)
    compiled = torch.compile(lambda x, y: rbf_sum(x, y, BANDWIDTHS, impl=impl), fullgraph=True)
    truth = reference.rbf_table(x.double(), y.double(), BANDWIDTHS)
    assert_close(compiled(x, y), truth, units=8)
