"""Networks as the browser reads them: a list of layers, and their parameters in float16."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

__all__ = ["Tensors", "layers_of"]

Tensors = dict[str, NDArray[Any]]

ACTIVATIONS: dict[type, str] = {nn.SiLU: "silu", nn.ReLU: "relu", nn.Tanh: "tanh"}


def layers_of(name: str, network: nn.Module) -> tuple[list[tuple[str, str]], Tensors]:
    """The linear layers of a perceptron, each with the activation that follows it.

    Returns the layers as (key, activation) in order, and the parameters of each under
    "key.weight" and "key.bias"; a key is `name` and the layer's place. Raises `TypeError` for a
    module that is neither a linear layer nor an activation that the browser knows.
    """
    modules = list(network.named_children())
    layers: list[tuple[str, str]] = []
    tensors: Tensors = {}
    for (key, module), (_, following) in zip(modules, [*modules[1:], ("", None)], strict=True):
        if isinstance(module, nn.Linear):
            layers.append((f"{name}.{key}", ACTIVATIONS.get(type(following), "none")))
            for part, value in module.named_parameters():
                tensors[f"{name}.{key}.{part}"] = value.detach().numpy().astype(np.float16)
        elif type(module) not in ACTIVATIONS:
            raise TypeError(
                f"live figures run perceptrons only; the {name} has a {type(module).__name__}"
            )
    return layers, tensors
