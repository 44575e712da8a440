r"""The continuous flow (Chen et al., 2018; Grathwohl et al., 2019): a velocity instead of layers.

Data is carried to noise by an ordinary differential equation, dx/dt = v(t, x) for t from 0 to 1.
Any smooth network will do for v: the solution can be followed back, whatever v is. Along the way

    d/dt log p(t, x(t)) = -tr ∂v/∂x (t, x(t)),

so the log-determinant of the whole way is the integral of the trace, ∫₀¹ tr ∂v/∂x dt. The trace
costs D products of a vector with the Jacobian, or one on average: for noise ε with E[ε εᵀ] = I,

    tr A = E[εᵀ A ε]                                               (Hutchinson, 1990).

The integral is taken with N equal steps of a Runge-Kutta method, so the density that `log_prob`
gives is exact up to the method's error: of the order of h for Euler, of h⁴ for RK4, h = 1/N.

Shapes: B points in a batch, D coordinates. Times are scalars.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from gencourse.families.flow import Flow, StandardNormal
from gencourse.families.inputs import check_batch, refuse_condition
from gencourse.nn.transforms import Transform

__all__ = ["Continuous", "ContinuousFlow", "Velocity", "hutchinson_trace", "integrate", "trace"]


class Velocity(nn.Module):
    """v(t, x): a network that reads the point and the time, (B, D+1) to (B, D)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity (B, D) at time t, a scalar, and the points x (B, D)."""
        velocity: Tensor = self.network(torch.cat([x, t.expand(len(x), 1)], dim=1))
        return velocity


def trace(x: Tensor, v: Tensor) -> Tensor:
    """tr ∂v/∂x, (B,), of velocities v (B, D) that were computed from x (B, D): D backward passes.

    Row i of v must depend on row i of x alone, as it does in a network without batch statistics.
    """
    rows = [
        torch.autograd.grad(v[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(v.shape[1])
    ]
    return torch.stack(rows).sum(dim=0)


def hutchinson_trace(x: Tensor, v: Tensor, noise: Tensor) -> Tensor:
    """εᵀ (∂v/∂x) ε, (B,), whose mean over the noise (B, D) is the trace: one backward pass."""
    (product,) = torch.autograd.grad(v, x, grad_outputs=noise, create_graph=True)
    return (product * noise).sum(dim=1)


class Continuous(Transform):
    """The map from x(0) to x(1) along dx/dt = v(t, x), in N steps of Euler's method or of RK4.

    velocity: a module from a time (scalar) and points (B, D) to velocities (B, D). Back is the same
    equation with time reversed, so the two directions undo each other up to the solver's error.
    """

    def __init__(self, velocity: nn.Module, steps: int, solver: str = "rk4") -> None:
        super().__init__()
        if solver not in STAGES:
            raise ValueError(f"There are the solvers {sorted(STAGES)}; got {solver!r}.")
        if steps < 1:
            raise ValueError(f"The way from 0 to 1 takes at least one step; got {steps}.")
        self.velocity = velocity
        self.steps = steps
        self.solver = solver

    def forward(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x(1), (B, D), and the log-determinant (B,): exact trace, or Hutchinson's with `noise`."""
        return self._with_volume(x, 0.0, 1.0, noise)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self._with_volume(y, 1.0, 0.0, None)

    def follow(self, x: Tensor, start: float, end: float) -> Tensor:
        """Where the points x (B, D) of time `start` are at `end`, (B, D): no trace is computed."""

        def rates(t: float, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (self.velocity(x.new_tensor(t), *state),)

        (x,) = integrate(rates, (x,), start, end, self.steps, self.solver)
        return x

    def _with_volume(
        self, x: Tensor, start: float, end: float, noise: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        differentiable = torch.is_grad_enabled()

        def rates(t: float, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            place, _ = state
            with torch.enable_grad():
                place = place if place.requires_grad else place.detach().requires_grad_()
                v = self.velocity(place.new_tensor(t), place)
                growth = trace(place, v) if noise is None else hutchinson_trace(place, v, noise)
            return (v, growth) if differentiable else (v.detach(), growth.detach())

        state = (x, x.new_zeros(len(x)))
        x, log_det = integrate(rates, state, start, end, self.steps, self.solver)
        return x, log_det


# Each stage of a Runge-Kutta method: where in the step it looks, and its weight in the sum.
STAGES = {
    "euler": ((0.0, 1.0),),
    "rk4": ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)),
}


def integrate(
    rates: Callable[[float, tuple[Tensor, ...]], tuple[Tensor, ...]],
    state: tuple[Tensor, ...],
    start: float,
    end: float,
    steps: int,
    solver: str,
) -> tuple[Tensor, ...]:
    """Follow d(state)/dt = rates(t, state) from `start` to `end` in equal Runge-Kutta steps.

    state: tensors of any shapes; rates returns as many, of the same shapes.
    """
    h = (end - start) / steps
    for step in range(steps):
        t, total = start + step * h, [torch.zeros_like(part) for part in state]
        found = tuple(total)
        for share, weight in STAGES[solver]:
            place = tuple(a + share * h * b for a, b in zip(state, found, strict=True))
            found = rates(t + share * h, place)
            total = [a + weight * b for a, b in zip(total, found, strict=True)]
        state = tuple(a + h * b for a, b in zip(state, total, strict=True))
    return state


class ContinuousFlow(Flow):
    """A flow whose transform is an ODE, trained with one draw of Hutchinson's trace (FFJORD)."""

    transform: Continuous

    def __init__(self, transform: Continuous, features: int) -> None:
        super().__init__(transform, StandardNormal(features))

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """An unbiased estimate of the mean of -log p(x): a scalar in nats.

        One ε of random signs for each point is kept for the whole way, so that the solver sees a
        smooth equation.
        """
        refuse_condition(condition, self)
        check_batch(x, (self.base.features,), self)
        half = torch.full_like(x, 0.5)
        noise = 2 * torch.bernoulli(half, generator=generator) - 1
        z, log_det = self.transform.forward(x, noise)
        return -(self.base.log_prob(z) + log_det).mean()

    @torch.no_grad()
    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n draws, (n, D): noise followed back from time 1 to time 0."""
        refuse_condition(condition, self)
        z = self.base.sample(n, next(self.parameters()), generator)
        return self.transform.follow(z, 1.0, 0.0)
