"""The public operation: what it accepts, which implementation runs, and its two operators."""

import torch
from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.affine_coupling import reference
from gencourse.kernels.autograd import differentiated_again, fuse
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation

__all__ = ["affine_coupling", "fused"]


def affine_coupling(
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    *,
    inverse: bool = False,
    impl: Implementation = "auto",
) -> tuple[Tensor, Tensor]:
    r"""Scale and shift each of D coordinates, and the map's log-determinant, in one pass.

    $$ y = x \odot e^{\alpha} + \beta, \qquad
       \log \left| \det \frac{\partial y}{\partial x} \right| = \sum_{i=1}^{D} \alpha_i; \qquad
       \text{inverse: } x = (y - \beta) \odot e^{-\alpha}, \quad -\sum_{i=1}^{D} \alpha_i. $$

    Differentiable any number of times with respect to all three arguments. Nothing is clamped: in
    float32 the scale overflows to infinity where α exceeds 88 (for the inverse, where it is below
    -88). A network that may go there needs a bound of its own, such as a tanh.

    Args:
        x: The numbers to transform, with shape (..., D): x, or y for `inverse`.
        log_scale: The log-scale α, with shape (..., D).
        shift: The shift β, with shape (..., D).
        inverse: Whether to go from y to x.
        impl: Which implementation runs; see `gencourse.kernels`. Under a `torch.func` transform
            or in forward mode, "triton" gives way to the reference.

    Returns:
        The transformed numbers, with shape (..., D) and the inputs' dtype, and the logarithm of the
        absolute determinant of the Jacobian, in nats, of the direction asked for, with shape (...),
        summed over the D coordinates: float64 for float64 inputs, float32 for all others.

    Raises:
        TypeError: If an argument is not a floating-point tensor, or the dtypes differ.
        ValueError: If the shapes or the devices differ, if there is no last dimension, or if `impl`
            names no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Dinh, Sohl-Dickstein and Bengio (2017), Density Estimation Using Real NVP, section 3.2.
    """
    _check(x, log_scale, shift)
    chosen = dispatch.choose(impl, x.device)
    function = reference.affine_coupling
    if chosen == "triton":
        function = fused
    elif chosen == "compile":
        function = dispatch.compiled(function)
    return function(x, log_scale, shift, inverse)


@torch.library.custom_op("gencourse::affine_coupling", mutates_args=())
def _forward(x: Tensor, log_scale: Tensor, shift: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    y, log_det = reference.affine_coupling(x, log_scale, shift, inverse)
    return y.contiguous(), log_det.contiguous()


@_forward.register_fake
def _(x: Tensor, log_scale: Tensor, shift: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    precise = torch.promote_types(x.dtype, torch.float32)
    return x.new_empty(x.shape), x.new_empty(x.shape[:-1], dtype=precise)


@_forward.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, log_scale: Tensor, shift: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    from gencourse.kernels.affine_coupling import triton

    return triton.forward(x, log_scale, shift, inverse)


@torch.library.custom_op("gencourse::affine_coupling_backward", mutates_args=())
def _backward(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    grad_x, grad_log_scale, _ = reference.gradients(
        grad_y, grad_log_det, x, log_scale, shift, inverse
    )
    return grad_x.contiguous(), grad_log_scale.contiguous()


@_backward.register_fake
def _(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), log_scale.new_empty(log_scale.shape)


@_backward.register_kernel(dispatch.TRITON_DEVICES)
def _(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    from gencourse.kernels.affine_coupling import triton

    return triton.backward(grad_y, grad_log_det, x, log_scale, shift, inverse)


def _gradients(
    needs: tuple[bool, ...],
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    inverse: bool,
) -> tuple[Tensor, ...]:
    arguments = (grad_y, grad_log_det, x, log_scale, shift, inverse)
    if differentiated_again():
        return reference.gradients(*arguments)
    grad_x, grad_log_scale = _backward(*arguments)
    # The shift's gradient is at hand already, or one sign away; no kernel writes it out.
    return grad_x, grad_log_scale, -grad_x if inverse else grad_y


fused = fuse(torch.ops.gencourse.affine_coupling, reference.affine_coupling, _gradients)


def _check(x: Tensor, log_scale: Tensor, shift: Tensor) -> None:
    check_tensors(
        {"x": x, "log_scale": log_scale, "shift": shift},
        dtype_cause="Under autocast the network's output is a half type: x.to(shift.dtype).",
        device_cause='Move the model and its inputs to one device with .to("cuda").',
    )
    if x.ndim == 0:
        raise ValueError("x has shape (); expected (..., D), with the coordinates last.")
    if not x.shape == log_scale.shape == shift.shape:
        raise ValueError(
            f"x, log_scale and shift must have one shape, nothing is broadcast; got "
            f"{tuple(x.shape)}, {tuple(log_scale.shape)} and {tuple(shift.shape)}. If the "
            "network's last layer gives 2D numbers, split them: "
            "log_scale, shift = output.chunk(2, dim=-1)."
        )
