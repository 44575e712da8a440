"""Truths of the reparameterised sample and of its divergence from the prior; then the operation.

`fused` is the kernel's autograd wrapper. On a CPU its two operators compute the reference, so every
promise about derivatives, transforms and compilation is kept here without a GPU. The kernels
themselves are tested in `interpreted/`, `test_kernel_ahead_of_time.py` and, on a GPU, in
`test_reparameterize_kl_gpu.py`.
"""

import shutil
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
import torch
from closeness import assert_close, error_ratio
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gencourse.kernels import reparameterize_kl
from gencourse.kernels.reparameterize_kl import op, reference
from gencourse.kernels.reparameterize_kl.op import fused
from gencourse.kernels.reparameterize_kl.reference import kl_to_standard_normal, reparameterize

SHAPES = [(1, 1), (7, 2), (13, 20), (3, 33), (2, 1000), (2, 3, 5), (5,), (0, 4), (4, 0)]


def gaussians(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(sum(shape))
    mean, log_var, noise = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    return mean.to(dtype), log_var.to(dtype), noise.to(dtype)


def hermite(nodes: int = 20) -> tuple[Tensor, Tensor]:
    """Points and weights under which a sum is the expectation over standard noise.

    Exact for polynomials of degree below twice the number of nodes.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return torch.from_numpy(points), torch.from_numpy(weights / weights.sum())


class TestSample:
    def test_sample_has_the_mean_and_the_variance_asked_for(self) -> None:
        mean, log_var, _ = gaussians(50, 1)
        noise, weights = hermite()
        z = reparameterize(mean, log_var, noise)
        torch.testing.assert_close(z @ weights, mean[:, 0])
        torch.testing.assert_close((z - mean).square() @ weights, log_var.exp()[:, 0])

    def test_gradient_through_the_sample_is_the_gradient_of_the_expectation(self) -> None:
        # E[z⁴] = μ⁴ + 6 μ² σ² + 3 σ⁴ for z ~ N(μ, σ²).
        mean, log_var, _ = (tensor.requires_grad_() for tensor in gaussians(50, 1))
        noise, weights = hermite()
        expectation = (reparameterize(mean, log_var, noise) ** 4) @ weights
        pathwise = torch.autograd.grad(expectation.sum(), (mean, log_var))
        variance = log_var.exp()
        closed_form = mean**4 + 6 * mean**2 * variance + 3 * variance**2
        exact = torch.autograd.grad(closed_form.sum(), (mean, log_var))
        torch.testing.assert_close(pathwise, exact)

    def test_without_noise_the_sample_is_the_mean(self) -> None:
        mean, log_var, noise = gaussians(7, 3)
        assert torch.equal(reparameterize(mean, log_var, torch.zeros_like(noise)), mean)


class TestDivergence:
    def test_kl_is_the_expected_log_ratio_of_the_densities(self) -> None:
        # log q - log p is quadratic in z, so the quadrature is exact.
        mean, log_var, _ = gaussians(50, 1)
        noise, weights = hermite()
        z = reparameterize(mean, log_var, noise)
        q = torch.distributions.Normal(mean, (log_var / 2).exp())
        p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        expected = (q.log_prob(z) - p.log_prob(z)) @ weights
        torch.testing.assert_close(kl_to_standard_normal(mean, log_var), expected)

    def test_kl_is_that_of_torch_distributions(self) -> None:
        mean, log_var, _ = gaussians(13, 20)
        q = torch.distributions.Normal(mean, (log_var / 2).exp())
        p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        peer = torch.distributions.kl_divergence(q, p).sum(-1)
        torch.testing.assert_close(kl_to_standard_normal(mean, log_var), peer)

    def test_kl_of_independent_dimensions_adds_up(self) -> None:
        mean, log_var, _ = gaussians(13, 20)
        parts = torch.stack(
            [kl_to_standard_normal(mean[:, i : i + 1], log_var[:, i : i + 1]) for i in range(20)]
        )
        torch.testing.assert_close(parts.sum(0), kl_to_standard_normal(mean, log_var))

    def test_kl_is_zero_at_the_prior(self) -> None:
        assert torch.equal(
            kl_to_standard_normal(torch.zeros(4, 3), torch.zeros(4, 3)), torch.zeros(4)
        )

    @settings(deadline=None)
    @given(
        st.floats(-80, 80, width=32, allow_subnormal=False),
        st.floats(-80, 80, width=32, allow_subnormal=False),
    )
    def test_kl_is_never_negative(self, mean: float, log_var: float) -> None:
        assert kl_to_standard_normal(torch.tensor([mean]), torch.tensor([log_var])) >= 0

    def test_kl_near_the_prior_keeps_digits_that_the_textbook_formula_loses(self) -> None:
        # A collapsed dimension: the encoder says almost exactly what the prior says.
        log_var = torch.logspace(-4, -2, 200)[:, None]
        log_var = torch.cat([log_var, -log_var])
        mean = torch.zeros_like(log_var)
        with localcontext() as context:
            context.prec = 40
            exact = [Decimal(value) for value in log_var.double().flatten().tolist()]
            truth = torch.tensor([float((x.exp() - 1 - x) / 2) for x in exact], dtype=torch.float64)
        textbook = (mean**2 + log_var.exp() - 1 - log_var).sum(-1) / 2
        assert (textbook < 0).any()
        assert error_ratio(textbook, truth) > 10 * error_ratio(
            kl_to_standard_normal(mean, log_var), truth
        )
        # The error left over is one rounding of log σ² itself.
        error = (kl_to_standard_normal(mean, log_var).double() - truth).abs()
        assert (error <= torch.finfo(torch.float32).eps * log_var.abs().flatten()).all()


class TestReference:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_gradients_are_those_of_autograd(self, shape: tuple[int, ...]) -> None:
        mean, log_var, noise = gaussians(*shape)
        grad_z, grad_kl = torch.randn_like(mean), torch.randn_like(mean[..., :1].sum(-1))
        leaves = (mean.requires_grad_(), log_var.requires_grad_())
        outputs = reference.reparameterize_kl(mean, log_var, noise)
        by_autograd = torch.autograd.grad(outputs, leaves, (grad_z, grad_kl))
        written_out = reference.gradients(grad_z, grad_kl, mean, log_var, noise)
        torch.testing.assert_close(written_out, by_autograd)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_types_are_summed_in_float32(self, dtype: torch.dtype) -> None:
        mean, log_var, noise = gaussians(4, 1000, dtype=dtype)
        z, kl = reference.reparameterize_kl(mean, log_var, noise)
        assert (z.dtype, kl.dtype) == (dtype, torch.float32)
        truth = reference.reparameterize_kl(mean.double(), log_var.double(), noise.double())
        assert_close(z, truth[0])
        assert_close(kl, truth[1])


class TestAutograd:
    def test_first_derivatives_in_both_modes(self) -> None:
        inputs = [tensor.requires_grad_() for tensor in gaussians(3, 4)]
        assert torch.autograd.gradcheck(
            fused,
            inputs,
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
        )

    def test_second_derivatives_in_both_modes(self) -> None:
        inputs = [tensor.requires_grad_() for tensor in gaussians(3, 4)]
        assert torch.autograd.gradgradcheck(
            fused, inputs, check_fwd_over_rev=True, check_batched_grad=True
        )

    @pytest.mark.parametrize("used", [0, 1], ids=["z alone", "kl alone"])
    def test_one_result_may_go_unused(self, used: int) -> None:
        mean, log_var, noise = gaussians(7, 3)
        leaves = (mean.requires_grad_(), log_var.requires_grad_())
        by_fused = torch.autograd.grad(fused(mean, log_var, noise)[used].sum(), leaves)
        by_reference = torch.autograd.grad(
            reference.reparameterize_kl(mean, log_var, noise)[used].sum(),
            leaves,
            materialize_grads=True,
        )
        torch.testing.assert_close(by_fused, by_reference)

    def test_each_operator_runs_once(self) -> None:
        mean, log_var, noise = gaussians(7, 3)
        with Operators() as operators:
            z, kl = fused(mean.requires_grad_(), log_var.requires_grad_(), noise)
            (z.sum() + kl.sum()).backward()
        assert operators.ours == ["reparameterize_kl", "reparameterize_kl_backward"]

    def test_a_gradient_to_be_differentiated_again_is_plain_pytorch(self) -> None:
        mean, log_var, noise = gaussians(7, 3)
        z, kl = fused(mean.requires_grad_(), log_var, noise)
        with Operators() as operators:
            torch.autograd.grad(z.sum() + kl.sum(), mean, create_graph=True)
        assert operators.ours == []


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


class TestOperators:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_opcheck_forward(self, shape: tuple[int, ...]) -> None:
        torch.library.opcheck(op._forward, gaussians(*shape))

    @pytest.mark.parametrize("shape", SHAPES)
    def test_opcheck_backward(self, shape: tuple[int, ...]) -> None:
        inputs = gaussians(*shape)
        torch.library.opcheck(
            op._backward, (torch.randn_like(inputs[0]), inputs[0].sum(-1), *inputs)
        )

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
    def test_opcheck_on_strides_and_types_of_every_kind(self, dtype: torch.dtype) -> None:
        turned = tuple(tensor.mT for tensor in gaussians(4, 3, 5, dtype=dtype))
        torch.library.opcheck(op._forward, turned)
        grad_z, grad_kl = torch.ones((), dtype=dtype), torch.ones(())
        torch.library.opcheck(op._backward, (grad_z.expand(4, 5, 3), grad_kl.expand(4, 5), *turned))


Function = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def loss(function: Function) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A scalar in which every derivative of both results counts, the second ones too."""

    def scalar(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
        z, kl = function(mean, log_var, noise)
        return z.sin().sum() + kl.square().sum()

    return scalar


TRANSFORMS: dict[str, Callable[[Function], Callable[..., Any]]] = {
    "grad": lambda f: torch.func.grad(loss(f), argnums=(0, 1, 2)),
    "vjp": lambda f: lambda *inputs: torch.func.vjp(f, *inputs)[1](f(*inputs)),
    "jvp": lambda f: lambda *inputs: torch.func.jvp(f, inputs, inputs),
    "jacrev": lambda f: torch.func.jacrev(f, argnums=(0, 1, 2)),
    "jacfwd": lambda f: torch.func.jacfwd(f, argnums=(0, 1, 2)),
    "hessian": lambda f: torch.func.hessian(loss(f), argnums=(0, 1, 2)),
    "vmap": lambda f: torch.func.vmap(f),
    "vmap over columns": lambda f: torch.func.vmap(f, in_dims=1, out_dims=(1, 0)),
    "gradients per example": lambda f: torch.func.vmap(torch.func.grad(loss(f), argnums=(0, 1))),
    "linearize": lambda f: lambda *inputs: torch.func.linearize(f, *inputs)[1](*inputs),
    "grad through a closure": lambda f: (
        lambda mean, log_var, noise: torch.func.grad(
            lambda shift: loss(f)(mean + shift, log_var, noise)
        )(torch.zeros((), dtype=mean.dtype))
    ),
}


class TestTransforms:
    @pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
    def test_transform_of_the_fused_operation_is_that_of_the_reference(
        self, transform: Callable[[Function], Callable[..., Any]]
    ) -> None:
        inputs = gaussians(5, 3)
        torch.testing.assert_close(
            transform(fused)(*inputs), transform(reference.reparameterize_kl)(*inputs)
        )

    def test_a_directional_derivative_is_not_silently_zero(self) -> None:
        mean, log_var, noise = gaussians(5, 3)
        _, (dz, dkl) = torch.func.jvp(
            lambda mean: fused(mean, log_var, noise), (mean,), (torch.ones_like(mean),)
        )
        torch.testing.assert_close(dz, torch.ones_like(mean))
        torch.testing.assert_close(dkl, mean.sum(-1))

    def test_batched_gradients_of_a_recorded_graph(self) -> None:
        mean, log_var, noise = gaussians(5, 3)
        _, kl = fused(mean.requires_grad_(), log_var, noise)
        (jacobian,) = torch.autograd.grad(
            kl, mean, torch.eye(5, dtype=torch.float64), is_grads_batched=True
        )
        torch.testing.assert_close(jacobian.sum(0), mean.detach())


class TestCompile:
    def test_compiles_to_one_graph_that_calls_each_operator_once(self) -> None:
        graphs: list[list[str]] = []
        compiled = torch.compile(fused, fullgraph=True, backend=recording_backend(graphs))
        mean, log_var, noise = gaussians(7, 3)
        leaves = (mean.requires_grad_(), log_var.requires_grad_())
        by_compiled = torch.autograd.grad(loss(compiled)(mean, log_var, noise), leaves)
        by_reference = torch.autograd.grad(
            loss(reference.reparameterize_kl)(mean, log_var, noise), leaves
        )
        torch.testing.assert_close(by_compiled, by_reference)
        assert graphs == [["reparameterize_kl"], ["reparameterize_kl_backward"]]

    def test_compiles_for_a_batch_whose_size_changes(self) -> None:
        compiled = torch.compile(fused, fullgraph=True, dynamic=True, backend="aot_eager")
        for rows in (5, 9, 2):
            inputs = gaussians(rows, 3)
            torch.testing.assert_close(compiled(*inputs), reference.reparameterize_kl(*inputs))

    def test_compiles_under_a_transform(self) -> None:
        inputs = gaussians(5, 3)
        gradient = torch.func.grad(loss(fused), argnums=(0, 1))
        compiled = torch.compile(gradient, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(*inputs), gradient(*inputs))

    @pytest.mark.parametrize("impl", ["auto", "reference", "compile"])
    def test_the_public_function_compiles_to_one_graph(self, impl: Any) -> None:
        inputs = gaussians(5, 3)
        compiled = torch.compile(
            lambda *tensors: reparameterize_kl(*tensors, impl=impl),
            fullgraph=True,
            backend="aot_eager",
        )
        torch.testing.assert_close(compiled(*inputs), reference.reparameterize_kl(*inputs))


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


class TestPublicFunction:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_reference_is_what_auto_runs_on_a_cpu(self, shape: tuple[int, ...]) -> None:
        inputs = gaussians(*shape)
        by_auto, by_name = reparameterize_kl(*inputs), reparameterize_kl(*inputs, impl="reference")
        assert all(map(torch.equal, by_auto, by_name))

    @pytest.mark.slow
    @pytest.mark.skipif(
        not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))), reason="no C++ compiler"
    )
    def test_compile_agrees_with_the_reference(self) -> None:
        mean, log_var, noise = gaussians(13, 20, dtype=torch.float32)
        leaves = (mean.requires_grad_(), log_var.requires_grad_())
        z, kl = reparameterize_kl(mean, log_var, noise, impl="compile")
        truth = reference.reparameterize_kl(mean.double(), log_var.double(), noise.double())
        assert_close(z, truth[0])
        assert_close(kl, truth[1])
        gradients = torch.autograd.grad(z.sum() + kl.sum(), leaves)
        exact = torch.autograd.grad(truth[0].sum() + truth[1].sum(), leaves)
        for gradient, expected in zip(gradients, exact, strict=True):
            assert_close(gradient, expected.double())

    def test_a_nan_is_not_hidden(self) -> None:
        mean, log_var, noise = gaussians(4, 3)
        mean[2, 1] = float("nan")
        _, kl = reparameterize_kl(mean, log_var, noise)
        assert kl.isnan().tolist() == [False, False, True, False]

    def test_a_variance_beyond_float32_is_infinite_and_not_nan(self) -> None:
        mean, log_var, noise = torch.zeros(1, 1), torch.full((1, 1), 89.0), torch.ones(1, 1)
        z, kl = reparameterize_kl(mean, log_var, noise)
        assert z.isfinite()
        assert kl.isposinf()

    def test_a_variance_below_float32_leaves_the_mean(self) -> None:
        mean, log_var, noise = torch.ones(1, 1), torch.full((1, 1), -300.0), torch.ones(1, 1)
        z, kl = reparameterize_kl(mean, log_var, noise)
        assert (z.item(), kl.item()) == (1.0, 150.0)


class TestErrors:
    def test_shapes_that_differ(self) -> None:
        mean = torch.zeros(8, 4)
        with pytest.raises(
            ValueError, match=r"\(8, 4\), \(8, 8\) and \(8, 4\).*chunk\(2, dim=-1\)"
        ):
            reparameterize_kl(mean, torch.zeros(8, 8), mean)

    def test_noise_that_would_be_shared_between_examples(self) -> None:
        mean = torch.zeros(8, 4)
        with pytest.raises(ValueError, match=r"\(4,\).*share their randomness"):
            reparameterize_kl(mean, mean, torch.zeros(4))

    def test_no_latent_dimension(self) -> None:
        scalar = torch.zeros(())
        with pytest.raises(ValueError, match=r"expected \(\.\.\., d\)"):
            reparameterize_kl(scalar, scalar, scalar)

    def test_dtypes_that_differ(self) -> None:
        mean = torch.zeros(8, 4, dtype=torch.bfloat16)
        with pytest.raises(TypeError, match=r"bfloat16.*float32.*dtype=mean\.dtype"):
            reparameterize_kl(mean, mean, torch.zeros(8, 4))

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
    def test_a_dtype_without_gradients(self, dtype: torch.dtype) -> None:
        mean = torch.zeros(8, 4)
        with pytest.raises(TypeError, match=rf"log_var has dtype {dtype}.*log_var\.float\(\)"):
            reparameterize_kl(mean, torch.zeros(8, 4, dtype=dtype), mean)

    def test_devices_that_differ(self) -> None:
        mean = torch.zeros(8, 4, device="meta")
        with pytest.raises(ValueError, match=r"meta, meta and cpu.*noise\.to\(mean\.device\)"):
            reparameterize_kl(mean, mean, torch.zeros(8, 4))

    def test_something_that_is_no_tensor(self) -> None:
        mean = torch.zeros(8, 4)
        with pytest.raises(TypeError, match=r"noise is a float; expected a torch\.Tensor"):
            reparameterize_kl(mean, mean, 1.0)  # type: ignore[arg-type]
