"""The cost model says what PyTorch really does."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gencourse.kernels.reparameterize_kl import cost, reference
from gencourse.kernels.reparameterize_kl.op import fused


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


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward and backward"])
@pytest.mark.parametrize(
    ("function", "model"), [(reference.reparameterize_kl, cost.eager), (fused, cost.fused)]
)
@pytest.mark.parametrize(("batch", "d"), [(128, 20), (7, 2), (3, 1000)])
def test_model_counts_the_bytes_that_move(
    function: Any, model: Any, backward: bool, batch: int, d: int
) -> None:
    mean, log_var, noise = torch.randn(3, batch, d).unbind()
    grad_z, grad_kl = torch.randn(batch, d), torch.randn(batch)
    with Traffic() as traffic:
        outputs = function(mean.requires_grad_(), log_var.requires_grad_(), noise)
        if backward:
            torch.autograd.grad(outputs, (mean, log_var), (grad_z, grad_kl))
    expected = model(batch, d, backward=backward)
    assert (traffic.bytes, traffic.launches) == (expected.bytes, expected.launches)


def test_fusion_saves_four_fifths_of_the_traffic() -> None:
    eager, fused = cost.eager(128, 20), cost.fused(128, 20)
    assert eager.bytes / fused.bytes > 4.8
    assert eager.launches == 23
    assert fused.launches == 2
