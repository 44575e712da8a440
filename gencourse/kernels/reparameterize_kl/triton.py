"""The GPU kernels, and the launchers that cut a batch into tiles for them.

One program handles a tile of rows. It loads `mean`, `log_var` and `noise` once, computes in
registers, and writes what the caller needs: 4 numbers moved for each element where plain PyTorch
moves 21. The gradient's kernel has the same shape.

Sizes are chosen from d alone, so the same input always meets the same program and gives the same
bits; tuning by stopwatch would promise neither.
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


@triton.jit
def _exp_tail(x, TERMS: tl.constexpr):
    """exp(x) - 1 - x, the exponential without the first two terms of its series.

    Subtracting leaves nothing but rounding noise when x is small, and Triton has no `expm1` that
    its interpreter knows as well; so near 0 the rest of the series is summed, by Horner's rule:
    x²/2 (1 + x/3 (1 + x/4 (1 + …))).
    """
    series = x * 0.0 + 1.0
    for k in tl.static_range(TERMS + 2, 2, -1):
        series = 1.0 + series * x * (1.0 / k)
    return tl.where(tl.abs(x) < 0.5, 0.5 * x * x * series, tl.exp(x) - 1.0 - x)


@triton.jit(do_not_specialize=["rows"])
def forward_kernel(
    mean_ptr,  # (rows, D)
    log_var_ptr,  # (rows, D)
    noise_ptr,  # (rows, D)
    z_ptr,  # (rows, D), out
    kl_ptr,  # (rows,), out; its dtype is the precision of all the arithmetic
    rows,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    TERMS: tl.constexpr,
):
    """z = μ + σ ε and KL(N(μ, diag σ²) ‖ N(0, I)), for BLOCK_ROWS rows."""
    precise = kl_ptr.dtype.element_ty
    # 64-bit, since rows · D may pass 2³¹.
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)[:, None]
    terms = tl.zeros((BLOCK_ROWS, BLOCK_D), precise)
    for start in range(0, D, BLOCK_D):
        column = start + tl.arange(0, BLOCK_D)[None, :]
        inside = (row < rows) & (column < D)
        at = row * D + column
        # Zeros outside the batch are harmless: they add 0 to the divergence.
        mean = tl.load(mean_ptr + at, mask=inside, other=0.0).to(precise)
        log_var = tl.load(log_var_ptr + at, mask=inside, other=0.0).to(precise)
        noise = tl.load(noise_ptr + at, mask=inside, other=0.0).to(precise)
        z = mean + tl.exp(0.5 * log_var) * noise
        tl.store(z_ptr + at, z.to(z_ptr.dtype.element_ty), mask=inside)
        terms += mean * mean + _exp_tail(log_var, TERMS)
    kl = 0.5 * tl.sum(terms, axis=1, keep_dims=True)
    tl.store(kl_ptr + row, kl, mask=row < rows)


@triton.jit(do_not_specialize=["rows"])
def backward_kernel(
    grad_z_ptr,  # (rows, D)
    grad_kl_ptr,  # (rows,); its dtype is the precision of all the arithmetic
    mean_ptr,  # (rows, D)
    log_var_ptr,  # (rows, D)
    noise_ptr,  # (rows, D)
    grad_mean_ptr,  # (rows, D), out
    grad_log_var_ptr,  # (rows, D), out
    rows,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    TERMS: tl.constexpr,
):
    """The loss's derivatives with respect to μ and log σ², for BLOCK_ROWS rows."""
    precise = grad_kl_ptr.dtype.element_ty
    row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)[:, None]
    grad_kl = tl.load(grad_kl_ptr + row, mask=row < rows, other=0.0)
    for start in range(0, D, BLOCK_D):
        column = start + tl.arange(0, BLOCK_D)[None, :]
        inside = (row < rows) & (column < D)
        at = row * D + column
        grad_z = tl.load(grad_z_ptr + at, mask=inside, other=0.0).to(precise)
        mean = tl.load(mean_ptr + at, mask=inside, other=0.0).to(precise)
        log_var = tl.load(log_var_ptr + at, mask=inside, other=0.0).to(precise)
        noise = tl.load(noise_ptr + at, mask=inside, other=0.0).to(precise)
        grad_mean = grad_z + grad_kl * mean
        variance_minus_1 = log_var + _exp_tail(log_var, TERMS)
        grad_log_var = 0.5 * (grad_z * tl.exp(0.5 * log_var) * noise + grad_kl * variance_minus_1)
        element = grad_mean_ptr.dtype.element_ty
        tl.store(grad_mean_ptr + at, grad_mean.to(element), mask=inside)
        tl.store(grad_log_var_ptr + at, grad_log_var.to(element), mask=inside)


def tile(d: int, precise: torch.dtype) -> dict[str, int]:
    """The compile-time sizes of both kernels for rows of d numbers.

    d belongs to the network, not to the batch, so it is compiled in: the loop over columns is
    known, and when 4 divides d the compiler sees that four neighbours can be loaded at once.
    """
    block_d = min(triton.next_power_of_2(d), TILE_ELEMENTS)
    return {
        "D": d,
        "BLOCK_ROWS": TILE_ELEMENTS // block_d,
        "BLOCK_D": block_d,
        # Enough of the series for |x| < ½: the first term left out is below half a unit in the
        # last place, 2 · 2⁻⁸ / 10! for float32 and 2 · 2⁻¹⁴ / 16! for float64.
        "TERMS": 13 if precise is torch.float64 else 7,
    }


def forward(mean: Tensor, log_var: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Launch `forward_kernel`: (..., d) three times in, z (..., d) and the divergence (...) out."""
    mean, log_var, noise = mean.contiguous(), log_var.contiguous(), noise.contiguous()
    precise = torch.promote_types(mean.dtype, torch.float32)
    z = torch.empty_like(mean)
    kl = mean.new_zeros(mean.shape[:-1], dtype=precise)
    _launch(forward_kernel, mean, log_var, noise, z, kl, shape=mean.shape, precise=precise)
    return z, kl


def backward(
    grad_z: Tensor, grad_kl: Tensor, mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Launch `backward_kernel`: the derivatives of the loss with respect to mean and log_var."""
    grad_z, grad_kl = grad_z.contiguous(), grad_kl.contiguous()
    mean, log_var, noise = mean.contiguous(), log_var.contiguous(), noise.contiguous()
    grad_mean, grad_log_var = torch.empty_like(mean), torch.empty_like(log_var)
    _launch(
        backward_kernel,
        *(grad_z, grad_kl, mean, log_var, noise, grad_mean, grad_log_var),
        shape=mean.shape,
        precise=grad_kl.dtype,
    )
    return grad_mean, grad_log_var


def _launch(kernel: Any, *tensors: Tensor, shape: torch.Size, precise: torch.dtype) -> None:
    rows, d = shape[:-1].numel(), shape[-1]
    if rows == 0 or d == 0:
        return
    sizes = tile(d, precise)
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device_of(tensors[0]):
        kernel[(triton.cdiv(rows, sizes["BLOCK_ROWS"]),)](
            *tensors, rows, **sizes, num_warps=NUM_WARPS, enable_fp_fusion=True
        )
