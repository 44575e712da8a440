"""What only a GPU can show of every fused operation: `pytest -m gpu tests/kernels`."""

from typing import Any

import pytest
import torch
from closeness import assert_as_close_as
from operations import OPERATIONS, Operation, double, weights_for

from gencourse.kernels import dispatch

pytestmark = pytest.mark.gpu

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
SHAPES = [
    *[(1, 1), (1031, 1), (4099, 2), (128, 20), (127, 33), (37, 1000), (5, 5000)],
    *[(2, 3, 5), (5,), (0, 4), (4, 0), (100_003, 64)],
]

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def test_auto_is_the_kernel() -> None:
    assert dispatch.choose("auto", torch.device("cuda", 0)) == "triton"


@operations
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_backward(
    operation: Operation, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    inputs = operation.inputs(*shape, dtype=dtype, device="cuda")
    weights = weights_for(operation.reference(*inputs))
    answer = operation.by_autograd(
        lambda *tensors: operation.public(*tensors, impl="triton"), inputs, weights
    )
    truth = operation.truth(inputs, weights)
    singles = tuple(tensor.float() for tensor in double(inputs))
    single_weights = tuple(weight.float() for weight in weights)
    plain = operation.by_autograd(operation.reference, singles, single_weights)
    plain_truth = operation.truth(singles, single_weights)
    for part in ("outputs", "gradients"):
        parts = (getattr(result, part) for result in (plain, answer, truth, plain_truth))
        for eager, ours, exact, eager_exact in zip(*parts, strict=True):
            assert ours.shape == exact.shape
            if ours.numel() > 0:
                assert_as_close_as(eager, ours, exact, eager_exact)


@operations
def test_same_input_same_bits(operation: Operation) -> None:
    inputs = operation.inputs(4099, 20, dtype=torch.float32, device="cuda")
    assert all(map(torch.equal, operation.public(*inputs), operation.public(*inputs)))


@operations
def test_the_host_never_waits(operation: Operation) -> None:
    inputs = operation.inputs(128, 20, dtype=torch.float32, device="cuda")
    operation.leaves(inputs)

    def step() -> None:
        torch.stack([result.sum() for result in operation.public(*inputs)]).sum().backward()

    step()  # The first call compiles and loads, and may wait.
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@operations
def test_opcheck(operation: Operation) -> None:
    inputs = operation.inputs(127, 20, dtype=torch.float32, device="cuda")
    weights = weights_for(operation.reference(*inputs))
    options = tuple(operation.options.values())
    torch.library.opcheck(operation.op._forward, (*inputs, *options))
    torch.library.opcheck(operation.op._backward, (*weights, *inputs, *options))


@operations
def test_gradcheck(operation: Operation) -> None:
    inputs = operation.inputs(2, 3, device="cuda")
    operation.leaves(inputs)
    assert torch.autograd.gradcheck(operation.public, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(operation.public, inputs)


@operations
@pytest.mark.parametrize("impl", ["auto", "triton", "compile"])
def test_compiles_to_one_graph(operation: Operation, impl: Any) -> None:
    inputs = operation.inputs(127, 20, dtype=torch.float32, device="cuda")
    compiled = torch.compile(lambda *tensors: operation.public(*tensors, impl=impl), fullgraph=True)
    plain, truth = operation.reference(*inputs), operation.reference(*double(inputs))
    for eager, ours, exact in zip(plain, compiled(*inputs), truth, strict=True):
        assert_as_close_as(eager, ours, exact, exact)
