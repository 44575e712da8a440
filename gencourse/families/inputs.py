"""What every family refuses, in words that say what was given, what it expects, and why.

A family calls these at its door, so that its mathematics need not wonder what it was handed.
"""

import math

from torch import Tensor, nn

__all__ = ["check_batch", "check_within", "refuse_condition"]


def check_batch(x: Tensor, shape: tuple[int, ...], model: nn.Module) -> None:
    """Refuse what is no batch (B, *shape) of finite floating-point numbers on the model's device.

    Raises `ValueError` for a wrong shape, an empty batch, NaN or infinity, and another device, and
    `TypeError` for a dtype that is not floating point.
    """
    name = type(model).__name__
    if x.ndim != 1 + len(shape) or tuple(x.shape[1:]) != shape:
        wanted = ", ".join(["B", *map(str, shape)])
        raise ValueError(
            f"This {name} takes a batch of shape ({wanted}); got {tuple(x.shape)}. "
            + _cause(x, shape)
        )
    if len(x) == 0:
        raise ValueError("The batch is empty: its mean loss is not a number. Got B = 0.")
    if not x.is_floating_point():
        raise TypeError(
            f"This {name} takes floating-point data; got {x.dtype}. For MNIST's bytes use "
            "gencourse.data.binarize(images, seed), or images / 255 for grey levels."
        )
    if not x.isfinite().all():
        raise ValueError(
            f"The batch holds {int((~x.isfinite()).sum())} values that are NaN or infinite. "
            "They come from a step before the model: a division by zero, or a log of zero."
        )
    parameter = next(model.parameters(), None)
    if parameter is not None and parameter.device != x.device:
        raise ValueError(
            f"The batch is on {x.device}, this {name} on {parameter.device}. Move one of them: "
            f"x.to({str(parameter.device)!r})."
        )


def check_within(x: Tensor, low: float, high: float, model: nn.Module, remedy: str) -> None:
    """Refuse values outside [low, high]; `remedy` says what to do about it.

    Raises `ValueError` with the range that was found.
    """
    found = float(x.min()), float(x.max())
    if found[0] < low or found[1] > high:
        raise ValueError(
            f"This {type(model).__name__} takes values from {low:g} to {high:g}; got values from "
            f"{found[0]:g} to {found[1]:g}. {remedy}"
        )


def refuse_condition(condition: object, model: nn.Module) -> None:
    """Refuse a condition: the model was never shown one. Raises `ValueError`."""
    if condition is not None:
        raise ValueError(
            f"This {type(model).__name__} models p(x), not p(x|condition): it never saw a label, "
            f"so it cannot use one. Got a condition of type {type(condition).__name__}: leave it "
            "out."
        )


def _cause(x: Tensor, shape: tuple[int, ...]) -> str:
    """The likely reason for a shape that does not fit."""
    if len(shape) == 1 and tuple(x.shape) == shape:
        return "For a single row, x[None]."
    if len(shape) == 1 and x.ndim > 2 and x[0].numel() == shape[0]:
        return "Images are flat rows here: x.flatten(start_dim=1)."
    if len(shape) > 1 and x.ndim == 2 and x.shape[1] == math.prod(shape):
        return f"Flat rows become images with x.view(-1, {', '.join(map(str, shape))})."
    if tuple(x.shape) == shape:
        return "For a single image, x[None]."
    if len(shape) == 1 and x.ndim == 2 and x.shape[0] == shape[0]:
        return "Transposed? Try x.T."
    return "Is it data of another kind, or from another model?"
