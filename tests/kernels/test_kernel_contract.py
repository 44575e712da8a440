"""What every fused operation promises, whatever it computes.

`fused` is the kernel's autograd wrapper. On a CPU its two operators compute the reference, so every
promise about derivatives, transforms and compilation is kept here without a GPU. The kernels
themselves are tested in `interpreted/`, `test_kernel_ahead_of_time.py` and, on a GPU, in
`test_kernel_contract_gpu.py`; what is true of one operation alone, in that operation's own file.
"""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from closeness import assert_as_close_as
from operations import OPERATIONS, Function, Operation, weights_for
from torch import Tensor
from traffic import Operators

SHAPES = [(1, 1), (7, 2), (13, 20), (3, 33), (2, 300), (2, 3, 5), (5,), (0, 4), (4, 0)]

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


@operations
class TestReference:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_gradients_are_those_of_autograd(
        self, operation: Operation, shape: tuple[int, ...]
    ) -> None:
        inputs = operation.inputs(*shape)
        weights = weights_for(operation.reference(*inputs))
        by_autograd = operation.truth(inputs, weights).gradients
        written_out = operation.gradients(*weights, *inputs)
        for ours, expected in zip(written_out, by_autograd, strict=False):
            torch.testing.assert_close(ours, expected)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_types_are_computed_in_float32(
        self, operation: Operation, dtype: torch.dtype
    ) -> None:
        inputs = operation.inputs(4, 300, dtype=dtype)
        halves = operation.reference(*inputs)
        singles = operation.reference(*(tensor.float() for tensor in inputs))
        for half, single in zip(halves, singles, strict=True):
            # What is summed stays in float32; what has the shape of the input has its dtype.
            summed = half.shape != inputs[0].shape or len(halves) == 1
            assert half.dtype == (torch.float32 if summed else dtype)
            assert torch.equal(half, single.to(half.dtype))


@operations
class TestAutograd:
    def test_first_derivatives_in_both_modes(self, operation: Operation) -> None:
        inputs = operation.inputs(2, 3)
        operation.leaves(inputs)
        assert torch.autograd.gradcheck(
            operation.fused,
            inputs,
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
        )

    def test_second_derivatives_in_both_modes(self, operation: Operation) -> None:
        inputs = operation.inputs(1, 3)
        operation.leaves(inputs)
        assert torch.autograd.gradgradcheck(
            operation.fused, inputs, check_fwd_over_rev=True, check_batched_grad=True
        )

    def test_one_result_may_go_unused(self, operation: Operation) -> None:
        inputs = operation.inputs(7, 3)
        leaves = operation.leaves(inputs)
        for i in range(len(operation.reference(*inputs))):
            by_fused, by_reference = (
                torch.autograd.grad(f(*inputs)[i].sum(), leaves, materialize_grads=True)
                for f in (operation.fused, operation.reference)
            )
            torch.testing.assert_close(by_fused, by_reference)

    def test_each_operator_runs_once(self, operation: Operation) -> None:
        inputs = operation.inputs(7, 3)
        operation.leaves(inputs)
        with Operators() as operators:
            torch.stack([result.sum() for result in operation.fused(*inputs)]).sum().backward()
        assert operators.ours == [operation.kernel, f"{operation.kernel}_backward"]

    def test_a_gradient_to_be_differentiated_again_is_plain_pytorch(
        self, operation: Operation
    ) -> None:
        inputs = operation.inputs(7, 3)
        leaves = operation.leaves(inputs)
        total = torch.stack([result.sum() for result in operation.fused(*inputs)]).sum()
        with Operators() as operators:
            torch.autograd.grad(total, leaves, create_graph=True)
        assert operators.ours == []


# Without a batch and without columns the compiler's test finds nothing to do but takes as long.
QUICK = ("test_schema", "test_faketensor")


@operations
class TestOperators:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_opcheck(self, operation: Operation, shape: tuple[int, ...]) -> None:
        inputs = operation.inputs(*shape)
        weights = weights_for(operation.reference(*inputs))
        options = tuple(operation.options.values())
        tests = torch.library._OPCHECK_DEFAULT_UTILS if shape == (7, 2) else QUICK
        torch.library.opcheck(operation.op._forward, (*inputs, *options), test_utils=tests)
        torch.library.opcheck(
            operation.op._backward, (*weights, *inputs, *options), test_utils=tests
        )

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
    def test_opcheck_on_strides_and_types_of_every_kind(
        self, operation: Operation, dtype: torch.dtype
    ) -> None:
        turned = tuple(tensor.transpose(0, 1) for tensor in operation.inputs(4, 3, 5, dtype=dtype))
        weights = [
            torch.ones((), dtype=output.dtype).expand(output.shape)
            for output in operation.reference(*turned)
        ]
        options = tuple(operation.options.values())
        torch.library.opcheck(operation.op._forward, (*turned, *options), test_utils=QUICK)
        torch.library.opcheck(
            operation.op._backward, (*weights, *turned, *options), test_utils=QUICK
        )


def loss(function: Function) -> Callable[..., Tensor]:
    """A scalar in which every derivative of every result counts, the second ones too."""

    def scalar(*inputs: Tensor) -> Tensor:
        results = function(*inputs)
        return torch.stack([(result.sin() + result.square()).sum() for result in results]).sum()

    return scalar


def differentiable(operation: Operation) -> tuple[int, ...]:
    return tuple(range(operation.data, len(operation.inputs(2, 2))))


def back_to_columns(operation: Operation) -> tuple[int, ...]:
    """For each result, where the columns of the input went: second, or, summed, nowhere."""
    inputs = operation.inputs(5, 3)
    return tuple(1 if out.ndim == inputs[0].ndim else 0 for out in operation.reference(*inputs))


TRANSFORMS: dict[str, Callable[[Operation, Function], Callable[..., Any]]] = {
    "grad": lambda o, f: torch.func.grad(loss(f), argnums=differentiable(o)),
    "vjp": lambda o, f: lambda *inputs: torch.func.vjp(f, *inputs)[1](f(*inputs)),
    "jvp": lambda o, f: lambda *inputs: torch.func.jvp(f, inputs, inputs),
    "jacrev": lambda o, f: torch.func.jacrev(f, argnums=differentiable(o)),
    "jacfwd": lambda o, f: torch.func.jacfwd(f, argnums=differentiable(o)),
    "hessian": lambda o, f: torch.func.hessian(loss(f), argnums=differentiable(o)),
    "vmap": lambda o, f: torch.func.vmap(f),
    "vmap over columns": lambda o, f: torch.func.vmap(f, in_dims=1, out_dims=back_to_columns(o)),
    "gradients per example": lambda o, f: torch.func.vmap(
        torch.func.grad(loss(f), argnums=differentiable(o))
    ),
    "linearize": lambda o, f: lambda *inputs: torch.func.linearize(f, *inputs)[1](*inputs),
    "grad through a closure": lambda o, f: (
        lambda *inputs: torch.func.grad(
            lambda shift: loss(f)(*inputs[: o.data], inputs[o.data] + shift, *inputs[o.data + 1 :])
        )(torch.zeros((), dtype=inputs[0].dtype))
    ),
}


@operations
class TestTransforms:
    @pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
    def test_transform_of_the_fused_operation_is_that_of_the_reference(
        self,
        operation: Operation,
        transform: Callable[[Operation, Function], Callable[..., Any]],
    ) -> None:
        inputs = operation.inputs(4, 3)
        torch.testing.assert_close(
            transform(operation, operation.fused)(*inputs),
            transform(operation, operation.reference)(*inputs),
        )

    def test_a_directional_derivative_is_that_of_a_small_step(self, operation: Operation) -> None:
        # The wrong way to give an operator its derivative makes this one zero, silently.
        inputs = operation.inputs(5, 3)
        data, parameters = inputs[: operation.data], inputs[operation.data :]
        direction = tuple(torch.ones_like(tensor) for tensor in parameters)

        def along(step: float) -> tuple[Tensor, ...]:
            moved = (p + step * d for p, d in zip(parameters, direction, strict=True))
            return operation.fused(*data, *moved)

        _, tangents = torch.func.jvp(
            lambda *moved: operation.fused(*data, *moved), parameters, direction
        )
        for tangent, ahead, behind in zip(tangents, along(1e-5), along(-1e-5), strict=True):
            assert tangent.any()
            torch.testing.assert_close(tangent, (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-7)

    def test_batched_gradients_of_a_recorded_graph(self, operation: Operation) -> None:
        inputs = operation.inputs(5, 3)
        leaves = operation.leaves(inputs)
        jacobians = []
        for function in (operation.fused, operation.reference):
            results = torch.cat([result.flatten() for result in function(*inputs)])
            basis = torch.eye(len(results), dtype=torch.float64)
            jacobians.append(torch.autograd.grad(results, leaves, basis, is_grads_batched=True))
        torch.testing.assert_close(*jacobians)


@operations
class TestCompile:
    @pytest.fixture(autouse=True)
    def _nothing_compiled_before(self) -> None:
        # Each operation wraps its own in the same few lines, which only so many may share.
        torch.compiler.reset()

    def test_compiles_to_one_graph_that_calls_each_operator_once(
        self, operation: Operation
    ) -> None:
        graphs: list[list[str]] = []
        compiled = torch.compile(operation.fused, fullgraph=True, backend=recording_backend(graphs))
        inputs = operation.inputs(7, 3)
        leaves = operation.leaves(inputs)
        by_compiled = torch.autograd.grad(loss(compiled)(*inputs), leaves)
        by_reference = torch.autograd.grad(loss(operation.reference)(*inputs), leaves)
        torch.testing.assert_close(by_compiled, by_reference)
        assert graphs == [[operation.kernel], [f"{operation.kernel}_backward"]]

    def test_compiles_for_a_batch_whose_size_changes(self, operation: Operation) -> None:
        compiled = torch.compile(operation.fused, fullgraph=True, dynamic=True, backend="aot_eager")
        for rows in (5, 9, 2):
            # Two last dimensions of one size, so that only the number of rows changes.
            inputs = tuple(tensor[:rows] for tensor in operation.inputs(9, 3))
            torch.testing.assert_close(compiled(*inputs), operation.reference(*inputs))

    def test_compiles_under_a_transform(self, operation: Operation) -> None:
        inputs = operation.inputs(5, 3)
        gradient = torch.func.grad(loss(operation.fused), argnums=differentiable(operation))
        compiled = torch.compile(gradient, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(*inputs), gradient(*inputs))

    @pytest.mark.parametrize("impl", ["auto", "reference", "compile"])
    def test_the_public_function_compiles_to_one_graph(
        self, operation: Operation, impl: Any
    ) -> None:
        inputs = operation.inputs(5, 3)
        compiled = torch.compile(
            lambda *tensors: operation.public(*tensors, impl=impl),
            fullgraph=True,
            backend="aot_eager",
        )
        torch.testing.assert_close(compiled(*inputs), operation.reference(*inputs))


def recording_backend(graphs: list[list[str]]) -> Any:
    """A backend that notes which of the package's operators stand in each graph, then runs it."""
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    def note(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(
            [
                node.target._opname
                for node in graph.graph.nodes
                if getattr(node.target, "namespace", None) == "gencourse"
            ]
        )
        return make_boxed_func(graph.forward)

    return aot_autograd(fw_compiler=note, bw_compiler=note)


@operations
class TestPublicFunction:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_reference_is_what_auto_runs_on_a_cpu(
        self, operation: Operation, shape: tuple[int, ...]
    ) -> None:
        inputs = operation.inputs(*shape)
        by_auto, by_name = (operation.public(*inputs, impl=i) for i in ("auto", "reference"))
        assert all(map(torch.equal, by_auto, by_name))
        assert all(map(torch.equal, by_auto, operation.reference(*inputs)))

    @pytest.mark.slow
    @pytest.mark.skipif(
        not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))), reason="no C++ compiler"
    )
    def test_compile_agrees_with_the_reference(self, operation: Operation) -> None:
        inputs = operation.inputs(13, 20, dtype=torch.float32)
        weights = weights_for(operation.reference(*inputs))
        truth = operation.truth(inputs, weights)
        plain = operation.by_autograd(operation.reference, inputs, weights)
        answer = operation.by_autograd(
            lambda *tensors: operation.public(*tensors, impl="compile"), inputs, weights
        )
        for part in ("outputs", "gradients"):
            for ours, eager, exact in zip(
                *(getattr(result, part) for result in (answer, plain, truth)), strict=True
            ):
                assert_as_close_as(eager, ours, exact, exact)

    def test_a_nan_is_not_hidden(self, operation: Operation) -> None:
        inputs = operation.inputs(4, 3)
        for i, tensor in enumerate(inputs):
            if i < operation.data:
                continue
            spoilt = list(inputs)
            spoilt[i] = tensor.clone()
            spoilt[i][2, 1] = float("nan")
            results = operation.public(*spoilt)
            for result in results:
                rows = result.reshape(4, -1).isnan().any(1).tolist()
                # A shift does not bear on the volume; nothing else bears on another example.
                assert rows[2] or result is not results[0]
                assert not any(rows[:2] + rows[3:])


@operations
class TestErrors:
    def test_dtypes_that_differ(self, operation: Operation) -> None:
        first, *others = operation.inputs(8, 4, dtype=torch.float32)
        with pytest.raises(TypeError, match=r"one dtype; got .*bfloat16.*\."):
            operation.public(first, *(tensor.bfloat16() for tensor in others))

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
    def test_a_dtype_without_gradients(self, operation: Operation, dtype: torch.dtype) -> None:
        first, second, *others = operation.inputs(8, 4, dtype=torch.float32)
        with pytest.raises(TypeError, match=rf"has dtype {dtype}.*\.float\(\)"):
            operation.public(first, second.to(dtype), *others)

    def test_devices_that_differ(self, operation: Operation) -> None:
        *others, last = operation.inputs(8, 4)
        with pytest.raises(ValueError, match=r"one device; got .*cpu and meta\. .*\.to\("):
            operation.public(*others, last.to("meta"))

    def test_something_that_is_no_tensor(self, operation: Operation) -> None:
        *others, _ = operation.inputs(8, 4)
        with pytest.raises(TypeError, match=r"is a float; expected a torch\.Tensor"):
            operation.public(*others, 1.0)  # type: ignore[arg-type]

    def test_a_shape_that_does_not_fit(self, operation: Operation) -> None:
        first, second, *others = operation.inputs(8, 4)
        with pytest.raises(ValueError, match=r"nothing is broadcast; got"):
            operation.public(first, second[:4], *others)
        with pytest.raises(ValueError, match=r"nothing is broadcast; got"):
            operation.public(first, second, *(tensor[0] for tensor in others))
