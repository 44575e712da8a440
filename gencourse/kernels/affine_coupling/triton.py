"""The GPU kernels, and the launchers that cut the batch into tiles for them.

One program handles a tile of rows. It loads `x`, `log_scale` and `shift` once, computes in
registers, and writes the transformed numbers and each row's log-determinant. The gradient's kernel
has the same shape.

Sizes are chosen from D alone, so the same input always meets the same program and gives the same
bits.
"""

# A kernel's arguments are Triton's own types, which have no annotations.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["backward", "backward_kernel", "forward", "forward_kernel", "tile"]

TILE_ELEMENTS = 1024
NUM_WARPS = 4


@triton.jit(do_not_specialize=["rows"])
def forward_kernel(
    x_ptr,  # (rows, D)
    log_scale_ptr,  # (rows, D)
    shift_ptr,  # (rows, D)
    y_ptr,  # (rows, D), out
    log_det_ptr,  # (rows,), out; its dtype is the precision of all the arithmetic
    rows,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    INVERSE: tl.constexpr,
):
    """y = x exp(α) + β and Σ α, or x = (y - β) exp(-α) and -Σ α, for BLOCK_ROWS rows."""
    precise: tl.constexpr = log_det_ptr.dtype.element_ty
    # 64-bit, since rows · D may pass 2³¹.
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)[:, None]
    log_det = tl.zeros((BLOCK_ROWS, BLOCK_D), precise)
    for first in range(0, D, BLOCK_D):
        column = first + tl.arange(0, BLOCK_D)[None, :]
        inside = (row < rows) & (column < D)
        at = row * D + column
        x = tl.load(x_ptr + at, mask=inside, other=0.0).to(precise)
        log_scale = tl.load(log_scale_ptr + at, mask=inside, other=0.0).to(precise)
        shift = tl.load(shift_ptr + at, mask=inside, other=0.0).to(precise)
        y = (x - shift) * tl.exp(-log_scale) if INVERSE else x * tl.exp(log_scale) + shift
        tl.store(y_ptr + at, y.to(y_ptr.dtype.element_ty), mask=inside)
        log_det += -log_scale if INVERSE else log_scale
    tl.store(log_det_ptr + row, tl.sum(log_det, axis=1, keep_dims=True), mask=row < rows)


@triton.jit(do_not_specialize=["rows"])
def backward_kernel(
    grad_y_ptr,  # (rows, D)
    grad_log_det_ptr,  # (rows,); its dtype is the precision of all the arithmetic
    x_ptr,  # (rows, D)
    log_scale_ptr,  # (rows, D)
    shift_ptr,  # (rows, D)
    grad_x_ptr,  # (rows, D), out
    grad_log_scale_ptr,  # (rows, D), out
    rows,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    INVERSE: tl.constexpr,
):
    """The loss's derivatives with respect to x and α, for BLOCK_ROWS rows."""
    precise: tl.constexpr = grad_log_det_ptr.dtype.element_ty
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)[:, None]
    grad_log_det = tl.load(grad_log_det_ptr + row, mask=row < rows, other=0.0)
    for first in range(0, D, BLOCK_D):
        column = first + tl.arange(0, BLOCK_D)[None, :]
        inside = (row < rows) & (column < D)
        at = row * D + column
        grad_y = tl.load(grad_y_ptr + at, mask=inside, other=0.0).to(precise)
        x = tl.load(x_ptr + at, mask=inside, other=0.0).to(precise)
        log_scale = tl.load(log_scale_ptr + at, mask=inside, other=0.0).to(precise)
        if INVERSE:
            shift = tl.load(shift_ptr + at, mask=inside, other=0.0).to(precise)
            grad_x = grad_y * tl.exp(-log_scale)
            grad_log_scale = -grad_x * (x - shift) - grad_log_det
        else:
            grad_x = grad_y * tl.exp(log_scale)
            grad_log_scale = grad_x * x + grad_log_det
        element = grad_x_ptr.dtype.element_ty
        tl.store(grad_x_ptr + at, grad_x.to(element), mask=inside)
        tl.store(grad_log_scale_ptr + at, grad_log_scale.to(element), mask=inside)


def tile(d: int) -> dict[str, int]:
    """The compile-time sizes of both kernels for rows of d numbers.

    d belongs to the network, not to the batch, so it is compiled in: the loop over columns is
    known, and when 4 divides d the compiler sees that four neighbours can be loaded at once.
    """
    block_d = min(triton.next_power_of_2(d), TILE_ELEMENTS)
    return {"D": d, "BLOCK_ROWS": TILE_ELEMENTS // block_d, "BLOCK_D": block_d}


def forward(x: Tensor, log_scale: Tensor, shift: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    """Launch `forward_kernel`: three (..., d) in, y (..., d) and log-determinant (...) out."""
    x, log_scale, shift = x.contiguous(), log_scale.contiguous(), shift.contiguous()
    y = torch.empty_like(x)
    log_det = x.new_zeros(x.shape[:-1], dtype=torch.promote_types(x.dtype, torch.float32))
    _launch(forward_kernel, x, log_scale, shift, y, log_det, shape=x.shape, inverse=inverse)
    return y, log_det


def backward(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Launch `backward_kernel`: the derivatives of the loss with respect to x and log_scale."""
    given = (grad_y, grad_log_det, x, log_scale, shift)
    inputs = [tensor.contiguous() for tensor in given]
    grad_x, grad_log_scale = torch.empty_like(inputs[2]), torch.empty_like(inputs[3])
    _launch(backward_kernel, *inputs, grad_x, grad_log_scale, shape=x.shape, inverse=inverse)
    return grad_x, grad_log_scale


def _launch(kernel: Any, *tensors: Tensor, shape: torch.Size, inverse: bool) -> None:
    rows, d = shape[:-1].numel(), shape[-1]
    if rows == 0 or d == 0:
        return
    sizes = tile(d)
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device_of(tensors[0]):
        kernel[(triton.cdiv(rows, sizes["BLOCK_ROWS"]),)](
            *tensors,
            rows,
            **sizes,
            INVERSE=inverse,
            num_warps=NUM_WARPS,
            enable_fp_fusion=True,
        )
