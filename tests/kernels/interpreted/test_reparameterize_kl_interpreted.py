"""The Triton kernels, one program after another on a CPU, against float64 mathematics."""

from decimal import Decimal, localcontext

import pytest
import torch
from closeness import assert_close
from torch import Tensor

from gencourse.kernels import reparameterize_kl
from gencourse.kernels.reparameterize_kl import op, reference, triton

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
# One row, prime numbers of rows, one column, sizes beside a power of two, several tiles of rows
# (1031 × 1), several tiles of columns (2 × 1500), leading dimensions, none, and nothing at all.
SHAPES = [
    *[(1, 1), (1031, 1), (7, 2), (127, 20), (37, 33), (3, 1000), (2, 1500)],
    *[(2, 3, 5), (5,), (0, 4), (4, 0)],
]


def inputs(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(sum(shape))
    mean, log_var, noise = torch.randn(3, *shape, generator=generator).to(dtype)
    return mean, log_var, noise


def double(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.double() for tensor in tensors)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    arguments = inputs(shape, dtype)
    z, kl = triton.forward(*arguments)
    true_z, true_kl = reference.reparameterize_kl(*double(*arguments))
    assert z.dtype == dtype
    assert kl.dtype == torch.promote_types(dtype, torch.float32)
    if z.numel() == 0:
        assert z.shape == true_z.shape
        assert torch.equal(kl.double(), true_kl)
        return
    assert_close(z, true_z)
    assert_close(kl, true_kl)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_backward(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    mean, log_var, noise = inputs(shape, dtype)
    generator = torch.Generator().manual_seed(1)
    grad_z = torch.randn(shape, generator=generator).to(dtype)
    grad_kl = torch.randn(shape[:-1], generator=generator)
    grad_kl = grad_kl.to(torch.promote_types(dtype, torch.float32))
    arguments = (grad_z, grad_kl, mean, log_var, noise)
    for gradient, truth in zip(
        triton.backward(*arguments), reference.gradients(*double(*arguments)), strict=True
    ):
        assert gradient.dtype == dtype
        assert gradient.shape == truth.shape
        if gradient.numel() > 0:
            assert_close(gradient, truth)


def test_kl_near_the_prior_keeps_its_digits() -> None:
    log_var = torch.logspace(-8, 1, 500)[:, None]
    log_var = torch.cat([log_var, -log_var])
    zeros = torch.zeros_like(log_var)
    with localcontext() as context:
        context.prec = 60
        for dtype in (torch.float32, torch.float64):
            exact = [Decimal(value) for value in log_var.to(dtype).double().flatten().tolist()]
            truth = torch.tensor([float((x.exp() - 1 - x) / 2) for x in exact], dtype=torch.float64)
            _, kl = triton.forward(zeros.to(dtype), log_var.to(dtype), zeros.to(dtype))
            assert ((kl.double() - truth).abs() <= 10 * torch.finfo(dtype).eps * truth).all()


def test_rows_know_nothing_of_each_other() -> None:
    mean, log_var, noise = inputs((127, 20), torch.float32)
    mean[50] = float("nan")
    z, kl = triton.forward(mean, log_var, noise)
    order = torch.randperm(127, generator=torch.Generator().manual_seed(0))
    z_, kl_ = triton.forward(mean[order], log_var[order], noise[order])
    torch.testing.assert_close(z_, z[order], rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(kl_, kl[order], rtol=0, atol=0, equal_nan=True)
    assert kl.isnan().nonzero().tolist() == [[50]]


def test_inputs_may_have_any_strides() -> None:
    turned = tuple(tensor.mT for tensor in inputs((3, 7, 5), torch.float64))
    torch.testing.assert_close(triton.forward(*turned), reference.reparameterize_kl(*turned))
    gradients = (torch.ones((), dtype=torch.float64).expand(3, 5, 7), turned[0].sum(-1))
    torch.testing.assert_close(
        triton.backward(*gradients, *turned), reference.gradients(*gradients, *turned)
    )


def test_a_large_variance_overflows_as_the_reference_does() -> None:
    log_var = torch.tensor([[89.0], [200.0], [-300.0]])
    arguments = (torch.ones_like(log_var), log_var, torch.ones_like(log_var))
    torch.testing.assert_close(triton.forward(*arguments), reference.reparameterize_kl(*arguments))


def test_the_public_function_runs_the_kernels() -> None:
    arguments = [tensor.requires_grad_() for tensor in inputs((3, 4), torch.float64)]
    assert torch.autograd.gradcheck(
        lambda *tensors: reparameterize_kl(*tensors, impl="triton"),
        arguments,
        check_forward_ad=True,
        check_batched_grad=True,
    )
    assert torch.autograd.gradgradcheck(
        lambda *tensors: reparameterize_kl(*tensors, impl="triton"), arguments
    )


def test_opcheck() -> None:
    arguments = inputs((7, 5), torch.float32)
    torch.library.opcheck(op._forward, arguments)
    torch.library.opcheck(op._backward, (arguments[0], arguments[1].sum(-1), *arguments))
