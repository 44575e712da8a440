"""How wrong the conditionals of a chain are, by whose prefixes they are asked about.

For distributions of D binary values small enough to list: row n of every table is the n-th of all
2^D images, and the chain runs over the columns from left to right.
"""

import torch
from torch import Tensor

__all__ = ["conditional_kl", "every_image"]


def every_image(pixels: int) -> Tensor:
    """All binary images of D pixels, (2^D, D) float64: bit k of a row's number is pixel k."""
    return ((torch.arange(2**pixels)[:, None] >> torch.arange(pixels)) & 1).double()


def conditional_kl(truth: Tensor, ink: Tensor, prefixes: Tensor) -> Tensor:
    """E_r[ KL(p(x_k | x_<k) ‖ q(x_k | x_<k)) ] in nats for k = 1, ..., D: (D,).

    truth (2^D,) is p; ink (2^D, D) holds q(x_k = 1 | x_<k) for the prefixes of every image; and
    prefixes (2^D,) is the distribution r that the prefixes x_<k are drawn from. All of p is above
    zero. With r = p the D numbers add up to KL(p ‖ q), by the chain rule; with r = q they say how
    wrong the same conditionals are where sampling asks for them.
    """
    images = every_image(ink.shape[1])
    errors = []
    for k in range(ink.shape[1]):
        # Images that agree in their first k pixels share a number, that of the prefix.
        prefix = (images[:, :k] @ 2.0 ** torch.arange(k, dtype=torch.float64)).long()
        mass = torch.zeros(2**k, dtype=truth.dtype).index_add_(0, prefix, truth)
        marked = torch.zeros_like(mass).index_add_(0, prefix, truth * images[:, k])
        weight = torch.zeros_like(mass).index_add_(0, prefix, prefixes)
        q = torch.zeros_like(mass)
        q[prefix] = ink[:, k]
        p = marked / mass
        kl = torch.xlogy(p, p / q) + torch.xlogy(1 - p, (1 - p) / (1 - q))
        errors.append((weight * kl).sum())
    return torch.stack(errors)
