"""The masked multilayer perceptron: D outputs, each blind to what comes after it.

A product of conditionals Π_k p(x_{o(k)} | x_{o(1)}, ..., x_{o(k-1)}) needs D functions, the k-th of
which may see only the first k-1 values of the ordering o. One network computes all of them in one
pass if every path from input i to output j is cut unless i comes before j. Give each hidden unit a
degree m, "sees the first m values at most", and keep a weight only if it never forgets a limit:

    input of rank r → hidden of degree m     if r ≤ m
    hidden of degree m → hidden of degree m' if m ≤ m'
    hidden of degree m → output of rank r    if m < r          (ranks count from 1)

A path then needs rank(i) ≤ m ≤ ... ≤ m' < rank(j) (Germain, Gregor, Murray and Larochelle, 2015).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["MaskedLinear", "MaskedMLP", "as_ordering", "hidden_degrees"]


class MaskedLinear(nn.Linear):
    """x ↦ (M ⊙ W) x + b with a fixed 0/1 mask M of the shape of W, (out, in).

    The mask is no parameter and is not stored: it follows from the architecture.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return linear(x, self.mask * self.weight, self.bias)


class MaskedMLP(nn.Module):
    """D groups of outputs; those of feature i depend only on features earlier in the ordering.

    in_features is D, hidden the widths of the hidden layers (SiLU between), out_per_feature how
    many numbers describe one conditional. order[k] is the feature that comes k-th, 0, ..., D-1 if
    left out; it is kept as the tensor `order`, its inverse as `rank`. Raises `ValueError` for an
    ordering that is no permutation and for hidden layers of no units.
    """

    order: Tensor
    rank: Tensor

    def __init__(
        self,
        in_features: int,
        hidden: tuple[int, ...],
        out_per_feature: int,
        order: Sequence[int] | Tensor | None = None,
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(f"MaskedMLP needs hidden layers of one unit or more; got {hidden}.")
        self.out_per_feature = out_per_feature
        ordering = as_ordering(order, in_features)
        self.register_buffer("order", ordering, persistent=False)
        self.register_buffer("rank", ordering.argsort(), persistent=False)

        rank = self.rank + 1
        degrees = [rank, *(hidden_degrees(width, in_features) for width in hidden)]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(degrees):
            layers += [MaskedLinear(fan_out[:, None] >= fan_in), nn.SiLU()]
        # The one strict inequality: a conditional may not see the value that it describes.
        mask = rank.repeat_interleave(out_per_feature)[:, None] > degrees[-1]
        self.network = nn.Sequential(*layers, MaskedLinear(mask))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D, out_per_feature)."""
        outputs: Tensor = self.network(x).unflatten(-1, (-1, self.out_per_feature))
        return outputs


def hidden_degrees(width: int, features: int) -> Tensor:
    """Degrees of `width` hidden units, spread evenly over 1, ..., D-1: (width,) int64.

    Spread and not drawn, so that every degree is there when width ≥ D-1, and none is favoured.
    """
    units = torch.arange(width)
    degrees: Tensor = 1 + units * max(features - 1, 1) // width
    return degrees


def as_ordering(order: Sequence[int] | Tensor | None, features: int) -> Tensor:
    """The ordering as int64 (D,), 0, ..., D-1 if None; `ValueError` if it is no permutation."""
    identity = torch.arange(features)
    if order is None:
        return identity
    ordering = torch.as_tensor(order).long()
    if ordering.shape != (features,) or not ordering.sort().values.equal(identity):
        raise ValueError(
            f"An ordering of {features} features holds each of 0, ..., {features - 1} once; got "
            f"{_shortened(ordering)}. A feature named twice, or never, would leave a factor out of "
            "the chain rule; torch.randperm(D) draws an ordering."
        )
    return ordering


def _shortened(ordering: Tensor) -> str:
    values = ordering.flatten().tolist()
    if len(values) <= 12:
        return str(values)
    return f"{len(values)} values, {str(values[:8])[:-1]}, ...]"
