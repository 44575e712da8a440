"""Truths of the discretised logistic mixture.

What every fused operation promises is in `test_kernel_contract.py`.
"""

import math
from decimal import Decimal, localcontext

import pytest
import torch
from torch import Tensor

from gencourse.kernels import logistic_mixture_nll
from gencourse.kernels.logistic_mixture_nll.reference import level_log_prob


def mixtures(count: int, components: int, log_scale: float) -> tuple[Tensor, Tensor, Tensor]:
    logits, means, log_scales = torch.randn(
        3, count, components, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return logits, means, log_scales + log_scale


def over_levels(parameters: tuple[Tensor, ...], levels: int) -> Tensor:
    """The probability of every level under every mixture: (levels, count)."""
    count, components = parameters[0].shape
    x = torch.arange(levels, dtype=parameters[0].dtype)[:, None].expand(levels, count)
    wide = (p.expand(levels, count, components) for p in parameters)
    return torch.exp(-logistic_mixture_nll(x, *wide, levels=levels))


@pytest.mark.parametrize("levels", [2, 3, 256])
@pytest.mark.parametrize("log_scale", [-60.0, -20.0, -7.0, -3.0, 0.0, 5.0, 20.0])
def test_probabilities_of_all_levels_sum_to_one(levels: int, log_scale: float) -> None:
    total = over_levels(mixtures(20, 5, log_scale), levels).sum(0)
    torch.testing.assert_close(total, torch.ones(20, dtype=torch.float64))


def test_probability_is_the_integral_of_the_density_over_the_level() -> None:
    # σ is the logistic distribution function; a level owns its interval, the ends own the tails.
    mean, log_scale = torch.tensor(0.1).double(), torch.tensor(-1.5).double()
    x = torch.arange(256, dtype=torch.float64)
    upper = 2 * (x + 0.5) / 255 - 1
    cdf = torch.sigmoid((upper - mean) / log_scale.exp())
    cdf[-1] = 1.0
    expected = torch.diff(cdf, prepend=torch.zeros(1, dtype=torch.float64))
    found = level_log_prob(x, mean.expand(256, 1), log_scale.expand(256, 1)).exp()[:, 0]
    torch.testing.assert_close(found, expected)


def test_far_from_the_mean_all_digits_are_kept() -> None:
    # In float64 both sigmoids are 1 here; the truth is taken with 60 digits.
    means, scales = [0.9, -0.9, 0.0], [1e-3, 1e-2, 2e-2]
    with localcontext() as context:
        context.prec = 200
        for mean, scale in zip(means, scales, strict=True):
            for x in (1, 40, 254):
                centre = Decimal(2 * x) / 255 - 1
                edges = [
                    1 / (1 + (-(centre + side - Decimal(mean)) / Decimal(scale)).exp())
                    for side in (Decimal(-1) / 255, Decimal(1) / 255)
                ]
                truth = float((edges[1] - edges[0]).ln())
                found = level_log_prob(
                    torch.tensor(float(x)).double(),
                    torch.tensor([mean], dtype=torch.float64),
                    torch.tensor([scale], dtype=torch.float64).log(),
                ).item()
                assert math.isclose(found, truth, rel_tol=1e-11)


def test_a_mixture_is_the_weighted_sum_of_its_components() -> None:
    logits, means, log_scales = mixtures(20, 5, -2.0)
    x = torch.randint(256, (20,), generator=torch.Generator().manual_seed(1)).double()
    components = level_log_prob(x, means, log_scales).exp()
    expected = -(logits.softmax(-1) * components).sum(-1).log()
    torch.testing.assert_close(logistic_mixture_nll(x, logits, means, log_scales), expected)


def test_one_component_needs_no_weight() -> None:
    _, means, log_scales = mixtures(20, 1, -2.0)
    x = torch.randint(256, (20,), generator=torch.Generator().manual_seed(1)).double()
    expected = -level_log_prob(x, means, log_scales)[:, 0]
    for logit in (0.0, 7.0):
        logits = torch.full_like(means, logit)
        torch.testing.assert_close(logistic_mixture_nll(x, logits, means, log_scales), expected)


def test_a_tiny_scale_puts_everything_on_one_level() -> None:
    # The mean lies on level 100.
    mean = torch.tensor([[2 * 100 / 255 - 1]])
    probabilities = over_levels((torch.zeros(1, 1), mean, torch.full((1, 1), -60.0)), 256)[:, 0]
    assert probabilities[100] == 1
    assert probabilities.sum() == 1


@pytest.mark.parametrize("log_scale", [-60.0, -7.0, 20.0])
def test_gradients_are_finite_at_every_level_in_float32(log_scale: float) -> None:
    x = torch.arange(256.0)
    leaves = [p.float().expand(256, 5).clone().requires_grad_() for p in mixtures(1, 5, log_scale)]
    nll = logistic_mixture_nll(x, *leaves)
    assert nll.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(nll.sum(), leaves))


def test_grey_levels_have_no_gradient() -> None:
    x = torch.arange(10.0, requires_grad=True)
    parameters = [p.float().expand(10, 5).clone().requires_grad_() for p in mixtures(1, 5, -2.0)]
    nll = logistic_mixture_nll(x, *parameters)
    (gradient,) = torch.autograd.grad(nll.sum(), x, materialize_grads=True)
    assert not gradient.any()


def test_the_gradient_of_a_mixture_moves_the_mean_towards_the_pixel() -> None:
    x = torch.tensor([20.0, 200.0])
    means = torch.zeros(2, 1, requires_grad=True)
    zeros = torch.zeros(2, 1)
    nll = logistic_mixture_nll(x, zeros, means, zeros - 1)
    (gradient,) = torch.autograd.grad(nll.sum(), means)
    assert gradient[0] > 0 > gradient[1]


class TestErrors:
    @pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 256.0)])
    def test_pixels_on_another_scale(self, low: float, high: float) -> None:
        x, table = torch.linspace(low, high, 9), torch.zeros(9, 3)
        with pytest.raises(ValueError, match=r"from 0 to 255. Were the pixels scaled"):
            logistic_mixture_nll(x, table, table, table)

    def test_a_pixel_that_is_no_number(self) -> None:
        x, table = torch.full((9,), math.nan), torch.zeros(9, 3)
        with pytest.raises(ValueError, match="expected whole numbers"):
            logistic_mixture_nll(x, table, table, table)

    def test_channels_before_height_and_width(self) -> None:
        x, table = torch.zeros(2, 28, 28), torch.zeros(2, 10, 28, 28)
        with pytest.raises(ValueError, match=r"M components behind it.*movedim\(1, -1\)"):
            logistic_mixture_nll(x, table, table, table)

    def test_too_few_levels(self) -> None:
        x, table = torch.zeros(2), torch.zeros(2, 3)
        with pytest.raises(ValueError, match="levels=1"):
            logistic_mixture_nll(x, table, table, table, levels=1)
