"""Two ways to differentiate an expectation with respect to the distribution it is taken over.

For q = N(μ, diag σ²) and a function f, both estimate ∇_μ E_q[f(z)] from draws z = μ + σ ε, without
bias. One sample each, so that their noise can be compared. n is the number of draws, d of latents.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["reparameterized_gradient", "score_function_gradient"]

Objective = Callable[[Tensor], Tensor]


def score_function_gradient(f: Objective, mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """f(z) ∇_μ log q(z), one estimate for each draw (Williams, 1992, who named it REINFORCE).

    f maps (n, d) to (n,) and need not be differentiable; mean, log_var (d,); noise (n, d) from
    N(0, I). Returns (n, d). For a normal q the score ∇_μ log q(z) is (z − μ)/σ² = ε/σ.
    """
    scale = torch.exp(log_var / 2)
    return f(mean + scale * noise)[:, None] * noise / scale


def reparameterized_gradient(f: Objective, mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """∇_z f(z) ∂z/∂μ at z = μ + σ ε, one estimate for each draw; here ∂z/∂μ is the identity.

    f maps (n, d) to (n,) and must be differentiable; mean, log_var (d,); noise (n, d) from N(0, I).
    Returns (n, d) (Kingma and Welling, 2014; Rezende, Mohamed and Wierstra, 2014).
    """
    z = (mean + torch.exp(log_var / 2) * noise).requires_grad_()
    (gradient,) = torch.autograd.grad(f(z).sum(), z)
    return gradient
