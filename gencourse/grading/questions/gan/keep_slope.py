"""keep-slope: the gradient penalty of WGAN-GP, at given places between data and forgeries.

The wrong answers are ones that people have given: the norm taken over the batch, one place for each
coordinate instead of each pair, the square taken before the one is subtracted, and a graph that was
not kept, so that the penalty has a value and teaches nothing.
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Answer, Arguments, FunctionQuestion, Misconception

__all__ = ["KEEP_SLOPE"]

WHERE = "Chapter 3, “Where the teaching stops”"


def gradient_penalty(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    """E (‖∇C(x̂)‖ − 1)² at x̂ = t real + (1 − t) fake: (B, D), (B, D), (B,) to ()."""
    slope = _slope(critic, _between(real, fake, t))
    return _mean_square(slope.norm(dim=1) - 1)


def _mean_square(x: Tensor) -> Tensor:
    return (x * x).mean()


def _between(real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    return (t[:, None] * real + (1 - t[:, None]) * fake).requires_grad_()


def _slope(critic: Answer, x: Tensor, keep: bool = True) -> Tensor:
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=keep)
    return slope


def penalty_inputs(generator: Generator) -> list[Arguments]:
    """Weights (h, D) and (h,) of a small critic, real and fake points (B, D), places t (B,)."""
    cases: list[Arguments] = [
        (
            torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]),
            torch.tensor([2.0, 1.0, -1.0]),
            torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.0, 0.0]]),
            torch.tensor([[0.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [1.0, 0.0]]),
            torch.tensor([0.0, 0.5, 0.25, 1.0]),
        )
    ]
    for hidden, rows, values, dtype in [
        (5, 3, 4, torch.float32),
        (8, 6, 2, torch.float32),
        (6, 7, 3, torch.float64),
    ]:
        first = torch.randn(hidden, values, generator=generator)
        second = torch.randn(hidden, generator=generator)
        real = torch.randn(rows, values, generator=generator)
        fake = torch.randn(rows, values, generator=generator) + 1
        t = torch.rand(rows, generator=generator)
        cases.append(tuple(x.to(dtype) for x in (first, second, real, fake, t)))
    return cases


def penalty_and_gradient(function, first, second, real, fake, t):  # type: ignore[no-untyped-def]
    """The penalty of a critic with these weights, and its gradient in them, or None without one."""
    import torch

    weights = [first.clone().requires_grad_(), second.clone().requires_grad_()]

    def critic(x):  # type: ignore[no-untyped-def]
        """One number for each point: (B, D) to (B,)."""
        return torch.tanh(x @ weights[0].to(x.dtype).T) @ weights[1].to(x.dtype)

    with torch.enable_grad():
        penalty = function(critic, real, fake, t)
    if not (isinstance(penalty, torch.Tensor) and penalty.ndim == 0 and penalty.requires_grad):
        return penalty, None
    gradients = torch.autograd.grad(penalty, weights, allow_unused=True, materialize_grads=True)
    return penalty, torch.cat([g.flatten() for g in gradients])


def penalty_with_ones(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    """The same, as it is usually written: `grad_outputs` of ones, and `lerp`."""
    x = torch.lerp(fake, real, t.unsqueeze(1)).detach().requires_grad_(True)
    out = critic(x)
    slope = torch.autograd.grad(out, x, grad_outputs=torch.ones_like(out), create_graph=True)[0]
    length: Tensor = slope.pow(2).sum(dim=1).sqrt()
    return (length - 1).pow(2).mean()


def penalty_by_vmap(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    """The same, the slope of one point at a time."""
    x = fake + t[:, None] * (real - fake)
    slope = torch.func.vmap(torch.func.grad(lambda point: critic(point[None])[0]))(x)
    length: Tensor = torch.linalg.vector_norm(slope, dim=-1)
    return (length - 1).square().sum() / len(x)


def _over_batch(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    slope = _slope(critic, _between(real, fake, t))
    return _mean_square(slope.norm() - 1)


def _of_mean(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    x = _between(real, fake, t)
    (slope,) = torch.autograd.grad(critic(x).mean(), x, create_graph=True)
    return _mean_square(slope.norm(dim=1) - 1)


def _squared_norm(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    slope = _slope(critic, _between(real, fake, t))
    return _mean_square((slope * slope).sum(dim=1) - 1)


def _no_target(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    slope = _slope(critic, _between(real, fake, t))
    return (slope * slope).sum(dim=1).mean()


def _one_sided(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    slope = _slope(critic, _between(real, fake, t))
    return _mean_square(torch.relu(slope.norm(dim=1) - 1))


def _at_data(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    return gradient_penalty(critic, real, real, t)


def _exchanged(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    return gradient_penalty(critic, fake, real, t)


def _graph_not_kept(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    slope = _slope(critic, _between(real, fake, t), keep=False)
    return _mean_square(slope.norm(dim=1) - 1)


def _summed(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    return gradient_penalty(critic, real, fake, t) * len(real)


def _not_squared(critic: Answer, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    slope = _slope(critic, _between(real, fake, t))
    steepness: Tensor = slope.norm(dim=1)
    return (steepness - 1).mean()


KEEP_SLOPE = FunctionQuestion(
    name="keep-slope",
    function="gradient_penalty",
    points=30,
    inputs=penalty_inputs,
    reference=gradient_penalty,
    alternatives=(penalty_with_ones, penalty_by_vmap),
    expects=(
        "one number, shape (), never negative, zero for a critic whose slope is 1 everywhere; and "
        "beside it its gradient in the critic's weights"
    ),
    call=penalty_and_gradient,
    misconceptions=(
        Misconception(
            "the graph was not kept",
            "The value is right, and it teaches nothing: no gradient leads from it to the critic's "
            "weights. The penalty is made of a derivative and will be differentiated again, which "
            "`torch.autograd.grad` only allows when it is asked to build a graph.",
            WHERE,
            _graph_not_kept,
        ),
        Misconception(
            "one length for the whole batch",
            "You take one length over all points together. A batch of four gentle slopes then "
            "looks like a single steep one, and the penalty depends on the size of the batch. "
            "Every point has a slope of its own.",
            WHERE,
            _over_batch,
        ),
        Misconception(
            "the slope of the average",
            "You differentiate the average of the critic's numbers, so that each slope comes out "
            "divided by the size of the batch. Differentiate their sum: a point's number depends "
            "on that point alone.",
            WHERE,
            _of_mean,
        ),
        Misconception(
            "the square in place of the length",
            "You compare the squared length with 1. It is zero at the same slope, but for steep "
            "slopes it grows with the fourth power, and it pushes differently everywhere else. The "
            "length comes first, then the difference, then the square.",
            WHERE,
            _squared_norm,
        ),
        Misconception(
            "a slope of zero for an aim",
            "You punish every slope. That is the R1 kind of penalty, at other points. This one "
            "wants slopes of length one: a critic that is flat between the clouds pays too.",
            WHERE,
            _no_target,
        ),
        Misconception(
            "only steep slopes are punished",
            "You let slopes below one go free. That is a published variant, and the theory would "
            "allow it. The penalty asked for is two-sided: a best critic has slope one almost "
            "everywhere on these lines.",
            WHERE,
            _one_sided,
        ),
        Misconception(
            "punished at the data",
            "You take the slope at the data. The place is somewhere on the line from a real point "
            "to its forgery, and `t` says where: that is where a best critic is known to rise "
            "evenly.",
            WHERE,
            _at_data,
        ),
        Misconception(
            "the two ends exchanged",
            "At t = 1 you stand on the forgery, and it should be the real point. With places drawn "
            "evenly nobody would notice; here they are given, so that answers can be compared.",
            WHERE,
            _exchanged,
        ),
        Misconception(
            "summed over the batch",
            "You add up over the points. The penalty then weighs more the larger the batch is, and "
            "its weight would have to be tuned again for every batch size. Average.",
            WHERE,
            _summed,
        ),
        Misconception(
            "the difference is not squared",
            "You average the differences without squaring them. They have both signs, so that flat "
            "and steep slopes cancel, and the loss would go down for ever by making the critic "
            "flatter.",
            WHERE,
            _not_squared,
        ),
    ),
)
