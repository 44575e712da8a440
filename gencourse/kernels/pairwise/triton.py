"""The GPU kernels: one tile of squared distances, and five things to do with it.

A program owns a block of rows of x and walks along all of y. For each tile it forms the squared
distances in registers, one coordinate at a time, reduces them to a number or two for each row, and
goes on; nothing but the answer is written. Differences are squared, where the reference multiplies
matrices: the loop is as long, and it cannot cancel, so copies are at distance 0 and the distance
from i to j is that from j to i to the last bit, in every kernel.

Points arrive transposed and filled up with zeros to whole blocks: neighbouring threads then load
neighbouring numbers, and the loop over coordinates, where the time goes, has nothing to mask.
"""

# A kernel's arguments are Triton's own types, which have no annotations.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False
# mypy: disallow-untyped-decorators=False, disallow-untyped-calls=False

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "count_kernel",
    "count_within",
    "distance_kernel",
    "distance_sum",
    "gradient_kernel",
    "kth_kernel",
    "kth_neighbour_distance",
    "nearest",
    "nearest_kernel",
    "rbf_kernel",
    "rbf_sum",
    "rbf_sum_backward",
    "tile",
]

# A tile has 4096 numbers, 32 in each of 128 threads. Few rows make many programs: 5000 points are
# 157 of them, enough for every multiprocessor of a large GPU.
BLOCK_ROWS = 32
BLOCK_COLUMNS = 128
BLOCK_D = 16
NUM_WARPS = 4


@triton.jit
def _squared(
    x_ptr,
    y_ptr,
    x_stride,
    y_stride,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    precise: tl.constexpr,
):
    """‖x - y‖² of every pair of a tile; the pointers are those of its first row and column."""
    row, column = tl.arange(0, BLOCK_ROWS), tl.arange(0, BLOCK_COLUMNS)
    total = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), precise)
    for _ in range(D):
        x = tl.load(x_ptr + row).to(precise)
        y = tl.load(y_ptr + column).to(precise)
        difference = x[:, None] - y[None, :]
        total += difference * difference
        # From coordinate to coordinate by steps: d · stride might not fit 32 bits.
        x_ptr += x_stride
        y_ptr += y_stride
    return total


@triton.jit
def _comparable(squared, column, columns):
    """The tile with infinity where there is no column, and where a NaN is no distance."""
    return tl.where((column < columns)[None, :] & (squared == squared), squared, float("inf"))


@triton.jit(do_not_specialize=["rows", "columns", "x_stride", "y_stride"])
def rbf_kernel(
    x_ptr,  # (D, x_stride)
    y_ptr,  # (D, y_stride)
    rate_ptr,  # (BANDWIDTHS,), -1 / 2σ², in the precision of all the arithmetic
    sum_ptr,  # (rows,), out
    rows,
    columns,
    x_stride,
    y_stride,
    D: tl.constexpr,
    BANDWIDTHS: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
):
    """Σ_j Σ_b exp(-‖x_i - y_j‖² / 2σ_b²), for BLOCK_ROWS rows."""
    precise = rate_ptr.dtype.element_ty
    first_row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS
    row = first_row + tl.arange(0, BLOCK_ROWS)
    # One addition a tile: float64 costs nothing here, and keeps what a long sum would round away.
    total = tl.zeros((BLOCK_ROWS,), tl.float64)
    for start in range(0, columns, BLOCK_COLUMNS):
        column = start + tl.arange(0, BLOCK_COLUMNS)
        squared = _squared(
            x_ptr + first_row,
            y_ptr + start,
            x_stride,
            y_stride,
            D,
            BLOCK_ROWS,
            BLOCK_COLUMNS,
            precise,
        )
        kernel = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), precise)
        for b in tl.static_range(BANDWIDTHS):
            kernel += tl.exp(squared * tl.load(rate_ptr + b))
        kernel = tl.where((column < columns)[None, :], kernel, 0.0)
        total += tl.sum(kernel, axis=1).to(tl.float64)
    tl.store(sum_ptr + row, total.to(precise), mask=row < rows)


@triton.jit(do_not_specialize=["rows", "columns", "x_stride", "y_stride"])
def gradient_kernel(
    x_ptr,  # (D, x_stride), D filled up with zeros too
    y_ptr,  # (D, y_stride)
    grad_ptr,  # (rows,) or (columns,): the loss's derivative by the sums
    rate_ptr,  # (BANDWIDTHS,), -1 / 2σ², in the precision of all the arithmetic
    out_ptr,  # (D, x_stride), out: the loss's derivative by x
    rows,
    columns,
    x_stride,
    y_stride,
    D: tl.constexpr,
    BANDWIDTHS: tl.constexpr,
    SUMS_OF_ROWS: tl.constexpr,  # whether grad belongs to the rows; else the roles are exchanged
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Σ_j w_ij (y_j - x_i), for BLOCK_ROWS rows and BLOCK_D coordinates."""
    precise = rate_ptr.dtype.element_ty
    first_row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS
    row = first_row + tl.arange(0, BLOCK_ROWS)
    first_d = tl.program_id(1).to(tl.int64) * BLOCK_D
    coordinate = tl.arange(0, BLOCK_D)
    total = tl.zeros((BLOCK_D, BLOCK_ROWS), precise)
    for start in range(0, columns, BLOCK_COLUMNS):
        column = start + tl.arange(0, BLOCK_COLUMNS)
        squared = _squared(
            x_ptr + first_row,
            y_ptr + start,
            x_stride,
            y_stride,
            D,
            BLOCK_ROWS,
            BLOCK_COLUMNS,
            precise,
        )
        weight = tl.zeros((BLOCK_ROWS, BLOCK_COLUMNS), precise)
        for b in tl.static_range(BANDWIDTHS):
            rate = tl.load(rate_ptr + b)
            weight += tl.exp(squared * rate) * (-2.0 * rate)
        if SUMS_OF_ROWS:
            weight *= tl.load(grad_ptr + row, mask=row < rows, other=0.0)[:, None]
        else:
            weight *= tl.load(grad_ptr + column, mask=column < columns, other=0.0)[None, :]
        weight = tl.where((column < columns)[None, :], weight, 0.0)
        x_at = x_ptr + first_d * x_stride + row
        y_at = y_ptr + first_d * y_stride + column
        for d in range(BLOCK_D):
            pull = tl.load(y_at).to(precise)[None, :] - tl.load(x_at).to(precise)[:, None]
            drawn = tl.sum(weight * pull, axis=1)
            total += tl.where(coordinate[:, None] == d, drawn[None, :], 0.0)
            x_at += x_stride
            y_at += y_stride
    at = (first_d + coordinate)[:, None] * x_stride + row[None, :]
    tl.store(out_ptr + at, total.to(out_ptr.dtype.element_ty))


@triton.jit(do_not_specialize=["rows", "columns", "x_stride", "y_stride"])
def distance_kernel(
    x_ptr,  # (D, x_stride)
    y_ptr,  # (D, y_stride)
    sum_ptr,  # (rows,), out; its dtype is the precision of all the arithmetic
    rows,
    columns,
    x_stride,
    y_stride,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
):
    """Σ_j ‖x_i - y_j‖, for BLOCK_ROWS rows."""
    precise = sum_ptr.dtype.element_ty
    first_row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS
    row = first_row + tl.arange(0, BLOCK_ROWS)
    total = tl.zeros((BLOCK_ROWS,), tl.float64)
    for start in range(0, columns, BLOCK_COLUMNS):
        column = start + tl.arange(0, BLOCK_COLUMNS)
        squared = _squared(
            x_ptr + first_row,
            y_ptr + start,
            x_stride,
            y_stride,
            D,
            BLOCK_ROWS,
            BLOCK_COLUMNS,
            precise,
        )
        distance = tl.where((column < columns)[None, :], tl.sqrt(squared), 0.0)
        total += tl.sum(distance, axis=1).to(tl.float64)
    tl.store(sum_ptr + row, total.to(precise), mask=row < rows)


@triton.jit(do_not_specialize=["rows", "columns", "x_stride", "y_stride"])
def nearest_kernel(
    x_ptr,  # (D, x_stride)
    y_ptr,  # (D, y_stride)
    index_ptr,  # (rows,), out
    rows,
    columns,
    x_stride,
    y_stride,
    D: tl.constexpr,
    PRECISE: tl.constexpr,  # the precision of all the arithmetic
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
):
    """argmin_j ‖x_i - y_j‖, the first of equals, for BLOCK_ROWS rows."""
    first_row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS
    row = first_row + tl.arange(0, BLOCK_ROWS)
    best = tl.full((BLOCK_ROWS,), float("inf"), PRECISE)
    index = tl.zeros((BLOCK_ROWS,), tl.int64)
    for start in range(0, columns, BLOCK_COLUMNS):
        column = start + tl.arange(0, BLOCK_COLUMNS)
        squared = _squared(
            x_ptr + first_row,
            y_ptr + start,
            x_stride,
            y_stride,
            D,
            BLOCK_ROWS,
            BLOCK_COLUMNS,
            PRECISE,
        )
        squared = _comparable(squared, column, columns)
        smallest, at = tl.min(squared, axis=1, return_indices=True)
        index = tl.where(smallest < best, start + at, index)
        best = tl.minimum(smallest, best)
    tl.store(index_ptr + row, index, mask=row < rows)


@triton.jit(do_not_specialize=["rows", "columns", "x_stride", "y_stride"])
def kth_kernel(
    x_ptr,  # (D, x_stride)
    y_ptr,  # (D, y_stride)
    distance_ptr,  # (rows,), out; its dtype is the precision of all the arithmetic
    rows,
    columns,
    x_stride,
    y_stride,
    D: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,  # K, or the next power of two
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
):
    """The K-th smallest ‖x_i - y_j‖ over j, for BLOCK_ROWS rows."""
    precise = distance_ptr.dtype.element_ty
    first_row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS
    row = first_row + tl.arange(0, BLOCK_ROWS)
    slot = tl.arange(0, SLOTS)[None, :]
    # The K smallest so far, in no order: their largest is the one to beat. Slots beyond K never are
    # the largest.
    kept = tl.where(slot < K, float("inf"), float("-inf")).to(precise)
    kept = tl.broadcast_to(kept, (BLOCK_ROWS, SLOTS))
    to_beat, worst = tl.max(kept, axis=1, return_indices=True)
    for start in range(0, columns, BLOCK_COLUMNS):
        column = start + tl.arange(0, BLOCK_COLUMNS)
        squared = _squared(
            x_ptr + first_row,
            y_ptr + start,
            x_stride,
            y_stride,
            D,
            BLOCK_ROWS,
            BLOCK_COLUMNS,
            precise,
        )
        squared = _comparable(squared, column, columns)
        smallest, at = tl.min(squared, axis=1, return_indices=True)
        # After the first tiles a new neighbour is rare, and most tiles end here.
        while tl.max((smallest < to_beat).to(tl.int32), axis=0) > 0:
            replaced = (smallest < to_beat)[:, None] & (slot == worst[:, None])
            kept = tl.where(replaced, smallest[:, None], kept)
            to_beat, worst = tl.max(kept, axis=1, return_indices=True)
            squared = tl.where(column[None, :] == (start + at)[:, None], float("inf"), squared)
            smallest, at = tl.min(squared, axis=1, return_indices=True)
    tl.store(distance_ptr + row, tl.sqrt(to_beat), mask=row < rows)


@triton.jit(do_not_specialize=["rows", "columns", "x_stride", "y_stride"])
def count_kernel(
    x_ptr,  # (D, x_stride)
    y_ptr,  # (D, y_stride)
    radius_ptr,  # (columns,), in the precision of all the arithmetic
    count_ptr,  # (rows,), out
    rows,
    columns,
    x_stride,
    y_stride,
    D: tl.constexpr,
    BLOCK_ROWS: tl.constexpr,
    BLOCK_COLUMNS: tl.constexpr,
):
    """#{j : ‖x_i - y_j‖ ≤ r_j}, for BLOCK_ROWS rows."""
    precise = radius_ptr.dtype.element_ty
    first_row = tl.program_id(0).to(tl.int64) * BLOCK_ROWS
    row = first_row + tl.arange(0, BLOCK_ROWS)
    total = tl.zeros((BLOCK_ROWS,), tl.int64)
    for start in range(0, columns, BLOCK_COLUMNS):
        column = start + tl.arange(0, BLOCK_COLUMNS)
        squared = _squared(
            x_ptr + first_row,
            y_ptr + start,
            x_stride,
            y_stride,
            D,
            BLOCK_ROWS,
            BLOCK_COLUMNS,
            precise,
        )
        radius = tl.load(radius_ptr + column, mask=column < columns, other=-1.0)
        # The root that made the radius: the neighbour that set it is inside, to the last bit.
        total += tl.sum((tl.sqrt(squared) <= radius[None, :]).to(tl.int32), axis=1)
    tl.store(count_ptr + row, total, mask=row < rows)


def tile(d: int) -> dict[str, int]:
    """The compile-time sizes of all kernels for points with d coordinates."""
    return {"D": d, "BLOCK_ROWS": BLOCK_ROWS, "BLOCK_COLUMNS": BLOCK_COLUMNS}


def rbf_sum(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Launch `rbf_kernel`: (N, D) and (M, D) in, the sums (N,) out."""
    rates = _rates(x, bandwidths)
    sums = x.new_empty(len(x), dtype=rates.dtype)
    _launch(rbf_kernel, x, y, rates, sums, BANDWIDTHS=len(bandwidths))
    return sums


def rbf_sum_backward(
    grad: Tensor, x: Tensor, y: Tensor, bandwidths: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Launch `gradient_kernel` twice: the derivatives of the loss with respect to x and y."""
    rates, grad = _rates(x, bandwidths), grad.contiguous()
    found = []
    for points, others, sums_of_rows in ((x, y, True), (y, x, False)):
        n, d = points.shape
        blocks_of_d = triton.cdiv(d, BLOCK_D)
        out = points.new_empty(blocks_of_d * BLOCK_D, triton.cdiv(n, BLOCK_ROWS) * BLOCK_ROWS)
        _launch(
            gradient_kernel,
            *(points, others, grad, rates, out),
            blocks_of_d=blocks_of_d,
            BANDWIDTHS=len(bandwidths),
            SUMS_OF_ROWS=sums_of_rows,
            BLOCK_D=BLOCK_D,
        )
        found.append(out[:d, :n].mT.contiguous())
    return found[0], found[1]


def distance_sum(x: Tensor, y: Tensor) -> Tensor:
    """Launch `distance_kernel`: (N, D) and (M, D) in, the sums (N,) out."""
    sums = x.new_empty(len(x), dtype=torch.promote_types(x.dtype, torch.float32))
    _launch(distance_kernel, x, y, sums)
    return sums


def nearest(x: Tensor, y: Tensor) -> Tensor:
    """Launch `nearest_kernel`: (N, D) and (M, D) in, the indices (N,) out."""
    found = x.new_empty(len(x), dtype=torch.int64)
    precise = tl.float64 if x.dtype is torch.float64 else tl.float32
    _launch(nearest_kernel, x, y, found, PRECISE=precise)
    return found


def kth_neighbour_distance(x: Tensor, y: Tensor, k: int) -> Tensor:
    """Launch `kth_kernel`: (N, D) and (M, D) in, the distances (N,) out."""
    distances = x.new_empty(len(x), dtype=torch.promote_types(x.dtype, torch.float32))
    _launch(kth_kernel, x, y, distances, K=k, SLOTS=triton.next_power_of_2(k))
    return distances


def count_within(x: Tensor, y: Tensor, radii: Tensor) -> Tensor:
    """Launch `count_kernel`: (N, D) and (M, D) and the radii (M,) in, the counts (N,) out."""
    counts = x.new_empty(len(x), dtype=torch.int64)
    precise = torch.promote_types(x.dtype, torch.float32)
    _launch(count_kernel, x, y, radii.to(precise).contiguous(), counts)
    return counts


def _rates(x: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """-1 / 2σ² for every bandwidth, in the precision of the arithmetic."""
    precise = torch.promote_types(x.dtype, torch.float32)
    return torch.tensor([-0.5 / sigma**2 for sigma in bandwidths], dtype=precise, device=x.device)


def _launch(
    kernel: Any, x: Tensor, y: Tensor, *tensors: Tensor, blocks_of_d: int = 1, **constants: Any
) -> None:
    rows, d = x.shape
    if rows == 0:
        return
    fill_d = blocks_of_d * constants.get("BLOCK_D", d) - d
    x_blocks = F.pad(x.mT, (0, -rows % BLOCK_ROWS, 0, fill_d)).contiguous()
    y_blocks = F.pad(y.mT, (0, -len(y) % BLOCK_COLUMNS, 0, fill_d)).contiguous()
    # Triton launches on the current device, which need not be the tensors'.
    with torch.cuda.device_of(x):
        kernel[(x_blocks.shape[1] // BLOCK_ROWS, blocks_of_d)](
            *(x_blocks, y_blocks, *tensors, rows, len(y), x_blocks.shape[1], y_blocks.shape[1]),
            **tile(d),
            **constants,
            num_warps=NUM_WARPS,
            enable_fp_fusion=True,
        )
