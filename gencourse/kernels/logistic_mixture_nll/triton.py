"""The GPU kernels, and the launchers that cut the batch into tiles for them.

One program handles a tile of pixels × components. It loads each parameter once, keeps the
log-probabilities of all components in registers, and writes one number for each pixel. The
gradient's kernel computes them again rather than store them: three parameters in, three out.

The formulas are those of `reference.py`. Sizes are chosen from the number of components alone, so
the same input always meets the same program and gives the same bits.
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
def _log_sigmoid(z, TERMS: tl.constexpr):
    """log σ(z), with log(1 + t), t = exp(-|z|), by the series 2 (w + w³/3 + …), w = t / (2 + t).

    `log(1.0 + t)` would lose the digits of a small t, and Triton has no `log1p` that its
    interpreter knows as well.
    """
    t = tl.exp(-tl.abs(z))
    w = t / (2.0 + t)
    series = z * 0.0 + 1.0 / (2 * TERMS + 1)
    for n in tl.static_range(TERMS - 1, -1, -1):
        series = series * w * w + 1.0 / (2 * n + 1)
    return tl.where(z < 0, z, 0.0) - 2.0 * w * series


@triton.jit
def _sigmoid(z):
    decay = tl.exp(-tl.abs(z))
    return tl.where(z >= 0, 1.0, decay) / (1.0 + decay)


@triton.jit
def _one_minus_exp(delta, TERMS: tl.constexpr):
    """1 - exp(-δ) for δ ≥ 0: for a small δ the series δ (1 - δ/2 (1 - δ/3 (1 - …)))."""
    series = delta * 0.0 + 1.0
    for n in tl.static_range(2 * TERMS, 1, -1):
        series = 1.0 - series * delta * (1.0 / n)
    return tl.where(delta < 0.5, delta * series, 1.0 - tl.exp(-delta))


@triton.jit
def _edges(x, means, log_scales, LEVELS: tl.constexpr):
    """The level's upper and lower edge in units of the scale, and the inverse of the scale."""
    from_mean = (2.0 * x - (LEVELS - 1)) / (LEVELS - 1) - means
    inverse_scales = tl.exp(-log_scales)
    b = (from_mean + 1.0 / (LEVELS - 1)) * inverse_scales
    a = (from_mean - 1.0 / (LEVELS - 1)) * inverse_scales
    return b, a, inverse_scales


@triton.jit
def _log_probs(x, b, a, delta, LEVELS: tl.constexpr, TERMS: tl.constexpr):
    below, above = _log_sigmoid(b, TERMS), _log_sigmoid(-a, TERMS)
    between = tl.log(_one_minus_exp(delta, TERMS))
    return tl.where(x <= 0, below, tl.where(x >= LEVELS - 1, above, below + above + between))


@triton.jit
def _softmax(scores):
    """The largest score of each pixel, the softmax, and the sum under it."""
    largest = tl.max(scores, axis=1, keep_dims=True)
    # Where every component says -∞, leave that: -∞ less itself is no number.
    largest = tl.where(largest == float("-inf"), 0.0, largest)
    exponentials = tl.exp(scores - largest)
    total = tl.sum(exponentials, axis=1, keep_dims=True)
    return largest, exponentials / total, total


@triton.jit(do_not_specialize=["pixels"])
def forward_kernel(
    x_ptr,  # (pixels,)
    logits_ptr,  # (pixels, M)
    means_ptr,  # (pixels, M)
    log_scales_ptr,  # (pixels, M)
    nll_ptr,  # (pixels,), out; its dtype is the precision of all the arithmetic
    pixels,
    M: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    LEVELS: tl.constexpr,
    TERMS: tl.constexpr,
):
    """The mixture's negative log-likelihood of BLOCK_PIXELS pixels."""
    precise: tl.constexpr = nll_ptr.dtype.element_ty
    # 64-bit, since pixels · M may pass 2³¹.
    pixel = tl.program_id(0).to(tl.int64) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)[:, None]
    component = tl.arange(0, BLOCK_M)[None, :]
    inside = (pixel < pixels) & (component < M)
    at = pixel * M + component
    x = tl.load(x_ptr + pixel, mask=pixel < pixels, other=0.0).to(precise)
    logits = tl.load(logits_ptr + at, mask=inside, other=0.0).to(precise)
    means = tl.load(means_ptr + at, mask=inside, other=0.0).to(precise)
    log_scales = tl.load(log_scales_ptr + at, mask=inside, other=0.0).to(precise)

    b, a, inverse_scales = _edges(x, means, log_scales, LEVELS)
    delta = 2.0 / (LEVELS - 1) * inverse_scales
    log_probs = _log_probs(x, b, a, delta, LEVELS, TERMS)
    logits = tl.where(component < M, logits, float("-inf"))
    prior_largest, _, prior_total = _softmax(logits)
    largest, _, total = _softmax(logits + log_probs)
    nll = prior_largest - largest + (tl.log(prior_total) - tl.log(total))
    tl.store(nll_ptr + pixel, nll, mask=pixel < pixels)


@triton.jit(do_not_specialize=["pixels"])
def backward_kernel(
    grad_nll_ptr,  # (pixels,); its dtype is the precision of all the arithmetic
    x_ptr,  # (pixels,)
    logits_ptr,  # (pixels, M)
    means_ptr,  # (pixels, M)
    log_scales_ptr,  # (pixels, M)
    grad_logits_ptr,  # (pixels, M), out
    grad_means_ptr,  # (pixels, M), out
    grad_log_scales_ptr,  # (pixels, M), out
    pixels,
    M: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    LEVELS: tl.constexpr,
    TERMS: tl.constexpr,
):
    """The loss's derivatives with respect to the mixture's parameters, for BLOCK_PIXELS pixels."""
    precise: tl.constexpr = grad_nll_ptr.dtype.element_ty
    pixel = tl.program_id(0).to(tl.int64) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)[:, None]
    component = tl.arange(0, BLOCK_M)[None, :]
    inside = (pixel < pixels) & (component < M)
    at = pixel * M + component
    grad_nll = tl.load(grad_nll_ptr + pixel, mask=pixel < pixels, other=0.0)
    x = tl.load(x_ptr + pixel, mask=pixel < pixels, other=0.0).to(precise)
    logits = tl.load(logits_ptr + at, mask=inside, other=0.0).to(precise)
    means = tl.load(means_ptr + at, mask=inside, other=0.0).to(precise)
    log_scales = tl.load(log_scales_ptr + at, mask=inside, other=0.0).to(precise)

    b, a, inverse_scales = _edges(x, means, log_scales, LEVELS)
    delta = 2.0 / (LEVELS - 1) * inverse_scales
    log_probs = _log_probs(x, b, a, delta, LEVELS, TERMS)
    logits = tl.where(component < M, logits, float("-inf"))
    _, prior, _ = _softmax(logits)
    _, posterior, _ = _softmax(logits + log_probs)
    element = grad_logits_ptr.dtype.element_ty
    tl.store(grad_logits_ptr + at, (grad_nll * (prior - posterior)).to(element), mask=inside)

    first, last = x <= 0, x >= LEVELS - 1
    by_b = tl.where(last, 0.0, _sigmoid(-b))
    by_a = tl.where(first, 0.0, _sigmoid(a))
    # δ / (exp(δ) - 1), without the exponential of a large number.
    by_delta = delta * tl.exp(-delta) / _one_minus_exp(delta, TERMS)
    by_delta = tl.where(first | last, 0.0, by_delta)
    weight = grad_nll * posterior
    grad_means = weight * inverse_scales * (by_b - by_a)
    grad_log_scales = weight * (b * by_b - a * by_a + by_delta)
    tl.store(grad_means_ptr + at, grad_means.to(element), mask=inside)
    tl.store(grad_log_scales_ptr + at, grad_log_scales.to(element), mask=inside)


def tile(components: int, precise: torch.dtype) -> dict[str, int]:
    """The compile-time sizes of both kernels for mixtures of so many components."""
    block_m = triton.next_power_of_2(components)
    return {
        "M": components,
        "BLOCK_PIXELS": max(1, TILE_ELEMENTS // block_m),
        "BLOCK_M": block_m,
        # Enough of the series of log(1 + t): w² ≤ 1/9, and the first term left out is below half a
        # unit in the last place, 9⁻⁸ / 17 for float32 and 9⁻¹⁶ / 33 for float64. The series of
        # 1 - exp(-δ), taken twice as far for δ < ½, leaves out less.
        "TERMS": 15 if precise is torch.float64 else 7,
    }


def forward(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    """Launch `forward_kernel`: x (...) and three parameters (..., M) in, nats (...) out."""
    inputs = [tensor.contiguous() for tensor in (x, logits, means, log_scales)]
    nll = x.new_empty(x.shape, dtype=torch.promote_types(x.dtype, torch.float32))
    _launch(forward_kernel, *inputs, nll, logits=logits, levels=levels)
    return nll


def backward(
    grad_nll: Tensor,
    x: Tensor,
    logits: Tensor,
    means: Tensor,
    log_scales: Tensor,
    levels: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Launch `backward_kernel`: the derivatives of the loss with respect to the parameters."""
    inputs = [tensor.contiguous() for tensor in (grad_nll, x, logits, means, log_scales)]
    grad_logits, grad_means, grad_log_scales = map(torch.empty_like, inputs[2:])
    outputs = (grad_logits, grad_means, grad_log_scales)
    _launch(backward_kernel, *inputs, *outputs, logits=logits, levels=levels)
    return outputs


def _launch(kernel: Any, *tensors: Tensor, logits: Tensor, levels: int) -> None:
    *batch, components = logits.shape
    pixels = torch.Size(batch).numel()
    if pixels == 0:
        return
    sizes = tile(components, torch.promote_types(logits.dtype, torch.float32))
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device_of(logits):
        kernel[(triton.cdiv(pixels, sizes["BLOCK_PIXELS"]),)](
            *tensors,
            pixels,
            **sizes,
            LEVELS=levels,
            num_warps=NUM_WARPS,
            enable_fp_fusion=True,
        )
