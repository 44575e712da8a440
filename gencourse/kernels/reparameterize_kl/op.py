"""The public operation: what it accepts, which implementation runs, and its two operators."""

import torch
from torch import Tensor

from gencourse.kernels import dispatch
from gencourse.kernels.autograd import differentiated_again, fuse
from gencourse.kernels.checks import check_tensors
from gencourse.kernels.dispatch import Implementation
from gencourse.kernels.reparameterize_kl import reference

__all__ = ["fused", "reparameterize_kl"]


def reparameterize_kl(
    mean: Tensor, log_var: Tensor, noise: Tensor, *, impl: Implementation = "auto"
) -> tuple[Tensor, Tensor]:
    r"""A sample of the encoder's Gaussian and its divergence from the prior, in one pass.

    $$ z = \mu + \sigma \odot \varepsilon, \qquad
       \mathrm{KL} = \tfrac{1}{2} \sum_{i=1}^{d}
       \bigl( \mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2 \bigr) $$

    Differentiable any number of times with respect to all three arguments. Nothing is clamped: in
    float32 the divergence overflows to infinity where `log_var` exceeds 88, and z where it exceeds
    177; in float16 z overflows from a standard deviation of about 65504 / |ε|.

    Args:
        mean: The mean μ, with shape (..., d).
        log_var: The logarithm of the variance, log σ², with shape (..., d).
        noise: Standard normal noise ε, with shape (..., d). The caller draws it, so that the result
            depends on nothing else: `torch.randn(mean.shape, generator=generator)`.
        impl: Which implementation runs; see `gencourse.kernels`. Under a `torch.func` transform
            or in forward mode, "triton" gives way to the reference.

    Returns:
        The sample z, with shape (..., d) and the inputs' dtype, and the divergence in nats, with
        shape (...), summed over the d dimensions: float64 for float64 inputs, float32 for all
        others, because a sum over d does not fit the eight or eleven bits of a half type.

    Raises:
        TypeError: If an argument is not a floating-point tensor, or the dtypes differ.
        ValueError: If the shapes or the devices differ, if there is no last dimension, or if `impl`
            names no implementation.
        RuntimeError: If `impl="triton"` cannot run on this device.

    References:
        Kingma and Welling (2014), Auto-Encoding Variational Bayes, section 2.4 and appendix B.
    """
    _check(mean, log_var, noise)
    chosen = dispatch.choose(impl, mean.device)
    function = reference.reparameterize_kl
    if chosen == "triton":
        function = fused
    elif chosen == "compile":
        function = dispatch.compiled(function)
    return function(mean, log_var, noise)


@torch.library.custom_op("gencourse::reparameterize_kl", mutates_args=())
def _forward(mean: Tensor, log_var: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    z, kl = reference.reparameterize_kl(mean, log_var, noise)
    return z.contiguous(), kl.contiguous()


@_forward.register_fake
def _(mean: Tensor, log_var: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    precise = torch.promote_types(mean.dtype, torch.float32)
    return mean.new_empty(mean.shape), mean.new_empty(mean.shape[:-1], dtype=precise)


@_forward.register_kernel(dispatch.TRITON_DEVICES)
def _(mean: Tensor, log_var: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    from gencourse.kernels.reparameterize_kl import triton

    return triton.forward(mean, log_var, noise)


@torch.library.custom_op("gencourse::reparameterize_kl_backward", mutates_args=())
def _backward(
    grad_z: Tensor, grad_kl: Tensor, mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    grad_mean, grad_log_var = reference.gradients(grad_z, grad_kl, mean, log_var, noise)
    return grad_mean.contiguous(), grad_log_var.contiguous()


@_backward.register_fake
def _(
    grad_z: Tensor, grad_kl: Tensor, mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    return mean.new_empty(mean.shape), log_var.new_empty(log_var.shape)


@_backward.register_kernel(dispatch.TRITON_DEVICES)
def _(
    grad_z: Tensor, grad_kl: Tensor, mean: Tensor, log_var: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    from gencourse.kernels.reparameterize_kl import triton

    return triton.backward(grad_z, grad_kl, mean, log_var, noise)


def _gradients(
    needs: tuple[bool, ...],
    grad_z: Tensor,
    grad_kl: Tensor,
    mean: Tensor,
    log_var: Tensor,
    noise: Tensor,
) -> tuple[Tensor | None, ...]:
    gradients = reference.gradients if differentiated_again() else _backward
    grad_mean, grad_log_var = gradients(grad_z, grad_kl, mean, log_var, noise)
    # Hardly anybody asks for the noise's gradient, so no kernel writes it every time.
    grad_noise = grad_z * torch.exp(log_var / 2) if needs[2] else None
    return grad_mean, grad_log_var, grad_noise


fused = fuse(torch.ops.gencourse.reparameterize_kl, reference.reparameterize_kl, _gradients)


def _check(mean: Tensor, log_var: Tensor, noise: Tensor) -> None:
    check_tensors(
        {"mean": mean, "log_var": log_var, "noise": noise},
        dtype_cause="Under autocast the encoder's output is a half type: draw the noise with "
        "dtype=mean.dtype.",
        device_cause="Noise from a CPU generator has to be moved: noise.to(mean.device).",
    )
    if mean.ndim == 0:
        raise ValueError("mean has shape (); expected (..., d), with the latent dimensions last.")
    if not mean.shape == log_var.shape == noise.shape:
        cause = (
            "Draw the noise with torch.randn(mean.shape, generator=generator): one number for each "
            "dimension of each example, or examples share their randomness."
            if mean.shape == log_var.shape
            else "If the encoder's last layer gives 2d numbers, split them: "
            "mean, log_var = output.chunk(2, dim=-1)."
        )
        raise ValueError(
            f"mean, log_var and noise must have one shape, nothing is broadcast; got "
            f"{tuple(mean.shape)}, {tuple(log_var.shape)} and {tuple(noise.shape)}. {cause}"
        )
