"""Truths of the reparameterised sample and of its divergence from the prior.

What every fused operation promises is in `test_kernel_contract.py`.
"""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from closeness import assert_close, error_ratio
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gencourse.kernels import reparameterize_kl
from gencourse.kernels.reparameterize_kl import reference
from gencourse.kernels.reparameterize_kl.reference import kl_to_standard_normal, reparameterize


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
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_types_are_summed_in_float32(self, dtype: torch.dtype) -> None:
        mean, log_var, noise = gaussians(4, 1000, dtype=dtype)
        z, kl = reference.reparameterize_kl(mean, log_var, noise)
        assert (z.dtype, kl.dtype) == (dtype, torch.float32)
        truth = reference.reparameterize_kl(mean.double(), log_var.double(), noise.double())
        assert_close(z, truth[0])
        assert_close(kl, truth[1])


class TestExtremes:
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

    def test_devices_that_differ(self) -> None:
        mean = torch.zeros(8, 4, device="meta")
        with pytest.raises(ValueError, match=r"meta, meta and cpu.*noise\.to\(mean\.device\)"):
            reparameterize_kl(mean, mean, torch.zeros(8, 4))
