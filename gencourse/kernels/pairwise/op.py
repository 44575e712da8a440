"""The public operations: what they accept, which implementation runs, and the one derivative.

One thing differs from the fused operations beside it. Autograd through the reference of `rbf_sum`
would keep every tile for the way back, N × M numbers after all; so on a CPU too its gradient is
taken by `reference.gradients`, which makes each tile again. A gradient that is to be differentiated
in turn does keep them.

The other four are measures and not losses; nothing flows back through them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.autograd import differentiated_again, fuse
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation
from gencourse.kernels.pairwise import reference

__all__ = [
    "check_points",
    "count_within",
    "distance_sum",
    "fused_rbf_sum",
    "kth_neighbour_distance",
    "nearest",
    "rbf_sum",
]


def rbf_sum(
    x: Tensor, y: Tensor, bandwidths: Sequence[float], *, impl: Implementation = "auto"
) -> Tensor:
    r"""Sum Gaussian kernels from every x to all of y.

    $$ s_i = \sum_{j=1}^{M} \sum_b
       \exp\!\Bigl( -\frac{\lVert x_i - y_j \rVert^2}{2 \sigma_b^2} \Bigr) $$

    Differentiable any number of times with respect to x and y. The first derivative needs no more
    memory than the sum; a second one keeps all N × M terms.

    Args:
        x: N points, with shape (N, D).
        y: M points, with shape (M, D). Handing in the same tensor twice saves half of the work.
        bandwidths: The σ_b, positive, in the units of x.
        impl: Which implementation runs; see `gencourse.kernels`. Under a `torch.func` transform
            or in forward mode, "triton" gives way to the reference.

    Returns:
        The sums, with shape (N,): float64 for float64 points, float32 for all others.

    Raises:
        TypeError: If the points are not floating-point tensors of one dtype.
        ValueError: If shapes or devices do not fit, if a bandwidth is not a positive number, or if
            `impl` names no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), A Kernel Two-Sample Test.
    """
    check_points(x, y)
    _check_bandwidths(bandwidths)
    sigmas = [float(sigma) for sigma in bandwidths]
    chosen = dispatch.choose(impl, x.device)
    function = reference.rbf_sum
    if chosen == "compile":
        function = dispatch.compiled(function)
    elif chosen == "triton" or (torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)):
        function = fused_rbf_sum
    return function(x, y, sigmas)


def distance_sum(x: Tensor, y: Tensor, *, impl: Implementation = "auto") -> Tensor:
    r"""Add up the distances from every x to all of y.

    $$ t_i = \sum_{j=1}^{M} \lVert x_i - y_j \rVert $$

    Args:
        x: N points, with shape (N, D).
        y: M points, with shape (M, D).
        impl: Which implementation runs; see `gencourse.kernels`.

    Returns:
        The sums, with shape (N,): float64 for float64 points, float32 for all others.

    Raises:
        TypeError: If the points are not floating-point tensors of one dtype.
        ValueError: If shapes or devices do not fit, or if `impl` names no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Székely and Rizzo (2013), Energy Statistics: A Class of Statistics Based on Distances.
    """
    check_points(x, y)
    return _run(impl, _distance_sum, reference.distance_sum, x, y)


def nearest(x: Tensor, y: Tensor, *, impl: Implementation = "auto") -> Tensor:
    r"""Find the nearest y to every x.

    $$ a_i = \arg\min_j \lVert x_i - y_j \rVert $$

    With a codebook for y it is the quantiser of a VQ-VAE.

    Args:
        x: N points, with shape (N, D).
        y: M points, at least one, with shape (M, D).
        impl: Which implementation runs; see `gencourse.kernels`.

    Returns:
        Indices from 0 to M - 1, with shape (N,), int64. A distance that is NaN counts as infinite.
        Where several are nearest to within float32's rounding, it may be any of them; copies of one
        point give the first.

    Raises:
        TypeError: If the points are not floating-point tensors of one dtype.
        ValueError: If shapes or devices do not fit, if y is empty, or if `impl` names no
            implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Van den Oord, Vinyals and Kavukcuoglu (2017), Neural Discrete Representation Learning.
    """
    check_points(x, y)
    _check_some(y, 1, "there is no nearest of none")
    return _run(impl, _nearest, reference.nearest, x, y)


def kth_neighbour_distance(
    x: Tensor, y: Tensor, k: int, *, impl: Implementation = "auto"
) -> Tensor:
    r"""Measure how far the k-th nearest y is from every x.

    Args:
        x: N points, with shape (N, D).
        y: M points, at least k, with shape (M, D).
        k: Which neighbour, from 1. Where y is x itself, the first neighbour of every point is that
            point, at distance 0: ask for k + 1 to leave it out.
        impl: Which implementation runs; see `gencourse.kernels`.

    Returns:
        Distances, with shape (N,): float64 for float64 points, float32 for all others. Copies are
        at distance 0, exactly. A distance that is NaN counts as infinite.

    Raises:
        TypeError: If the points are not floating-point tensors of one dtype.
        ValueError: If shapes or devices do not fit, if y has fewer than k rows, or if `impl` names
            no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.
    """
    check_points(x, y)
    if k < 1:
        raise ValueError(f"k is {k}; neighbours are counted from 1, the nearest.")
    _check_some(y, k, f"so few have no neighbour number {k}")
    return _run(impl, _kth_neighbour_distance, reference.kth_neighbour_distance, x, y, k)


def count_within(x: Tensor, y: Tensor, radii: Tensor, *, impl: Implementation = "auto") -> Tensor:
    r"""Count the balls that hold x, $c_i = \#\{ j : \lVert x_i - y_j \rVert \le r_j \}$.

    Args:
        x: N points, with shape (N, D).
        y: The centres of M balls, with shape (M, D).
        radii: Their radii, with shape (M,). A point on the rim is inside: with radii from
            `kth_neighbour_distance`, the neighbour that set the radius counts, to the last bit.
        impl: Which implementation runs; see `gencourse.kernels`.

    Returns:
        Counts from 0 to M, with shape (N,), int64. A distance that is NaN counts as infinite.

    Raises:
        TypeError: If the points and radii are not floating-point tensors, or the points' dtypes
            differ.
        ValueError: If shapes or devices do not fit, or if `impl` names no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.
    """
    check_points(x, y)
    _check_radii(radii, y)
    return _run(impl, _count_within, reference.count_within, x, y, radii)


def _run(
    impl: Implementation,
    operator: Callable[..., Tensor],
    function: Callable[..., Tensor],
    *arguments: Any,
) -> Tensor:
    """Answer by the operator or by plain PyTorch, which is also what a transform can follow."""
    chosen = dispatch.choose(impl, arguments[0].device)
    if chosen == "triton" and not dispatch.under_transform():
        return operator(*arguments)
    if chosen == "compile":
        function = dispatch.compiled(function)
    return function(*arguments)


@torch.library.custom_op("gencourse::rbf_sum", mutates_args=())
def _rbf_sum(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    # One tensor handed in twice arrives as two that share their memory.
    same = x.data_ptr() == y.data_ptr() and x.shape == y.shape and x.stride() == y.stride()
    return reference.rbf_sum(x, x if same else y, bandwidths)


@_rbf_sum.register_fake
def _(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    return x.new_empty(x.shape[0], dtype=torch.promote_types(x.dtype, torch.float32))


@_rbf_sum.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> Tensor:
    from gencourse.kernels.pairwise import triton

    return triton.rbf_sum(x, y, bandwidths)


@torch.library.custom_op("gencourse::rbf_sum_backward", mutates_args=())
def _rbf_sum_backward(
    grad: Tensor, x: Tensor, y: Tensor, bandwidths: Sequence[float]
) -> tuple[Tensor, Tensor]:
    return reference.gradients(grad, x, y, bandwidths)


@_rbf_sum_backward.register_fake
def _(grad: Tensor, x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), y.new_empty(y.shape)


@_rbf_sum_backward.register_kernel(dispatch.TRITON_DEVICES)
def _(grad: Tensor, x: Tensor, y: Tensor, bandwidths: Sequence[float]) -> tuple[Tensor, Tensor]:
    from gencourse.kernels.pairwise import triton

    return triton.rbf_sum_backward(grad, x, y, bandwidths)


def _gradients(
    needs: tuple[bool, ...], grad: Tensor, x: Tensor, y: Tensor, bandwidths: list[float]
) -> tuple[Tensor, Tensor]:
    if differentiated_again():
        return reference.gradients(grad, x, y, bandwidths)
    grad_x, grad_y = _rbf_sum_backward(grad, x, y, bandwidths)
    return grad_x, grad_y


fused_rbf_sum = fuse(torch.ops.gencourse.rbf_sum, reference.rbf_sum, _gradients)


@torch.library.custom_op("gencourse::distance_sum", mutates_args=())
def _distance_sum(x: Tensor, y: Tensor) -> Tensor:
    return reference.distance_sum(x, y)


@_distance_sum.register_fake
def _(x: Tensor, y: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], dtype=torch.promote_types(x.dtype, torch.float32))


@_distance_sum.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, y: Tensor) -> Tensor:
    from gencourse.kernels.pairwise import triton

    return triton.distance_sum(x, y)


@torch.library.custom_op("gencourse::nearest", mutates_args=())
def _nearest(x: Tensor, y: Tensor) -> Tensor:
    return reference.nearest(x, y)


@_nearest.register_fake
def _(x: Tensor, y: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], dtype=torch.int64)


@_nearest.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, y: Tensor) -> Tensor:
    from gencourse.kernels.pairwise import triton

    return triton.nearest(x, y)


@torch.library.custom_op("gencourse::kth_neighbour_distance", mutates_args=())
def _kth_neighbour_distance(x: Tensor, y: Tensor, k: int) -> Tensor:
    return reference.kth_neighbour_distance(x, y, k)


@_kth_neighbour_distance.register_fake
def _(x: Tensor, y: Tensor, k: int) -> Tensor:
    return x.new_empty(x.shape[0], dtype=torch.promote_types(x.dtype, torch.float32))


@_kth_neighbour_distance.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, y: Tensor, k: int) -> Tensor:
    from gencourse.kernels.pairwise import triton

    return triton.kth_neighbour_distance(x, y, k)


@torch.library.custom_op("gencourse::count_within", mutates_args=())
def _count_within(x: Tensor, y: Tensor, radii: Tensor) -> Tensor:
    return reference.count_within(x, y, radii)


@_count_within.register_fake
def _(x: Tensor, y: Tensor, radii: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], dtype=torch.int64)


@_count_within.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, y: Tensor, radii: Tensor) -> Tensor:
    from gencourse.kernels.pairwise import triton

    return triton.count_within(x, y, radii)


def check_points(x: Tensor, y: Tensor) -> None:
    """Refuse what are not two sets of points (N, D) and (M, D) of one dtype on one device."""
    points = {"x": x, "y": y}
    check_tensors(
        points,
        dtype_cause="Points from NumPy are float64: .float() converts.",
        device_cause="Move one of them: y.to(x.device).",
    )
    for name, rows in points.items():
        if rows.ndim != 2:
            raise ValueError(
                f"{name} has shape {tuple(rows.shape)}; expected points as rows, (N, D). Images "
                f"become rows by {name}.flatten(start_dim=1), single numbers by {name}[:, None]."
            )
    if x.shape[1] != y.shape[1]:
        cause = (
            "Is one of them transposed?"
            if x.shape[1] == y.shape[0]
            else "Are they features of two different networks, or pixels and features?"
        )
        raise ValueError(
            f"x and y must live in one space; got {x.shape[1]} and {y.shape[1]} columns, shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}. {cause}"
        )


def _check_bandwidths(bandwidths: Sequence[float]) -> None:
    if isinstance(bandwidths, int | float):
        raise TypeError(f"bandwidths is one number; expected a sequence: [{bandwidths}].")
    if len(bandwidths) == 0:
        raise ValueError("bandwidths is empty; expected at least one σ > 0.")
    if not all(0 < sigma < math.inf for sigma in bandwidths):
        raise ValueError(
            f"bandwidths must be positive numbers; got {[float(s) for s in bandwidths]}. A median "
            "distance of 0 means that more than half of the points are copies of each other."
        )


def _check_radii(radii: Tensor, y: Tensor) -> None:
    check_tensors({"radii": radii}, dtype_cause="", device_cause="")
    if radii.shape != y.shape[:1]:
        raise ValueError(
            f"radii has shape {tuple(radii.shape)}; expected one radius for each of the "
            f"{len(y)} rows of y, ({len(y)},). Is it the radii of the other set?"
        )
    if radii.device != y.device:
        raise ValueError(
            f"radii and points must be on one device; got {radii.device} and {y.device}. Move the "
            "radii: radii.to(y.device)."
        )


def _check_some(y: Tensor, needed: int, cause: str) -> None:
    if len(y) < needed:
        raise ValueError(f"y has {len(y)} rows and needs at least {needed}: {cause}.")
