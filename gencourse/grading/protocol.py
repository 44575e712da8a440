"""The values that may pass between a learner's code and ours, and how they are written down.

The sandbox holds this file and `worker.py` and nothing else of the grader, so it imports only the
standard library, NumPy and PyTorch.
"""

from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

__all__ = ["Value", "plain"]

# What may cross: arrays, numbers, text, and tuples of them.
Value: TypeAlias = Tensor | float | int | bool | str | tuple["Value", ...] | None


def plain(result: object, depth: int = 3) -> Value:
    """What a function returned, as a value that may cross: detached, dense, on the CPU.

    NumPy arrays become tensors and lists become tuples. Raises `TypeError` for anything else.
    """
    if isinstance(result, Tensor):
        return result.detach().cpu().to_dense().resolve_conj().resolve_neg().clone()
    if isinstance(result, np.ndarray | np.generic):
        return torch.as_tensor(np.asarray(result)).clone()
    if result is None or isinstance(result, bool | int | float | str):
        return result
    if isinstance(result, list | tuple) and depth > 0:
        return tuple(plain(part, depth - 1) for part in result)
    raise TypeError(
        f"The function returned a value of type {type(result).__name__}, which cannot be marked. "
        "Return a tensor, a number, or a tuple of them."
    )
