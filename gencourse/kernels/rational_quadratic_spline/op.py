"""The public operation: what it accepts, which implementation runs, and its two operators."""

import math
from typing import Any

import torch
from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.autograd import differentiated_again, fuse
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation
from gencourse.kernels.rational_quadratic_spline import reference

__all__ = ["fused", "rational_quadratic_spline"]


def rational_quadratic_spline(
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    *,
    inverse: bool = False,
    bound: float = 3.0,
    impl: Implementation = "auto",
) -> tuple[Tensor, Tensor]:
    r"""A monotonic spline applied to each of D coordinates, and its log-determinant, in one pass.

    On $[-B, B]$ the curve is made of K rational-quadratic pieces; outside it is $y = x$. With w, h
    the width and height of the bin that x falls into, $s = h / w$, $d_0, d_1$ the slopes at its two
    ends, $\theta = (x - x_k) / w$ and $\varphi = 1 - \theta$,

    $$ y = y_k + h\, \frac{s\,\theta^2 + d_0\,\theta\varphi}
                          {s\,(\theta^2 + \varphi^2) + (d_0 + d_1)\,\theta\varphi}, \qquad
       \log \left| \det \frac{\partial y}{\partial x} \right|
       = \sum_{i=1}^{D} \log \frac{dy_i}{dx_i}. $$

    Parameters are any real numbers: widths and heights pass through a softmax that leaves each bin
    a thousandth of the interval, slopes through a softplus moved so that 0 means 1. Parameters that
    are all 0 give the identity, so a network whose last layer starts at 0 starts a flow there.
    Differentiable any number of times with respect to `x` and all parameters.

    Args:
        x: The numbers to transform, with shape (..., D): x, or y for `inverse`.
        widths: Unnormalised bin widths, with shape (..., D, K).
        heights: Unnormalised bin heights, with shape (..., D, K).
        derivatives: Unnormalised slopes at the K - 1 inner knots, with shape (..., D, K - 1).
        inverse: Whether to go from y to x.
        bound: The half-width B of the interval.
        impl: Which implementation runs; see `gencourse.kernels`. Under a `torch.func` transform
            or in forward mode, "triton" gives way to the reference.

    Returns:
        The transformed numbers, with shape (..., D) and the inputs' dtype, and the logarithm of the
        absolute determinant of the Jacobian, in nats, of the direction asked for, with shape (...),
        summed over the D coordinates: float64 for float64 inputs, float32 for all others.

    Raises:
        TypeError: If an argument is not a floating-point tensor, or the dtypes differ.
        ValueError: If the shapes do not fit each other, the devices differ, `bound` is not a
            positive number, there are a thousand bins or more, or `impl` names no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Gregory and Delbourgo (1982), Piecewise Rational Quadratic Interpolation to Monotonic Data.
        Durkan, Bekasov, Murray and Papamakarios (2019), Neural Spline Flows.
    """
    _check(x, widths, heights, derivatives, bound)
    chosen = dispatch.choose(impl, x.device)
    function = reference.rational_quadratic_spline
    if chosen == "triton":
        function = fused
    elif chosen == "compile":
        function = dispatch.compiled(function)
    return function(x, widths, heights, derivatives, inverse, float(bound))


@torch.library.custom_op("gencourse::rational_quadratic_spline", mutates_args=())
def _forward(
    x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor, inverse: bool, bound: float
) -> tuple[Tensor, Tensor]:
    y, log_det = reference.rational_quadratic_spline(
        x, widths, heights, derivatives, inverse, bound
    )
    return y.contiguous(), log_det.contiguous()


@_forward.register_fake
def _(
    x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor, inverse: bool, bound: float
) -> tuple[Tensor, Tensor]:
    precise = torch.promote_types(x.dtype, torch.float32)
    return x.new_empty(x.shape), x.new_empty(x.shape[:-1], dtype=precise)


@_forward.register_kernel(dispatch.TRITON_DEVICES)
def _(
    x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor, inverse: bool, bound: float
) -> tuple[Tensor, Tensor]:
    from gencourse.kernels.rational_quadratic_spline import triton

    return triton.forward(x, widths, heights, derivatives, inverse, bound)


@torch.library.custom_op("gencourse::rational_quadratic_spline_backward", mutates_args=())
def _backward(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool,
    bound: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = reference.gradients(
        grad_y, grad_log_det, x, widths, heights, derivatives, inverse, bound
    )
    grad_x, grad_widths, grad_heights, grad_derivatives = (g.contiguous() for g in found)
    return grad_x, grad_widths, grad_heights, grad_derivatives


@_backward.register_fake
def _(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool,
    bound: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shaped = (x, widths, heights, derivatives)
    grad_x, grad_widths, grad_heights, grad_derivatives = (t.new_empty(t.shape) for t in shaped)
    return grad_x, grad_widths, grad_heights, grad_derivatives


@_backward.register_kernel(dispatch.TRITON_DEVICES)
def _(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool,
    bound: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from gencourse.kernels.rational_quadratic_spline import triton

    return triton.backward(grad_y, grad_log_det, x, widths, heights, derivatives, inverse, bound)


def _gradients(needs: tuple[bool, ...], *arguments: Any) -> tuple[Tensor, ...]:
    gradients = reference.gradients if differentiated_again() else _backward
    return gradients(*arguments)


fused = fuse(
    torch.ops.gencourse.rational_quadratic_spline, reference.rational_quadratic_spline, _gradients
)


def _check(x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor, bound: float) -> None:
    check_tensors(
        {"x": x, "widths": widths, "heights": heights, "derivatives": derivatives},
        dtype_cause="Under autocast the network's output is a half type: x.to(widths.dtype).",
        device_cause='Move the model and its inputs to one device with .to("cuda").',
    )
    if x.ndim == 0 or widths.ndim == 0:
        raise ValueError("x has no last dimension; expected shape (..., D), coordinates last.")
    bins = widths.shape[-1]
    expected = ((*x.shape, bins), (*x.shape, bins), (*x.shape, bins - 1))
    if bins == 0 or (widths.shape, heights.shape, derivatives.shape) != expected:
        raise ValueError(
            f"x of shape {tuple(x.shape)} needs widths and heights of shape (..., D, K) and "
            f"derivatives of shape (..., D, K - 1), with the same (..., D), nothing is broadcast; "
            f"got {tuple(widths.shape)}, {tuple(heights.shape)} and {tuple(derivatives.shape)}. "
            "A network gives 3K - 1 numbers for each coordinate: "
            "output.unflatten(-1, (D, 3 * K - 1)).split([K, K, K - 1], dim=-1)."
        )
    if bins * reference.MIN_SHARE >= 1:
        raise ValueError(
            f"{bins} bins do not fit: each takes at least {reference.MIN_SHARE} of the interval. "
            "Do the bins stand in the last dimension?"
        )
    if not (0 < bound < math.inf):
        raise ValueError(f"bound={bound} is no half-width of an interval; expected a number > 0.")
