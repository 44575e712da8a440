"""The kernels of the sample and divergence where numbers are tiny or huge, interpreted."""

from decimal import Decimal, localcontext

import torch

from gencourse.kernels.reparameterize_kl import reference, triton


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


def test_a_large_variance_overflows_as_the_reference_does() -> None:
    log_var = torch.tensor([[89.0], [200.0], [-300.0]])
    arguments = (torch.ones_like(log_var), log_var, torch.ones_like(log_var))
    torch.testing.assert_close(triton.forward(*arguments), reference.reparameterize_kl(*arguments))
