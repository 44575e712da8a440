"""Every operation's kernels, one program after another on a CPU, against float64 mathematics."""

import pytest
import torch
from closeness import assert_as_close_as
from operations import OPERATIONS, Operation, double, weights_for

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
# One row, prime numbers of rows, one column, sizes beside a power of two, several tiles of rows
# (1031 × 1), several tiles of columns (2 × 1100), leading dimensions, none, and nothing at all.
SHAPES = [(1, 1), (1031, 1), (29, 20), (9, 33), (2, 1100), (5,), (0, 4), (4, 0)]
CASES = [(shape, torch.float32) for shape in SHAPES]
CASES += [(shape, dtype) for shape in [(7, 2), (2, 3, 5)] for dtype in DTYPES]

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


@operations
@pytest.mark.parametrize(("shape", "dtype"), CASES, ids=str)
def test_forward_and_backward(
    operation: Operation, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    inputs = operation.inputs(*shape, dtype=dtype)
    options = tuple(operation.options.values())
    weights = weights_for(operation.reference(*inputs))
    outputs = operation.op._forward(*inputs, *options)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    gradients = operation.op._backward(*weights, *inputs, *options)

    truth = operation.truth(inputs, weights)
    singles = tuple(tensor.float() for tensor in double(inputs))
    single_weights = tuple(weight.float() for weight in weights)
    plain = operation.by_autograd(operation.reference, singles, single_weights)
    plain_truth = operation.truth(singles, single_weights)
    parameters = inputs[operation.data :]
    for answer, parameter in zip(gradients, parameters, strict=False):
        assert answer.dtype == parameter.dtype
    for answers, part in ((outputs, "outputs"), (gradients, "gradients")):
        parts = (getattr(result, part) for result in (plain, truth, plain_truth))
        for answer, eager, exact, eager_exact in zip(answers, *parts, strict=False):
            assert answer.shape == exact.shape
            if answer.numel() > 0:
                assert_as_close_as(eager, answer, exact, eager_exact)


@operations
def test_the_result_is_as_precise_as_it_says(operation: Operation) -> None:
    for dtype in DTYPES:
        inputs = operation.inputs(7, 2, dtype=dtype)
        kernel = operation.fused(*inputs)
        assert [r.dtype for r in kernel] == [r.dtype for r in operation.reference(*inputs)]


@operations
def test_rows_know_nothing_of_each_other(operation: Operation) -> None:
    inputs = operation.inputs(31, 5, dtype=torch.float32)
    inputs[operation.data][17] = float("nan")
    order = torch.randperm(31, generator=torch.Generator().manual_seed(0))
    shuffled = operation.fused(*(tensor[order] for tensor in inputs))
    for result, moved in zip(operation.fused(*inputs), shuffled, strict=True):
        torch.testing.assert_close(moved, result[order], rtol=0, atol=0, equal_nan=True)
        spoilt = result.reshape(31, -1).isnan().any(1).nonzero().tolist()
        assert spoilt in ([[17]], []) if operation.kernel == "affine_coupling" else [[17]]


@operations
def test_inputs_may_have_any_strides(operation: Operation) -> None:
    turned = tuple(tensor.transpose(0, 1) for tensor in operation.inputs(3, 7, 5))
    results = operation.reference(*turned)
    torch.testing.assert_close(operation.fused(*turned), results)
    weights = tuple(torch.ones((), dtype=r.dtype).expand(r.shape) for r in results)
    options = tuple(operation.options.values())
    gradients = operation.op._backward(*weights, *turned, *options)
    expected = operation.gradients(*weights, *turned)
    torch.testing.assert_close(tuple(gradients), tuple(expected[: len(gradients)]))


@operations
def test_the_public_function_runs_the_kernels(operation: Operation) -> None:
    inputs = operation.inputs(1, 2)
    operation.leaves(inputs)

    def by_kernel(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return operation.public(*tensors, impl="triton")

    assert torch.autograd.gradcheck(
        by_kernel, inputs, check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(by_kernel, inputs)


@operations
def test_opcheck(operation: Operation) -> None:
    inputs = operation.inputs(7, 5, dtype=torch.float32)
    weights = weights_for(operation.reference(*inputs))
    options = tuple(operation.options.values())
    torch.library.opcheck(operation.op._forward, (*inputs, *options))
    torch.library.opcheck(operation.op._backward, (*weights, *inputs, *options))
