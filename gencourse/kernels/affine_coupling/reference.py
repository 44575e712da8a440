r"""The affine coupling of RealNVP: scale, shift, and the logarithm of the volume's change.

One half of the coordinates decides, through a network, a log-scale $\alpha$ and a shift $\beta$ for
the other half, x in $\mathbb{R}^D$:

$$ y = x \odot e^{\alpha} + \beta, \qquad x = (y - \beta) \odot e^{-\alpha}. $$

Each coordinate is stretched on its own, so the Jacobian is diagonal and the logarithm of its
determinant is a sum, $\sum_i \alpha_i$, or $-\sum_i \alpha_i$ for the inverse. It depends on
neither x nor y.

Everything here is plain PyTorch, differentiable any number of times, in any direction and under
any transform of `torch.func`. In float64 it is the truth that the kernel is tested against.

References:
    Dinh, Sohl-Dickstein and Bengio (2017), Density Estimation Using Real NVP, section 3.2.
"""

import torch
from torch import Tensor

__all__ = ["affine_coupling", "gradients"]


def affine_coupling(
    x: Tensor, log_scale: Tensor, shift: Tensor, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """The map or its inverse, computed in float32 or better whatever the inputs' precision.

    Args:
        x: The numbers to transform, with shape (..., D).
        log_scale: The log-scale α, with shape (..., D).
        shift: The shift β, with shape (..., D).
        inverse: Whether to go from y to x.

    Returns:
        The transformed numbers, with shape (..., D), and the logarithm of the Jacobian's
        determinant, of the direction asked for, with shape (...), in float64 for float64 inputs
        and in float32 for all others.
    """
    precise = torch.promote_types(x.dtype, torch.float32)
    x_, log_scale, shift = x.to(precise), log_scale.to(precise), shift.to(precise)
    if inverse:
        return ((x_ - shift) * torch.exp(-log_scale)).to(x.dtype), -log_scale.sum(-1)
    return (x_ * torch.exp(log_scale) + shift).to(x.dtype), log_scale.sum(-1)


def gradients(
    grad_y: Tensor,
    grad_log_det: Tensor,
    x: Tensor,
    log_scale: Tensor,
    shift: Tensor,
    inverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The vector-Jacobian product of `affine_coupling`, written out.

    $$ \bar x = \bar y\, e^{\alpha}, \qquad \bar\alpha = \bar x\, x + \bar\ell, \qquad
       \bar\beta = \bar y, $$

    where $\ell = \sum_i \alpha_i$ and a bar is the derivative of the loss with respect to what is
    under it. For the inverse, with y given and x found,

    $$ \bar y = \bar x\, e^{-\alpha}, \qquad \bar\alpha = -\bar y\, (y - \beta) - \bar\ell, \qquad
       \bar\beta = -\bar y. $$

    Args:
        grad_y: The derivative of the loss with respect to the transformed numbers, (..., D).
        grad_log_det: The derivative of the loss with respect to the log-determinant, (...).
        x: The numbers that were transformed, with shape (..., D).
        log_scale: The log-scale α, with shape (..., D).
        shift: The shift β, with shape (..., D).
        inverse: Whether the map went from y to x.

    Returns:
        The derivatives of the loss with respect to `x`, `log_scale` and `shift`, each (..., D).
    """
    precise, dtype = grad_log_det.dtype, x.dtype
    weight = grad_log_det.unsqueeze(-1)
    x, log_scale, shift, grad_y = (tensor.to(precise) for tensor in (x, log_scale, shift, grad_y))
    if inverse:
        grad_x = grad_y * torch.exp(-log_scale)
        grad_log_scale, grad_shift = -grad_x * (x - shift) - weight, -grad_x
    else:
        grad_x = grad_y * torch.exp(log_scale)
        grad_log_scale, grad_shift = grad_x * x + weight, grad_y
    return grad_x.to(dtype), grad_log_scale.to(dtype), grad_shift.to(dtype)
