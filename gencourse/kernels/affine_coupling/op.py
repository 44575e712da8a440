"""The public operation: what it accepts and which implementation runs."""

from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.affine_coupling import reference
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation

__all__ = ["affine_coupling"]


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
    if chosen == "compile":
        function = dispatch.compiled(function)
    return function(x, log_scale, shift, inverse)


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
