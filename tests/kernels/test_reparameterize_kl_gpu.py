"""What only a GPU can show: `pytest -m gpu tests/kernels`."""

from typing import Any

import pytest
import torch
from closeness import assert_close
from torch import Tensor

from gencourse.kernels import dispatch, reparameterize_kl
from gencourse.kernels.reparameterize_kl import op, reference

pytestmark = pytest.mark.gpu

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
SHAPES = [
    *[(1, 1), (1031, 1), (4099, 2), (128, 20), (127, 33), (37, 1000), (5, 5000)],
    *[(2, 3, 5), (5,), (0, 4), (4, 0), (100_003, 64)],
]


def inputs(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(sum(shape))
    mean, log_var, noise = torch.randn(3, *shape, generator=generator, device="cuda").to(dtype)
    return mean, log_var, noise


def test_auto_is_the_kernel() -> None:
    assert dispatch.choose("auto", torch.device("cuda", 0)) == "triton"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_backward(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    mean, log_var, noise = inputs(shape, dtype)
    leaves = (mean.requires_grad_(), log_var.requires_grad_())
    outputs = reparameterize_kl(mean, log_var, noise, impl="triton")
    weights = [torch.randn_like(output) for output in outputs]
    gradients = torch.autograd.grad(outputs, leaves, weights)

    doubles = [tensor.detach().double().requires_grad_() for tensor in (mean, log_var, noise)]
    true_outputs = reference.reparameterize_kl(*doubles)
    true_gradients = torch.autograd.grad(
        true_outputs, doubles[:2], [weight.double() for weight in weights]
    )
    for answer, truth in zip((*outputs, *gradients), (*true_outputs, *true_gradients), strict=True):
        assert answer.shape == truth.shape
        if answer.numel() > 0:
            assert_close(answer, truth)


def test_same_input_same_bits() -> None:
    arguments = inputs((4099, 20), torch.float32)
    first, second = reparameterize_kl(*arguments), reparameterize_kl(*arguments)
    assert all(map(torch.equal, first, second))


def test_the_host_never_waits() -> None:
    mean, log_var, noise = inputs((128, 20), torch.float32)

    def step() -> None:
        z, kl = reparameterize_kl(mean.requires_grad_(), log_var, noise)
        (z.sum() + kl.sum()).backward()

    step()  # The first call compiles and loads, and may wait.
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_opcheck() -> None:
    arguments = inputs((127, 20), torch.float32)
    torch.library.opcheck(op._forward, arguments)
    torch.library.opcheck(op._backward, (arguments[0], arguments[1].sum(-1), *arguments))


def test_gradcheck() -> None:
    arguments = [tensor.requires_grad_() for tensor in inputs((3, 4), torch.float64)]
    assert torch.autograd.gradcheck(reparameterize_kl, arguments, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(reparameterize_kl, arguments)


@pytest.mark.parametrize("impl", ["auto", "triton", "compile"])
def test_compiles_to_one_graph(impl: Any) -> None:
    arguments = inputs((127, 20), torch.float32)
    compiled = torch.compile(
        lambda *tensors: reparameterize_kl(*tensors, impl=impl), fullgraph=True
    )
    true_z, true_kl = reference.reparameterize_kl(*(tensor.double() for tensor in arguments))
    z, kl = compiled(*arguments)
    assert_close(z, true_z)
    assert_close(kl, true_kl)
