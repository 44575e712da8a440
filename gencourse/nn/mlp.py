"""The multilayer perceptron."""

from itertools import pairwise

from torch import nn

__all__ = ["MLP"]


class MLP(nn.Sequential):
    """Linear layers with a SiLU between each two: x ↦ W_L silu(... silu(W_1 x + b_1) ...) + b_L.

    sizes: the width of the input, of every hidden layer and of the output, at least two numbers.
    `MLP(2, 64, 784)` takes (..., 2) to (..., 784) through one hidden layer of 64. SiLU is
    x sigmoid(x): smooth, so that what the network draws changes smoothly with its input.
    """

    def __init__(self, *sizes: int) -> None:
        if len(sizes) < 2:
            raise ValueError(f"MLP needs at least an input and an output width; got {sizes}.")
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.SiLU()]
        super().__init__(*layers[:-1])
