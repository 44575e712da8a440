"""The public operation: what it accepts and which implementation runs."""

import math

from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation
from gencourse.kernels.rational_quadratic_spline import reference

__all__ = ["rational_quadratic_spline"]


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
    if chosen == "compile":
        function = dispatch.compiled(function)
    return function(x, widths, heights, derivatives, inverse=inverse, bound=bound)


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
