"""Truths of the continuous flow, most of them on the linear equation, whose solution is known.

For dx/dt = A x the way from 0 to 1 is the matrix exponential of A, and the logarithm of its
determinant is tr A, to the last digit.
"""

from itertools import product

import pytest
import torch
from torch import nn

from gencourse.evaluation.quadrature import log_normaliser
from gencourse.families.continuous_flow import (
    Continuous,
    ContinuousFlow,
    Velocity,
    hutchinson_trace,
    trace,
)
from gencourse.nn import MLP

A = torch.tensor([[0.3, -1.0, 0.2], [0.9, -0.4, 0.0], [0.1, 0.5, 0.6]], dtype=torch.float64)
SIGNS = torch.tensor(list(product((-1.0, 1.0), repeat=3)), dtype=torch.float64)


class Linear(nn.Module):
    """v(t, x) = A x, or (1 + cos t) A x with `wavering`."""

    def __init__(self, wavering=False):
        super().__init__()
        self.wavering = wavering
        self.weight = nn.Parameter(A.clone())

    def forward(self, t, x):
        return (1 + t.cos() if self.wavering else 1) * (x @ self.weight.T)


def points(n=5):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def network(features=3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Velocity(MLP(features + 1, 16, features)).double()


def velocities(n=5):
    x = points(n).requires_grad_()
    return x, network()(torch.tensor(0.3, dtype=torch.float64), x)


def test_linear_equation_grows_volume_by_its_trace():
    transform = Continuous(Linear(), steps=50)
    x = points()
    z, log_det = transform(x)
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(A).T, rtol=0, atol=1e-7)
    torch.testing.assert_close(log_det, A.trace().expand(5), rtol=0, atol=1e-12)


def test_velocity_may_change_with_time():
    """∫₀¹ (1 + cos t) dt = 1 + sin 1, in the exponent and in the log-determinant."""
    factor = 1 + torch.tensor(1.0, dtype=torch.float64).sin()
    transform = Continuous(Linear(wavering=True), steps=50)
    z, log_det = transform(points())
    expected = points() @ torch.linalg.matrix_exp(factor * A).T
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(log_det, (factor * A.trace()).expand(5), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("rk4", 4)])
def test_solvers_have_their_order(solver, order):
    """Twice the steps, an error 2^order times smaller, in the points and in the density."""
    velocity, x = network(), points()
    with torch.no_grad():
        truth = Continuous(velocity, steps=256)(x)
        errors = []
        for steps in (8, 16):
            found = Continuous(velocity, steps, solver)(x)
            errors.append([(a - b).abs().max() for a, b in zip(found, truth, strict=True)])
    for coarse, fine in zip(*errors, strict=True):
        assert float((coarse / fine).log2()) == pytest.approx(order, abs=0.25)


def test_trace_is_that_of_the_jacobian():
    x, v = velocities()
    jacobians = [
        torch.autograd.functional.jacobian(
            lambda row: network()(torch.tensor(0.3, dtype=torch.float64), row[None])[0], row
        )
        for row in x.detach()
    ]
    torch.testing.assert_close(trace(x, v), torch.stack([j.trace() for j in jacobians]))


def test_hutchinson_averages_to_the_trace():
    """Over all eight vectors of signs the mean is exact: no sampling is left."""
    x, v = velocities()
    estimates = torch.stack([hutchinson_trace(x, v, signs.expand(5, 3)) for signs in SIGNS])
    torch.testing.assert_close(estimates.mean(dim=0), trace(x, v))
    assert (estimates.std(dim=0) > 1e-3).all()


def test_hutchinson_is_exact_for_a_diagonal_jacobian():
    """ε_i² = 1: with random signs only what is off the diagonal makes noise."""
    x = points().requires_grad_()
    v = x.sin()
    for signs in SIGNS:
        torch.testing.assert_close(hutchinson_trace(x, v, signs.expand(5, 3)), trace(x, v))


def test_loss_is_right_on_average():
    """Over all vectors of signs the log-determinant of the whole way averages to the exact one."""
    transform = Continuous(network(), steps=4)
    x = points()
    with torch.no_grad():
        z, exact = transform(x)
        noisy = [transform(x, signs.expand(5, 3)) for signs in SIGNS]
    for place, _ in noisy:
        torch.testing.assert_close(place, z)
    torch.testing.assert_close(torch.stack([log_det for _, log_det in noisy]).mean(0), exact)


def test_loss_trains_and_repeats_with_its_generator():
    flow = ContinuousFlow(Continuous(network(), steps=4), features=3)
    losses = [flow.loss(points(), generator=torch.Generator().manual_seed(k)) for k in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    gradients = torch.autograd.grad(losses[0], list(flow.parameters()))
    assert all(g.isfinite().all() for g in gradients)
    assert any(g.abs().max() > 1e-4 for g in gradients)


def test_density_integrates_to_one():
    flow = ContinuousFlow(Continuous(network(2), steps=8), features=2)
    assert flow.likelihood == "exact"
    with torch.no_grad():
        log_mass = log_normaliser(lambda x: -flow.log_prob(x), 2, extent=7.0, points=80)
    assert float(log_mass) == pytest.approx(0, abs=1e-3)


def test_log_prob_needs_no_gradient_and_gives_one_when_asked():
    flow = ContinuousFlow(Continuous(network(), steps=2), features=3)
    with torch.no_grad():
        assert not flow.log_prob(points()).requires_grad
    x = points().requires_grad_()
    (score,) = torch.autograd.grad(flow.log_prob(x).sum(), x)
    step = 1e-5 * torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        by_difference = [(flow.log_prob(x + h) - flow.log_prob(x - h)) / 2e-5 for h in step]
    torch.testing.assert_close(score, torch.stack(by_difference, dim=1), rtol=1e-6, atol=1e-6)


def test_sampling_follows_the_equation_back():
    """Without the trace, to the same points; and they are carried to the noise they came from."""
    flow = ContinuousFlow(Continuous(network(), steps=16), features=3)
    x = flow.sample(5, generator=torch.Generator().manual_seed(1))
    noise = flow.base.sample(5, x, torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(x, flow.transform.inverse(noise)[0])
        torch.testing.assert_close(flow.transform(x)[0], noise, rtol=0, atol=1e-4)


def test_unknown_solver_and_no_steps_are_refused():
    with pytest.raises(ValueError, match=r"solvers \['euler', 'rk4'\]; got 'heun'"):
        Continuous(network(), steps=4, solver="heun")
    with pytest.raises(ValueError, match="at least one step; got 0"):
        Continuous(network(), steps=0)


def test_condition_and_bad_points_are_refused():
    flow = ContinuousFlow(Continuous(network(), steps=2), features=3)
    with pytest.raises(ValueError, match=r"models p\(x\), not"):
        flow.loss(points(), condition=torch.zeros(5))
    with pytest.raises(ValueError, match=r"shape \(B, 3\); got \(5, 2\)"):
        flow.loss(points()[:, :2])
