"""The GPU kernels, and the launcher that cuts the batch into tiles for them.

One program handles a tile of rows × coordinates × bins. It loads the K widths and K heights of a
number once and keeps them in registers, as threads beside each other: the softmax, the running sum
and the choice of the bin are sums along the last axis of the tile. The slopes are read where they
are needed, two for each number. Plain PyTorch writes each of these tables to memory and reads it
again, some ten times over.

The formulas are those of `reference.py`, under the same names. Sizes are chosen from D and K
alone, so the same input always meets the same program and gives the same bits.
"""

# A kernel's arguments are Triton's own types, which have no annotations.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from gencourse.kernels.rational_quadratic_spline import reference

__all__ = ["backward", "backward_kernel", "forward", "forward_kernel", "tile"]

TILE_ELEMENTS = 1024
NUM_WARPS = 4

MIN_SHARE = tl.constexpr(reference.MIN_SHARE)
MIN_DERIVATIVE = tl.constexpr(reference.MIN_DERIVATIVE)
UNIT = tl.constexpr(reference.UNIT)


@triton.jit
def _log1p(t, TERMS: tl.constexpr):
    """log(1 + t) for 0 ≤ t ≤ 1, by the series 2 (z + z³/3 + z⁵/5 + …) with z = t / (2 + t).

    `log(1.0 + t)` would lose the digits of a small t, and Triton has no `log1p` that its
    interpreter knows as well.
    """
    z = t / (2.0 + t)
    series = z * 0.0 + 1.0 / (2 * TERMS + 1)
    for n in tl.static_range(TERMS - 1, -1, -1):
        series = series * z * z + 1.0 / (2 * n + 1)
    return 2.0 * z * series


@triton.jit
def _knot_derivative(raw, TERMS: tl.constexpr):
    shifted = raw + UNIT
    return MIN_DERIVATIVE + tl.maximum(shifted, 0.0) + _log1p(tl.exp(-tl.abs(shifted)), TERMS)


@triton.jit
def _sigmoid(z):
    decay = tl.exp(-tl.abs(z))
    return tl.where(z >= 0, 1.0, decay) / (1.0 + decay)


@triton.jit
def _weights(ptr, at, inside, k, K: tl.constexpr, precise: tl.constexpr):
    """The softmax of each number's K parameters; 0 beyond them."""
    raw = tl.load(ptr + at, mask=inside, other=0.0).to(precise)
    raw = tl.where(k < K, raw, float("-inf"))
    exponentials = tl.exp(raw - tl.max(raw, axis=2, keep_dims=True))
    return exponentials / tl.sum(exponentials, axis=2, keep_dims=True)


@triton.jit
def _knots(weights, k, K: tl.constexpr):
    """Where each bin ends: the running sum of the shares."""
    shares = tl.where(k < K, MIN_SHARE + (1.0 - K * MIN_SHARE) * weights, 0.0)
    return tl.cumsum(shares, axis=2)


@triton.jit
def _span(knots, index, k, K: tl.constexpr):
    """A bin's start and its size. The first starts at 0 and the last ends at 1."""
    start = tl.sum(tl.where(k == index - 1, knots, 0.0), axis=2, keep_dims=True)
    end = tl.sum(tl.where(k == index, knots, 0.0), axis=2, keep_dims=True)
    return start, tl.where(index == K - 1, 1.0, end) - start


@triton.jit
def _find_bin(
    u,
    widths,
    heights,
    derivatives_ptr,
    number,
    inside,
    k,
    K: tl.constexpr,
    INVERSE: tl.constexpr,
    TERMS: tl.constexpr,
):
    horizontal, vertical = _knots(widths, k, K), _knots(heights, k, K)
    ends = vertical if INVERSE else horizontal
    index = tl.sum(((ends <= u) & (k < K - 1)).to(tl.int32), axis=2, keep_dims=True)
    left, width = _span(horizontal, index, k, K)
    bottom, height = _span(vertical, index, k, K)
    at = derivatives_ptr + number * (K - 1) + index
    # The slope at both ends of the interval is 1, for which the parameter is 0.
    raw0 = tl.load(at - 1, mask=inside & (index > 0), other=0.0).to(u.dtype)
    raw1 = tl.load(at, mask=inside & (index < K - 1), other=0.0).to(u.dtype)
    d0, d1 = _knot_derivative(raw0, TERMS), _knot_derivative(raw1, TERMS)
    return index, left, width, bottom, height, d0, d1, raw0, raw1


@triton.jit
def _position(eta, slope, d0, d1):
    r = d0 * (1.0 - eta) - d1 * eta
    t = tl.abs(r) + tl.sqrt(r * r + 4.0 * slope * slope * eta * (1.0 - eta))
    rising, falling = 2.0 * slope * eta, 2.0 * slope * (1.0 - eta)
    return tl.where(r >= 0, rising, t) / (tl.where(r >= 0, rising, falling) + t)


@triton.jit
def _clamp(x, BOUND: tl.constexpr):
    # Not tl.minimum, which would turn a NaN into a number.
    return tl.where(x > BOUND, BOUND, tl.where(x < -BOUND, -BOUND, x))


@triton.jit(do_not_specialize=["rows"])
def forward_kernel(
    x_ptr,  # (rows, D)
    widths_ptr,  # (rows, D, K)
    heights_ptr,  # (rows, D, K)
    derivatives_ptr,  # (rows, D, K - 1)
    y_ptr,  # (rows, D), out
    log_det_ptr,  # (rows,), out; its dtype is the precision of all the arithmetic
    rows,
    D: tl.constexpr,
    K: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BOUND: tl.constexpr,
    INVERSE: tl.constexpr,
    TERMS: tl.constexpr,
):
    """The spline or its inverse, and the log-determinant, for BLOCK_ROWS rows."""
    precise: tl.constexpr = log_det_ptr.dtype.element_ty
    # 64-bit, since rows · D · K may pass 2³¹.
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)[:, None, None]
    k = tl.arange(0, BLOCK_K)[None, None, :]
    log_det = tl.zeros((BLOCK_ROWS, BLOCK_D, 1), precise)
    for first in range(0, D, BLOCK_D):
        column = first + tl.arange(0, BLOCK_D)[None, :, None]
        number = row * D + column
        inside = (row < rows) & (column < D)
        x = tl.load(x_ptr + number, mask=inside, other=0.0).to(precise)
        at, present = number * K + k, inside & (k < K)
        widths = _weights(widths_ptr, at, present, k, K, precise)
        heights = _weights(heights_ptr, at, present, k, K, precise)
        u = (_clamp(x, BOUND) + BOUND) / (2.0 * BOUND)
        _, left, width, bottom, height, d0, d1, _, _ = _find_bin(
            u, widths, heights, derivatives_ptr, number, inside, k, K, INVERSE, TERMS
        )
        slope = height / width
        theta = _position((u - bottom) / height, slope, d0, d1) if INVERSE else (u - left) / width
        phi = 1.0 - theta
        denominator = slope * (theta * theta + phi * phi) + (d0 + d1) * theta * phi
        top = d1 * theta * theta + 2.0 * slope * theta * phi + d0 * phi * phi
        log_slope = tl.log(top) + 2.0 * tl.log(slope / denominator)
        if INVERSE:
            image, log_slope = left + width * theta, -log_slope
        else:
            part = slope * theta * theta + d0 * theta * phi
            image = bottom + height * part / denominator
        outside = tl.abs(x) > BOUND
        y = tl.where(outside, x, 2.0 * BOUND * image - BOUND)
        tl.store(y_ptr + number, y.to(y_ptr.dtype.element_ty), mask=inside)
        log_det += tl.where(outside | (column >= D), 0.0, log_slope)
    tl.store(log_det_ptr + row, tl.sum(log_det, axis=1, keep_dims=True), mask=row < rows)


@triton.jit
def _store_share_gradients(
    ptr, at, present, weights, grad_start, grad_size, index, k, K: tl.constexpr
):
    grad_shares = tl.where(k < index, grad_start, 0.0)
    grad_shares = tl.where(k == index, grad_size, grad_shares)
    mean = tl.sum(weights * grad_shares, axis=2, keep_dims=True)
    gradient = (1.0 - K * MIN_SHARE) * weights * (grad_shares - mean)
    tl.store(ptr + at, gradient.to(ptr.dtype.element_ty), mask=present)


@triton.jit(do_not_specialize=["rows"])
def backward_kernel(
    grad_y_ptr,  # (rows, D)
    grad_log_det_ptr,  # (rows,); its dtype is the precision of all the arithmetic
    x_ptr,  # (rows, D)
    widths_ptr,  # (rows, D, K)
    heights_ptr,  # (rows, D, K)
    derivatives_ptr,  # (rows, D, K - 1)
    grad_x_ptr,  # (rows, D), out
    grad_widths_ptr,  # (rows, D, K), out
    grad_heights_ptr,  # (rows, D, K), out
    grad_derivatives_ptr,  # (rows, D, K - 1), out
    rows,
    D: tl.constexpr,
    K: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BOUND: tl.constexpr,
    INVERSE: tl.constexpr,
    TERMS: tl.constexpr,
):
    """The loss's derivatives with respect to x and all parameters, for BLOCK_ROWS rows."""
    precise: tl.constexpr = grad_log_det_ptr.dtype.element_ty
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)[:, None, None]
    k = tl.arange(0, BLOCK_K)[None, None, :]
    grad_log_det = tl.load(grad_log_det_ptr + row, mask=row < rows, other=0.0)
    for first in range(0, D, BLOCK_D):
        column = first + tl.arange(0, BLOCK_D)[None, :, None]
        number = row * D + column
        inside = (row < rows) & (column < D)
        x = tl.load(x_ptr + number, mask=inside, other=0.0).to(precise)
        grad_y = tl.load(grad_y_ptr + number, mask=inside, other=0.0).to(precise)
        at, present = number * K + k, inside & (k < K)
        widths = _weights(widths_ptr, at, present, k, K, precise)
        heights = _weights(heights_ptr, at, present, k, K, precise)
        u = (_clamp(x, BOUND) + BOUND) / (2.0 * BOUND)
        index, left, width, bottom, height, d0, d1, raw0, raw1 = _find_bin(
            u, widths, heights, derivatives_ptr, number, inside, k, K, INVERSE, TERMS
        )
        slope = height / width
        theta = _position((u - bottom) / height, slope, d0, d1) if INVERSE else (u - left) / width
        phi = 1.0 - theta
        squares, product = theta * theta + phi * phi, theta * phi
        denominator = slope * squares + (d0 + d1) * product
        part = slope * theta * theta + d0 * product
        top = d1 * theta * theta + 2.0 * slope * product + d0 * phi * phi
        ratio = slope / denominator
        bend = 2.0 * ((slope - d0) * phi + (d1 - slope) * theta) / top - (
            2.0 * (d0 + d1 - 2.0 * slope) * (phi - theta) / denominator
        )

        outside = tl.abs(x) > BOUND
        grad_rise = tl.where(outside, 0.0, 2.0 * BOUND * grad_y)
        grad_log_slope = tl.where(outside, 0.0, grad_log_det)
        if INVERSE:
            grad_log_slope = -grad_log_slope
            grad_u = (grad_rise + grad_log_slope * bend / width) / (top * ratio * ratio)
            grad_rise = -grad_u
        by_rise = grad_rise * height * product / (denominator * denominator)
        by_top, by_denominator = grad_log_slope / top, -2.0 * grad_log_slope / denominator
        grad_d0 = by_rise * (slope * phi * phi + d1 * product)
        grad_d0 += by_top * phi * phi + by_denominator * product
        grad_d1 = by_top * theta * theta + by_denominator * product - by_rise * part
        grad_slope = by_rise * (d1 * theta * theta - d0 * phi * phi) + 2.0 * by_top * product
        grad_slope += 2.0 * grad_log_slope / slope + by_denominator * squares
        grad_theta = grad_rise * width * top * ratio * ratio + grad_log_slope * bend
        if not INVERSE:
            grad_u = grad_theta / width

        grad_x = tl.where(outside, grad_y, grad_u / (2.0 * BOUND))
        element = grad_x_ptr.dtype.element_ty
        tl.store(grad_x_ptr + number, grad_x.to(element), mask=inside)
        grad_width = -(grad_theta * theta + grad_slope * slope) / width
        grad_height = grad_rise * part / denominator + grad_slope / width
        _store_share_gradients(
            grad_widths_ptr, at, present, widths, -grad_theta / width, grad_width, index, k, K
        )
        _store_share_gradients(
            grad_heights_ptr, at, present, heights, grad_rise, grad_height, index, k, K
        )
        grad_raw = tl.where(k == index - 1, grad_d0 * _sigmoid(raw0 + UNIT), 0.0)
        grad_raw = tl.where(k == index, grad_d1 * _sigmoid(raw1 + UNIT), grad_raw)
        at, present = number * (K - 1) + k, inside & (k < K - 1)
        tl.store(grad_derivatives_ptr + at, grad_raw.to(element), mask=present)


def tile(d: int, bins: int, precise: torch.dtype) -> dict[str, int]:
    """The compile-time sizes of both kernels for rows of d numbers with so many bins each.

    d and the number of bins belong to the network, not to the batch, so they are compiled in: when
    4 divides the number of bins, the compiler sees that four neighbours can be loaded at once.
    """
    block_k = triton.next_power_of_2(bins)
    block_d = min(triton.next_power_of_2(d), max(1, TILE_ELEMENTS // block_k))
    return {
        "D": d,
        "K": bins,
        "BLOCK_ROWS": max(1, TILE_ELEMENTS // (block_d * block_k)),
        "BLOCK_D": block_d,
        "BLOCK_K": block_k,
        # Enough of the series of log(1 + t): z² ≤ 1/9, and the first term left out is below half a
        # unit in the last place, 9⁻⁸ / 17 for float32 and 9⁻¹⁶ / 33 for float64.
        "TERMS": 15 if precise is torch.float64 else 7,
    }


def forward(
    x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor, inverse: bool, bound: float
) -> tuple[Tensor, Tensor]:
    """Launch `forward_kernel`: y (..., d) and the log-determinant (...) out."""
    inputs = [tensor.contiguous() for tensor in (x, widths, heights, derivatives)]
    precise = torch.promote_types(x.dtype, torch.float32)
    y = torch.empty_like(inputs[0])
    log_det = x.new_zeros(x.shape[:-1], dtype=precise)
    _launch(forward_kernel, *inputs, y, log_det, widths=widths, inverse=inverse, bound=bound)
    return y, log_det


def backward(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool,
    bound: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Launch `backward_kernel`: the loss's derivatives with respect to x and the parameters."""
    given = (grad_y, grad_log_det, x, widths, heights, derivatives)
    inputs = [tensor.contiguous() for tensor in given]
    grad_x, grad_widths, grad_heights, grad_derivatives = map(torch.empty_like, inputs[2:])
    outputs = (grad_x, grad_widths, grad_heights, grad_derivatives)
    _launch(backward_kernel, *inputs, *outputs, widths=widths, inverse=inverse, bound=bound)
    return grad_x, grad_widths, grad_heights, grad_derivatives


def _launch(kernel: Any, *tensors: Tensor, widths: Tensor, inverse: bool, bound: float) -> None:
    *batch, d, bins = widths.shape
    rows = torch.Size(batch).numel()
    if rows == 0 or d == 0:
        return
    sizes = tile(d, bins, torch.promote_types(widths.dtype, torch.float32))
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device_of(widths):
        kernel[(triton.cdiv(rows, sizes["BLOCK_ROWS"]),)](
            *tensors,
            rows,
            **sizes,
            BOUND=float(bound),
            INVERSE=inverse,
            num_warps=NUM_WARPS,
            enable_fp_fusion=True,
        )
