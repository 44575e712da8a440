"""Truths of the targets in the plane. A new target is tested by being listed in `TARGETS`."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from gencourse.data.targets import (
    TARGETS,
    Checkerboard,
    EightGaussians,
    Pinwheel,
    Ring,
    Target,
    TwoMoons,
    _rotate,
)

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=lambda t: t.name)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plane(target: Target, points_per_axis: int) -> tuple[torch.Tensor, float]:
    """Midpoints of a square grid over the target's extent, (n, n, 2), and the area of a cell."""
    step = 2 * target.extent / points_per_axis
    axis = -target.extent + step * (torch.arange(points_per_axis, dtype=torch.float64) + 0.5)
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1), step**2


def cell_probabilities(target: Target, cells: int, points_per_cell: int = 15) -> torch.Tensor:
    """Integrate the density over each cell of a cells × cells board, (cells, cells)."""
    x, area = plane(target, cells * points_per_cell)
    density = target.log_prob(x).exp() * area
    return density.reshape(cells, points_per_cell, cells, points_per_cell).sum((1, 3))


def chi_square_p_value(target: Target, samples: torch.Tensor, cells: int = 16) -> float:
    """Pearson's test that `samples` follow the target's density, on the cells of a board.

    Cells that expect fewer than ten points are pooled, together with the world outside the board.
    """
    expected = len(samples) * cell_probabilities(target, cells).flatten()
    edge = np.linspace(-target.extent, target.extent, cells + 1)
    observed = torch.from_numpy(np.histogram2d(*samples.numpy().T, bins=[edge, edge])[0]).flatten()
    frequent = expected >= 10
    expected = torch.cat([expected[frequent], len(samples) - expected[frequent].sum().view(1)])
    observed = torch.cat([observed[frequent], len(samples) - observed[frequent].sum().view(1)])
    if expected[-1] < 1:  # nothing was pooled that could be tested
        expected, observed = expected[:-1], observed[:-1]
        expected = expected * observed.sum() / expected.sum()
    return float(stats.chisquare(observed.numpy(), expected.numpy()).pvalue)


@every_target
def test_density_integrates_to_one(target: Target) -> None:
    x, area = plane(target, 240)
    assert math.isclose(float(target.log_prob(x).exp().sum() * area), 1.0, abs_tol=1e-6)


@every_target
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-3)])
def test_score_is_gradient_of_log_density(
    target: Target, dtype: torch.dtype, tolerance: float
) -> None:
    # The whole square, not only where samples fall: a sampler starts where there is no data.
    x = plane(target, 40)[0].reshape(-1, 2).to(dtype).requires_grad_()
    (gradient,) = torch.autograd.grad(target.log_prob(x).sum(), x)
    torch.testing.assert_close(target.score(x), gradient, rtol=tolerance, atol=tolerance)


@every_target
def test_score_averages_to_zero_under_the_target(target: Target) -> None:
    # E[∇ log p] = ∫ ∇p = 0 for any density that vanishes at infinity.
    x, area = plane(target, 240)
    mean_score = (target.log_prob(x).exp().unsqueeze(-1) * target.score(x)).sum((0, 1)) * area
    torch.testing.assert_close(mean_score, torch.zeros_like(mean_score), rtol=0, atol=1e-5)


@every_target
def test_samples_follow_the_density(target: Target) -> None:
    assert chi_square_p_value(target, target.sample(20_000, generator())) > 0.01


@pytest.mark.parametrize(
    ("target", "impostor"),
    [
        (Ring(), Ring(noise=0.18)),
        (EightGaussians(), EightGaussians(noise=0.22)),
        (TwoMoons(), TwoMoons(radius=1.33)),
        (Checkerboard(), Checkerboard(noise=0.1)),
        (Pinwheel(), Pinwheel(twist=0.32)),
    ],
    ids=lambda t: t.name,
)
def test_two_sample_test_notices_a_slightly_wrong_density(target: Target, impostor: Target) -> None:
    assert chi_square_p_value(target, impostor.sample(20_000, generator())) < 1e-4


@every_target
def test_mean_log_density_of_samples_is_minus_the_entropy(target: Target) -> None:
    x, area = plane(target, 240)
    log_p = target.log_prob(x)
    entropy = -float((log_p.exp() * log_p).sum() * area)
    at_samples = target.log_prob(target.sample(20_000, generator()))
    standard_error = float(at_samples.std()) / math.sqrt(20_000)
    assert abs(float(at_samples.mean()) + entropy) < 4 * standard_error


@every_target
def test_the_same_generator_state_draws_the_same_points(target: Target) -> None:
    first, again = target.sample(50, generator(3)), target.sample(50, generator(3))
    assert torch.equal(first, again)
    assert not torch.equal(first, target.sample(50, generator(4)))


@every_target
def test_shapes_and_precision_follow_the_input(target: Target) -> None:
    assert target.sample(7, generator()).shape == (7, 2)
    assert target.sample(0, generator()).shape == (0, 2)
    for dtype in (torch.float32, torch.float64):
        x = target.sample(12, generator()).to(dtype).reshape(3, 4, 2)
        assert target.log_prob(x).shape == (3, 4)
        assert target.score(x).shape == (3, 4, 2)
        assert target.log_prob(x).dtype == target.score(x).dtype == dtype


@every_target
def test_single_precision_agrees_with_double(target: Target) -> None:
    x = target.sample(2_000, generator())
    torch.testing.assert_close(
        target.log_prob(x).double(), target.log_prob(x.double()), rtol=1e-4, atol=1e-4
    )


@every_target
def test_log_density_and_score_stay_finite_far_away(target: Target) -> None:
    x = torch.tensor([[0.0, 0.0], [20.0, -20.0], [-1e-9, 0.0], [0.0, 8.0]])
    assert target.log_prob(x).isfinite().all()
    assert target.score(x).isfinite().all()


@every_target
def test_wrong_inputs_are_explained(target: Target) -> None:
    with pytest.raises(ValueError, match="transposed"):
        target.log_prob(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"shape \(B, 2\).*got \(5, 3\)"):
        target.score(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"shape \(B, 2\).*got \(\)"):
        target.log_prob(torch.tensor(1.0))
    with pytest.raises(TypeError, match=r"x\.float"):
        target.log_prob(torch.zeros(5, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="n ≥ 0, got -1"):
        target.sample(-1)


def test_ring_agrees_with_adaptive_quadrature_over_the_angle() -> None:
    ring = Ring()
    for r in (0.0, 0.7, 2.0, 2.9):
        value, _ = integrate.quad(
            lambda a, r=r: math.exp(
                -((r - ring.radius * math.cos(a)) ** 2 + (ring.radius * math.sin(a)) ** 2)
                / (2 * ring.noise**2)
            ),
            0,
            math.pi,
            points=[0],
            epsabs=0,
            epsrel=1e-10,
        )
        expected = math.log(value / math.pi / (2 * math.pi * ring.noise**2))
        x = torch.tensor([0.0, r], dtype=torch.float64)
        assert math.isclose(float(ring.log_prob(x)), expected, abs_tol=1e-8)


def test_two_moons_agree_with_a_hundred_times_finer_rule_along_the_arcs() -> None:
    moons = TwoMoons()
    angle = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    upper = moons._clean(angle, torch.ones_like(angle, dtype=torch.bool))
    for point in ((0.0, 0.0), (-1.3, 0.9), (2.9, -2.9), (0.1, 2.9), (0.65, -0.33)):
        x = torch.tensor(point, dtype=torch.float64)
        squared = torch.stack([(x - arc).square().sum(-1) for arc in (upper, -upper)])
        blurred = (-squared / (2 * moons.noise**2)).exp() / (2 * math.pi * moons.noise**2)
        expected = (torch.trapezoid(blurred, angle) / math.pi).mean().log()
        torch.testing.assert_close(moons.log_prob(x), expected, rtol=0, atol=1e-6)


def test_eight_gaussians_agree_with_torch_distributions() -> None:
    target = EightGaussians()
    components = torch.distributions.Independent(
        torch.distributions.Normal(target.means, target.noise), 1
    )
    peer = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(8, dtype=torch.float64)), components
    )
    x = plane(target, 30)[0]
    torch.testing.assert_close(target.log_prob(x), peer.log_prob(x))


def test_checkerboard_is_flat_inside_a_dark_square_and_empty_inside_a_light_one() -> None:
    board = Checkerboard()
    dark, light = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, -0.5]])
    torch.testing.assert_close(board.log_prob(dark), torch.tensor([-math.log(8.0)]))
    assert float(board.log_prob(light)) < -40
    torch.testing.assert_close(board.score(dark), torch.zeros(1, 2), atol=1e-5, rtol=0)


def test_pinwheel_twist_keeps_areas() -> None:
    wheel = Pinwheel()

    def twisted(x: torch.Tensor) -> torch.Tensor:
        return _rotate(x, wheel._angle(x)[..., 2])

    for point in wheel.sample(20, generator()).double():
        jacobian = torch.autograd.functional.jacobian(twisted, point)
        torch.testing.assert_close(torch.linalg.det(jacobian), torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize("target", [Ring(), EightGaussians(), TwoMoons()], ids=lambda t: t.name)
def test_one_denoising_step_with_the_score_lands_on_the_mean_clean_point(target: Target) -> None:
    # Tweedie: x + σ² ∇ log p(x) = E[c | x], which can only lie in the convex hull of the shape.
    x = plane(target, 30)[0].reshape(-1, 2)
    clean_mean = x + target.noise**2 * target.score(x)
    reach = 2.0 if not isinstance(target, TwoMoons) else 1.3 * math.hypot(1.5, 0.75)
    assert float(clean_mean.norm(dim=-1).max()) <= reach + 1e-9
