"""Truths of the rational-quadratic spline, and parity with zuko.

What every fused operation promises is in `test_kernel_contract.py`.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from zuko.transforms import MonotonicRQSTransform

from gencourse.kernels import rational_quadratic_spline
from gencourse.kernels.rational_quadratic_spline import reference
from gencourse.kernels.rational_quadratic_spline.reference import knot_derivative, knots, shares

BOUND = 3.0


def parameters(
    *shape: int, bins: int = 8, scale: float = 1.0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    widths, heights = scale * torch.randn(2, *shape, bins, generator=generator)
    derivatives = scale * torch.randn(*shape, bins - 1, generator=generator)
    return widths.to(dtype), heights.to(dtype), derivatives.to(dtype)


def one_curve(x: Tensor, scale: float = 1.0, bins: int = 8) -> tuple[Tensor, ...]:
    """The same curve for every x: shape (n, 1), so that each x has a log-slope of its own."""
    curve = parameters(1, 1, bins=bins, scale=scale, dtype=x.dtype)
    return tuple(tensor.expand(len(x), 1, -1) for tensor in curve)


class TestCurve:
    def test_zeros_are_the_identity(self) -> None:
        x = torch.linspace(-4, 4, 101, dtype=torch.float64)[:, None]
        zeros = torch.zeros(101, 1, 5, dtype=torch.float64)
        y, log_det = rational_quadratic_spline(x, zeros, zeros, zeros[..., 1:])
        torch.testing.assert_close(y, x)
        torch.testing.assert_close(log_det, torch.zeros_like(log_det))

    def test_one_bin_is_the_identity(self) -> None:
        x = torch.linspace(-4, 4, 101, dtype=torch.float64)[:, None]
        widths, heights, derivatives = one_curve(x, bins=1)
        for inverse in (False, True):
            y, log_det = rational_quadratic_spline(x, widths, heights, derivatives, inverse=inverse)
            torch.testing.assert_close(y, x)
            torch.testing.assert_close(log_det, torch.zeros_like(log_det))

    def test_curve_passes_through_its_knots_with_their_slopes(self) -> None:
        widths, heights, derivatives = parameters(1, 1)
        x, y = (2 * BOUND * knots(axis)[0, 0] - BOUND for axis in (widths, heights))
        curve = one_curve(x[:, None])
        image, log_slope = rational_quadratic_spline(x[:, None], *curve)
        torch.testing.assert_close(image[:, 0], y)
        slopes = torch.cat([torch.ones(1), knot_derivative(derivatives)[0, 0], torch.ones(1)])
        torch.testing.assert_close(log_slope.exp(), slopes)

    @pytest.mark.parametrize("inverse", [False, True])
    def test_log_determinant_is_that_of_the_jacobian(self, inverse: bool) -> None:
        x = 1.5 * torch.randn(4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        curve = parameters(4)
        jacobian = torch.func.jacrev(
            lambda x: rational_quadratic_spline(x, *curve, inverse=inverse)[0]
        )(x)
        _, log_det = rational_quadratic_spline(x, *curve, inverse=inverse)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det)

    @pytest.mark.parametrize("scale", [0.3, 1.0, 3.0, 10.0])
    def test_inverse_inverts(self, scale: float) -> None:
        x = torch.linspace(-4, 4, 4001, dtype=torch.float64)[:, None]
        curve = one_curve(x, scale)
        y, log_det = rational_quadratic_spline(x, *curve)
        back, log_det_back = rational_quadratic_spline(y, *curve, inverse=True)
        # An error in y is magnified by the inverse's slope.
        steepest = log_det.min().neg().exp().item()
        torch.testing.assert_close(back, x, rtol=0, atol=1e-14 * (1 + steepest))
        torch.testing.assert_close(log_det_back, -log_det, rtol=0, atol=1e-9 * (1 + steepest))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scale", [1.0, 10.0])
    def test_curve_rises(self, dtype: torch.dtype, scale: float) -> None:
        x = torch.linspace(-4, 4, 4001, dtype=dtype)[:, None]
        for inverse in (False, True):
            y, _ = rational_quadratic_spline(x, *one_curve(x, scale), inverse=inverse)
            # In float32 two neighbours may round to one number, or past it by a last place.
            assert (y.diff(dim=0) >= -4 * torch.finfo(dtype).eps * BOUND).all()

    def test_density_of_a_pushed_uniform_integrates_to_one(self) -> None:
        # The slope of a map of [-B, B] onto itself has the mean 1.
        edges = 2 * BOUND * knots(parameters(1, 1)[0])[0, 0] - BOUND
        points, weights = gauss_legendre(20)
        widths = edges.diff()
        x = (edges[:-1, None] + widths[:, None] * (points + 1) / 2).flatten()[:, None]
        _, log_slope = rational_quadratic_spline(x, *one_curve(x))
        integral = (log_slope.exp().view(len(widths), -1) @ weights * widths / 2).sum()
        torch.testing.assert_close(integral, torch.tensor(2 * BOUND, dtype=torch.float64))


def gauss_legendre(nodes: int) -> tuple[Tensor, Tensor]:
    import numpy as np

    points, weights = np.polynomial.legendre.leggauss(nodes)
    return torch.from_numpy(points), torch.from_numpy(weights)


class TestOutside:
    """Peers answer here with NaN gradients: they compute outside and select afterwards."""

    @pytest.mark.parametrize("inverse", [False, True])
    def test_outside_the_interval_is_exactly_the_identity(self, inverse: bool) -> None:
        x = torch.tensor([[-1e30], [-100.0], [-3.001], [3.001], [100.0], [1e30], [math.inf]])
        y, log_det = rational_quadratic_spline(x, *one_curve(x, 10.0), inverse=inverse)
        assert torch.equal(y, x)
        assert torch.equal(log_det, torch.zeros(len(x)))

    @pytest.mark.parametrize("inverse", [False, True])
    def test_gradients_outside_are_finite_and_those_of_the_identity(self, inverse: bool) -> None:
        x = torch.tensor([[-1e30], [-100.0], [-3.001], [3.001], [100.0], [1e30]])
        leaves = [tensor.clone().requires_grad_() for tensor in (x, *one_curve(x, 10.0))]
        y, log_det = rational_quadratic_spline(*leaves, inverse=inverse)
        grad_x, *others = torch.autograd.grad(y.sum() + log_det.sum(), leaves)
        assert torch.equal(grad_x, torch.ones_like(x))
        assert not any(gradient.any() for gradient in others)

    @pytest.mark.parametrize("inverse", [False, True])
    def test_nothing_jumps_at_the_ends(self, inverse: bool) -> None:
        x = torch.tensor([[-3.0], [3.0]], dtype=torch.float64)
        y, log_det = rational_quadratic_spline(x, *one_curve(x, 3.0), inverse=inverse)
        torch.testing.assert_close(y, x)
        torch.testing.assert_close(log_det, torch.zeros_like(log_det))


class TestInverseRoot:
    """The discriminant is a sum of squares, so no rounding makes it negative."""

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.floats(-50, 50, width=32), min_size=11, max_size=11),
        st.floats(-3, 3, width=32),
    )
    def test_inverse_is_finite_for_every_curve(self, numbers: list[float], y: float) -> None:
        values = torch.tensor(numbers)[None, None]
        leaves = [
            tensor.clone().requires_grad_()
            for tensor in (
                torch.tensor([[y]]),
                values[..., :4],
                values[..., 4:8],
                values[..., 8:],
            )
        ]
        x, log_det = rational_quadratic_spline(*leaves, inverse=True)
        assert -BOUND <= x.item() <= BOUND
        gradients = torch.autograd.grad(x.sum() + log_det.sum(), leaves)
        assert all(gradient.isfinite().all() for gradient in gradients)

    def test_at_every_knot_in_float32(self) -> None:
        # A knot is the end of one bin and the start of the next: η is 0 or 1 up to rounding.
        for seed in range(20):
            generator = torch.Generator().manual_seed(seed)
            widths, heights = 5 * torch.randn(2, 9, 1, 8, generator=generator)
            heights = heights[:1].expand(9, 1, 8)
            derivatives = 10 * torch.randn(9, 1, 7, generator=generator)
            y = (2 * BOUND * knots(heights[:1])[0, 0] - BOUND)[:, None]
            for nudged in (y, torch.nextafter(y, y + 1), torch.nextafter(y, y - 1)):
                x, log_det = rational_quadratic_spline(
                    nudged, widths, heights, derivatives, inverse=True
                )
                assert x.isfinite().all()
                assert log_det.isfinite().all()

    def test_small_shares_keep_their_digits_where_the_textbook_root_loses_them(self) -> None:
        # Near the start of a bin that begins flat: d₀ = 1e-3, d₁ = s = 1.
        eta = torch.logspace(-8, -1, 100, dtype=torch.float32)
        one = torch.ones_like(eta)
        bin = reference.Bin(0 * one, one, 0 * one, one, one, 1e-3 * one)
        truth = reference.position(eta.double(), reference.Bin(*(f.double() for f in bin)))
        s, d0, d1 = one, bin.left_derivative, bin.right_derivative
        a = (s - d0) + eta * (d0 + d1 - 2 * s)
        b, c = d0 - eta * (d0 + d1 - 2 * s), -s * eta
        textbook = (-b + torch.sqrt(b**2 - 4 * a * c)) / (2 * a)
        ours = reference.position(eta, bin)
        eps = torch.finfo(torch.float32).eps
        assert ((ours - truth).abs() <= 4 * eps * truth).all()
        assert ((textbook - truth).abs() > 1e3 * eps * truth).any()


class TestParameters:
    def test_shares_sum_to_one_and_none_vanishes(self) -> None:
        unnormalised = 100 * torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
        found = shares(unnormalised)
        torch.testing.assert_close(found.sum(-1), torch.ones(50))
        assert (found >= reference.MIN_SHARE).all()

    def test_shares_know_nothing_of_a_common_shift(self) -> None:
        unnormalised = torch.randn(50, 8, dtype=torch.float64)
        torch.testing.assert_close(shares(unnormalised + 700), shares(unnormalised))

    def test_slope_is_one_at_zero_and_never_below_its_minimum(self) -> None:
        found = knot_derivative(torch.tensor([-1e4, 0.0, 1e4], dtype=torch.float64))
        expected = torch.tensor([1e-3, 1.0, 1e4], dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-12)


class TestParity:
    @pytest.mark.parametrize("inverse", [False, True])
    def test_zuko_draws_the_same_curve_through_the_same_knots(self, inverse: bool) -> None:
        x = 1.5 * torch.randn(64, 3, generator=torch.Generator().manual_seed(1)).double()
        widths, heights, derivatives = parameters(64, 3)
        peer = MonotonicRQSTransform(widths, heights, derivatives, bound=BOUND)
        # zuko has other minima, so it is handed our knots; the mathematics after them is its own.
        peer.horizontal = 2 * BOUND * knots(widths) - BOUND
        peer.vertical = 2 * BOUND * knots(heights) - BOUND
        peer.derivatives = torch.nn.functional.pad(knot_derivative(derivatives), (1, 1), value=1.0)
        expected, log_slope = (peer.inv if inverse else peer).call_and_ladj(x)
        y, log_det = rational_quadratic_spline(x, widths, heights, derivatives, inverse=inverse)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(log_det, log_slope.sum(-1))


class TestErrors:
    def test_parameters_of_another_count(self) -> None:
        x, table = torch.zeros(8, 4), torch.zeros(8, 4, 5)
        with pytest.raises(ValueError, match=r"K - 1.*\(8, 4, 5\).*3K - 1 numbers.*split"):
            rational_quadratic_spline(x, table, table, table)

    def test_no_coordinates(self) -> None:
        scalar = torch.zeros(())
        with pytest.raises(ValueError, match=r"expected shape \(\.\.\., D\)"):
            rational_quadratic_spline(scalar, scalar, scalar, scalar)

    def test_too_many_bins(self) -> None:
        x, table = torch.zeros(2, 1), torch.zeros(2, 1, 1000)
        with pytest.raises(ValueError, match=r"1000 bins do not fit.*last dimension"):
            rational_quadratic_spline(x, table, table, table[..., 1:])

    @pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf])
    def test_a_bound_that_is_none(self, bound: float) -> None:
        x, table = torch.zeros(2, 1), torch.zeros(2, 1, 4)
        with pytest.raises(ValueError, match=r"bound=.*half-width"):
            rational_quadratic_spline(x, table, table, table[..., 1:], bound=bound)
