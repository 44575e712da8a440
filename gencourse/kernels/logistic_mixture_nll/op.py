"""The public operation: what it accepts, which implementation runs, and its two operators."""

from typing import Any

import torch
from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.autograd import differentiated_again, fuse
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation
from gencourse.kernels.logistic_mixture_nll import reference

__all__ = ["fused", "logistic_mixture_nll"]


def logistic_mixture_nll(
    x: Tensor,
    logits: Tensor,
    means: Tensor,
    log_scales: Tensor,
    *,
    levels: int = 256,
    impl: Implementation = "auto",
) -> Tensor:
    r"""Minus the log-likelihood of grey levels under a mixture of logistic distributions.

    $$ -\log \sum_{m=1}^{M} \pi_m \bigl( \sigma(b_m) - \sigma(a_m) \bigr), \qquad
       a_m = \frac{c - \ell - \mu_m}{s_m}, \quad b_m = \frac{c + \ell - \mu_m}{s_m}, $$

    with $c = 2 x / (L - 1) - 1$ and $\ell = 1 / (L - 1)$; $a = -\infty$ at the first level and $b =
    \infty$ at the last, so that the probabilities of the L levels sum to 1. Computed without taking
    that difference, so it keeps its digits far from the mean and for tiny scales; in float32 only
    scales beyond $e^{\pm 80}$ are out of reach. Differentiable any number of times with respect to
    the three parameters.

    Args:
        x: Grey levels, whole numbers from 0 to levels - 1 as a floating-point tensor, with shape
            (...). They are data: their gradient is none, or zero.
        logits: Unnormalised log-weights of the components, with shape (..., M).
        means: The means μ, in the units of x rescaled to [-1, 1], with shape (..., M).
        log_scales: The logarithm of the scales s, in the same units, with shape (..., M).
        levels: The number of grey levels L, 256 for a byte.
        impl: Which implementation runs; see `gencourse.kernels`. Under a `torch.func` transform
            or in forward mode, "triton" gives way to the reference.

    Returns:
        Nats, with shape (...): float64 for float64 inputs, float32 for all others.

    Raises:
        TypeError: If an argument is not a floating-point tensor, or the dtypes differ.
        ValueError: If the shapes do not fit each other, the devices differ, `levels` is less than
            2, or `impl` names no implementation; on a CPU also if x holds anything but grey levels
            (to look at the values on a GPU would make the host wait for it).
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Salimans, Karpathy, Chen and Kingma (2017), PixelCNN++: Improving the PixelCNN with
        Discretized Logistic Mixture Likelihood and Other Modifications, section 2.1.
    """
    _check(x, logits, means, log_scales, levels)
    chosen = dispatch.choose(impl, x.device)
    function = reference.logistic_mixture_nll
    if chosen == "triton":
        function = fused
    elif chosen == "compile":
        function = dispatch.compiled(function)
    return function(x, logits, means, log_scales, levels)


@torch.library.custom_op("gencourse::logistic_mixture_nll", mutates_args=())
def _forward(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    return reference.logistic_mixture_nll(x, logits, means, log_scales, levels).contiguous()


@_forward.register_fake
def _(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    return x.new_empty(x.shape, dtype=torch.promote_types(x.dtype, torch.float32))


@_forward.register_kernel(dispatch.TRITON_DEVICES)
def _(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> Tensor:
    from gencourse.kernels.logistic_mixture_nll import triton

    return triton.forward(x, logits, means, log_scales, levels)


@torch.library.custom_op("gencourse::logistic_mixture_nll_backward", mutates_args=())
def _backward(
    grad_nll: Tensor,
    x: Tensor,
    logits: Tensor,
    means: Tensor,
    log_scales: Tensor,
    levels: int,
) -> tuple[Tensor, Tensor, Tensor]:
    found = reference.gradients(grad_nll, x, logits, means, log_scales, levels)
    grad_logits, grad_means, grad_log_scales = (gradient.contiguous() for gradient in found)
    return grad_logits, grad_means, grad_log_scales


@_backward.register_fake
def _(
    grad_nll: Tensor,
    x: Tensor,
    logits: Tensor,
    means: Tensor,
    log_scales: Tensor,
    levels: int,
) -> tuple[Tensor, Tensor, Tensor]:
    parameters = (logits, means, log_scales)
    grad_logits, grad_means, grad_log_scales = (p.new_empty(p.shape) for p in parameters)
    return grad_logits, grad_means, grad_log_scales


@_backward.register_kernel(dispatch.TRITON_DEVICES)
def _(
    grad_nll: Tensor,
    x: Tensor,
    logits: Tensor,
    means: Tensor,
    log_scales: Tensor,
    levels: int,
) -> tuple[Tensor, Tensor, Tensor]:
    from gencourse.kernels.logistic_mixture_nll import triton

    return triton.backward(grad_nll, x, logits, means, log_scales, levels)


def _gradients(needs: tuple[bool, ...], *arguments: Any) -> tuple[Tensor | None, ...]:
    gradients = reference.gradients if differentiated_again() else _backward
    return (None, *gradients(*arguments))


fused = fuse(torch.ops.gencourse.logistic_mixture_nll, reference.logistic_mixture_nll, _gradients)


def _check(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, levels: int) -> None:
    check_tensors(
        {"x": x, "logits": logits, "means": means, "log_scales": log_scales},
        dtype_cause="Grey levels have to be converted: x.to(logits.dtype).",
        device_cause="Move the model and its inputs to one device: x.to(logits.device).",
    )
    components = logits.shape[-1:]
    if components in ((), (0,)) or not (
        (*x.shape, *components) == logits.shape == means.shape == log_scales.shape
    ):
        raise ValueError(
            f"x of shape {tuple(x.shape)} needs logits, means and log_scales of one shape, that of "
            f"x with the M components behind it, nothing is broadcast; got {tuple(logits.shape)}, "
            f"{tuple(means.shape)} and {tuple(log_scales.shape)}. A network that gives 3M channels "
            "keeps them before height and width: output.movedim(1, -1).chunk(3, dim=-1)."
        )
    if levels < 2:
        raise ValueError(f"levels={levels}; expected at least 2 grey levels, 256 for a byte.")
    if x.device.type != "cpu" or torch.compiler.is_compiling() or dispatch.under_transform():
        return
    if not ((x >= 0) & (x <= levels - 1) & (x == x.round())).all():
        raise ValueError(
            f"x holds values from {x.min().item():g} to {x.max().item():g}; expected whole numbers "
            f"from 0 to {levels - 1}. Were the pixels scaled to [0, 1] or [-1, 1]? Here they are "
            "grey levels, and the scaling is done inside."
        )
