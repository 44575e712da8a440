r"""The Dirac-GAN (Mescheder, Geiger and Nowozin, 2018): the whole game with two numbers.

All data are at 0, the generator puts every point at θ, and the critic is the line C(x) = ψ x. The
minimax game with the R1 penalty of weight γ moves θ down and ψ up the same value:

    V(θ, ψ) = -log 2 - softplus(ψ θ) - ½ γ ψ²
    dθ/dt = ψ sigmoid(ψ θ),     dψ/dt = -θ sigmoid(ψ θ) - γ ψ

The equilibrium is θ = ψ = 0: the points are where the data are, and the critic has no opinion.
"""

import torch
from torch import Tensor

__all__ = ["eigenvalues", "path", "velocity"]


def velocity(state: Tensor, r1_weight: float = 0.0) -> Tensor:
    """(dθ/dt, dψ/dt) for states (..., 2) that hold θ and ψ; r1_weight is γ.

    Without a penalty it is at right angles to the state, so that θ² + ψ² never changes.
    """
    theta, psi = state.unbind(dim=-1)
    pull = torch.sigmoid(psi * theta)
    return torch.stack([psi * pull, -theta * pull - r1_weight * psi], dim=-1)


def eigenvalues(r1_weight: float) -> Tensor:
    """λ = ½ (-γ ± √(γ² - 1)), of the linearised game at its equilibrium: (2,), complex.

    Near it the state is a sum of exp(λ t): an imaginary λ circles, a negative real part converges.
    """
    gamma = torch.tensor(r1_weight, dtype=torch.complex128)
    root = torch.sqrt(gamma**2 - 1)
    return torch.stack([-gamma + root, -gamma - root]) / 2


def path(
    start: tuple[float, float],
    rate: float,
    steps: int,
    r1_weight: float = 0.0,
    alternating: bool = False,
) -> Tensor:
    """Gradient descent and ascent from `start` with learning rate `rate`: (steps + 1, 2).

    Both players move at once, or, `alternating`, the critic first and the generator in answer.
    """
    state = torch.tensor(start, dtype=torch.float64)
    states = [state]
    for _ in range(steps):
        if alternating:
            critic = state[1] + rate * velocity(state, r1_weight)[1]
            after = torch.stack([state[0], critic])
            state = torch.stack([state[0] + rate * velocity(after, r1_weight)[0], critic])
        else:
            state = state + rate * velocity(state, r1_weight)
        states.append(state)
    return torch.stack(states)
