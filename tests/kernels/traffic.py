"""What PyTorch does when a function runs: which operators, and how many bytes they move."""

import math
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operators(TorchDispatchMode):
    """Records which of the package's own operators run."""

    def __init__(self) -> None:
        super().__init__()
        self.ours: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.namespace == "gencourse":
            self.ours.append(func._opname)
        return func(*args, **(kwargs or {}))


class Traffic(TorchDispatchMode):
    """Counts the operators that run and the bytes they read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.launches = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        is_view = any(result.alias_info is not None for result in func._schema.returns)
        tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
        if tensors and not is_view:
            self.bytes += sum(map(stored_bytes, tensors))
            self.launches += 1
        return out


def stored_bytes(tensor: Tensor) -> int:
    """An expanded dimension has stride 0 and is stored once."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return math.prod(size for size, stride in sizes if stride != 0) * tensor.element_size()
