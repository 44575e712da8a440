"""Truths of the affine coupling, and parity with zuko.

What every fused operation promises is in `test_kernel_contract.py`.
"""

import pytest
import torch
from torch import Tensor
from zuko.transforms import MonotonicAffineTransform

from gencourse.kernels import affine_coupling


def inputs(*shape: int) -> tuple[Tensor, Tensor, Tensor]:
    x, log_scale, shift = torch.randn(
        3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return x, log_scale, shift


def test_inverse_inverts() -> None:
    x, log_scale, shift = inputs(50, 7)
    y, log_det = affine_coupling(x, log_scale, shift)
    back, log_det_back = affine_coupling(y, log_scale, shift, inverse=True)
    torch.testing.assert_close(back, x)
    assert torch.equal(log_det_back, -log_det)


@pytest.mark.parametrize("inverse", [False, True])
def test_log_determinant_is_that_of_the_jacobian(inverse: bool) -> None:
    x, log_scale, shift = inputs(7)
    jacobian = torch.func.jacrev(
        lambda x: affine_coupling(x, log_scale, shift, inverse=inverse)[0]
    )(x)
    _, log_det = affine_coupling(x, log_scale, shift, inverse=inverse)
    torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det)


def test_zeros_are_the_identity() -> None:
    x, _, _ = inputs(50, 7)
    for inverse in (False, True):
        y, log_det = affine_coupling(x, 0 * x, 0 * x, inverse=inverse)
        assert torch.equal(y, x)
        assert not log_det.any()


def test_two_couplings_are_one() -> None:
    # s₂ (s₁ x + b₁) + b₂ has the log-scale α₁ + α₂ and the shift s₂ b₁ + b₂.
    x, first, b1 = inputs(50, 7)
    second, b2 = first.flip(0), b1.flip(0)
    once, log_det_1 = affine_coupling(x, first, b1)
    twice, log_det_2 = affine_coupling(once, second, b2)
    y, log_det = affine_coupling(x, first + second, second.exp() * b1 + b2)
    torch.testing.assert_close(twice, y)
    torch.testing.assert_close(log_det_1 + log_det_2, log_det)


@pytest.mark.parametrize("inverse", [False, True])
def test_zuko_computes_the_same(inverse: bool) -> None:
    x, log_scale, shift = inputs(50, 7)
    peer = MonotonicAffineTransform(shift, log_scale, slope=1e-300)
    expected, log_slope = (peer.inv if inverse else peer).call_and_ladj(x)
    y, log_det = affine_coupling(x, peer.log_scale, shift, inverse=inverse)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(log_det, log_slope.sum(-1))


def test_a_scale_beyond_float32_is_infinite_and_not_nan() -> None:
    x, log_scale = torch.ones(1, 1), torch.full((1, 1), 89.0)
    y, log_det = affine_coupling(x, log_scale, torch.zeros(1, 1))
    assert y.isposinf()
    assert log_det.item() == 89.0


def test_shapes_that_differ() -> None:
    x = torch.zeros(8, 4)
    with pytest.raises(ValueError, match=r"\(8, 4\), \(8, 8\) and \(8, 4\).*chunk\(2, dim=-1\)"):
        affine_coupling(x, torch.zeros(8, 8), x)


def test_no_coordinates() -> None:
    scalar = torch.zeros(())
    with pytest.raises(ValueError, match=r"expected \(\.\.\., D\)"):
        affine_coupling(scalar, scalar, scalar)
