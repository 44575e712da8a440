"""The pairwise Triton kernels, one program after another on a CPU, against float64 mathematics."""

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
from gencourse.kernels.pairwise import op, reference, triton

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
# One pair, a ragged tile, several tiles of rows and of columns, more coordinates than the
# gradient's block of them, no coordinates, no rows.
SIZES = [(1, 1, 1), (5, 7, 2), (70, 131, 3), (3, 9, 20), (5, 4, 0), (0, 4, 2)]
BANDWIDTHS = [0.5, 1.0, 3.0]

sizes = pytest.mark.parametrize(("n", "m", "d"), SIZES)


def points(n: int, m: int, d: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + m + d)
    x, y = (torch.randn(rows, d, generator=generator) for rows in (n, m))
    return x.to(dtype), y.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@sizes
def test_every_reduction(n: int, m: int, d: int, dtype: torch.dtype) -> None:
    x, y = points(n, m, d, dtype)
    doubles = x.double(), y.double()
    precise = torch.promote_types(dtype, torch.float32)
    k = min(3, m)
    radii = triton.kth_neighbour_distance(y, y, k)
    answers = {
        "rbf_sum": (triton.rbf_sum(x, y, BANDWIDTHS), reference.rbf_sum(*doubles, BANDWIDTHS)),
        "distance_sum": (triton.distance_sum(x, y), reference.distance_sum(*doubles)),
        "kth": (
            triton.kth_neighbour_distance(x, y, k),
            reference.kth_neighbour_distance(*doubles, k),
        ),
    }
    for answer, truth in answers.values():
        assert answer.dtype == precise
        assert answer.shape == truth.shape == (n,)
        if n > 0:
            assert_close(answer, truth)
    # Half types are often equally far: then the nearest is any of those.
    found = triton.nearest(x, y)
    assert found.shape == (n,)
    own = (doubles[0] - doubles[1][found]).norm(dim=1)
    torch.testing.assert_close(own, reference.kth_neighbour_distance(*doubles, 1))
    assert torch.equal(triton.count_within(x, y, radii), reference.count_within(x, y, radii))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@sizes
def test_gradient(n: int, m: int, d: int, dtype: torch.dtype) -> None:
    x, y = points(n, m, d, dtype)
    grad = torch.linspace(-1, 2, n, dtype=torch.promote_types(dtype, torch.float32))
    truths = reference.gradients(grad.double(), x.double(), y.double(), BANDWIDTHS)
    answers = triton.rbf_sum_backward(grad, x, y, BANDWIDTHS)
    for answer, truth, given in zip(answers, truths, (x, y), strict=True):
        assert answer.shape == given.shape
        assert answer.dtype == dtype
        if answer.numel() > 0 and n > 0:
            assert_close(answer, truth, units=8)


def test_distances_are_symmetric_to_the_last_bit() -> None:
    x, _ = points(70, 1, 3, torch.float32)
    for k in (1, 3):
        held = triton.count_within(x, x, triton.kth_neighbour_distance(x, x, k))
        assert held.sum() == 70 * k


def test_equals_copies_and_the_first_of_them() -> None:
    y = torch.tensor([[2.0], [1.0], [-1.0], [1.0]]).repeat(40, 1)  # two tiles of columns
    x = torch.tensor([[1.0], [0.0], [3.0]])
    assert triton.nearest(x, y).tolist() == [1, 1, 0]
    assert triton.kth_neighbour_distance(x, y, 5).tolist() == [0.0, 1.0, 1.0]
    assert triton.count_within(x, y, torch.zeros(160)).tolist() == [80, 0, 0]


def test_what_is_nowhere_is_near_nothing() -> None:
    x, y = points(9, 131, 3, torch.float32)
    y[3] = x[4] = float("nan")
    assert (
        triton.count_within(x, y, torch.full((131,), 1e6)).tolist() == [130] * 4 + [0] + [130] * 4
    )
    assert 3 not in triton.nearest(x, y)
    assert triton.kth_neighbour_distance(x, y, 131).isposinf().all()
    assert triton.rbf_sum(x, y, BANDWIDTHS).isnan().all()


def test_inputs_may_have_any_strides() -> None:
    x, y = (tensor.mT.contiguous().mT for tensor in points(5, 7, 2, torch.float64))
    torch.testing.assert_close(
        triton.rbf_sum(x, y, BANDWIDTHS), reference.rbf_sum(x, y, BANDWIDTHS)
    )
    torch.testing.assert_close(
        triton.kth_neighbour_distance(x, y.expand(7, 2), 2),
        reference.kth_neighbour_distance(x, y, 2),
    )


def test_the_public_functions_run_the_kernels() -> None:
    x, y = points(5, 7, 2, torch.float64)
    impl: Any = "triton"
    radii = kth_neighbour_distance(y, y, 2, impl=impl)
    torch.testing.assert_close(radii, kth_neighbour_distance(y, y, 2))
    assert torch.equal(count_within(x, y, radii, impl=impl), count_within(x, y, radii))
    assert torch.equal(nearest(x, y, impl=impl), nearest(x, y))
    torch.testing.assert_close(distance_sum(x, y, impl=impl), distance_sum(x, y))
    assert torch.autograd.gradcheck(
        lambda x, y: rbf_sum(x, y, BANDWIDTHS, impl=impl),
        (x[:3].clone().requires_grad_(), y[:2].clone().requires_grad_()),
        check_forward_ad=True,
        check_batched_grad=True,
    )


def test_opcheck() -> None:
    x, y = points(5, 7, 2, torch.float32)
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(op._rbf_sum, (x, y, BANDWIDTHS), test_utils=tests)
    torch.library.opcheck(op._rbf_sum_backward, (x.sum(1), x, y, BANDWIDTHS), test_utils=tests)
    torch.library.opcheck(op._nearest, (x, y), test_utils=tests)
    torch.library.opcheck(op._kth_neighbour_distance, (x, y, 2), test_utils=tests)
