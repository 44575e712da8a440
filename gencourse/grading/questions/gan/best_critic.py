"""best-critic: the verdict of the best possible critic, from two log densities.

The wrong answers are the ones that the formula invites: the two densities exchanged, their ratio in
place of the share, logarithms divided as if they were densities, and exponentials that underflow.
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["BEST_CRITIC"]

WHERE = "Chapter 3, “The best critic there can be”"


def best_critic(log_p: Tensor, log_g: Tensor) -> Tensor:
    """D*(x) = p(x) / (p(x) + p_G(x)), from logarithms: (B,) and (B,) to (B,)."""
    return torch.sigmoid(log_p - log_g)


def critic_inputs(generator: Generator) -> list[Arguments]:
    """Two log densities in nats: easy ones, then those of images, whose exponentials are all 0."""
    cases: list[Arguments] = [
        (torch.tensor([0.0, -1.0, -1.0, -3.0]), torch.tensor([0.0, -1.0, -2.0, -2.0])),
    ]
    for rows, level, dtype in [
        (6, -2.0, torch.float32),
        (5, -900.0, torch.float32),
        (9, 1500.0, torch.float64),
    ]:
        log_p = level + 2 * torch.randn(rows, generator=generator)
        log_g = log_p + 1.5 * torch.randn(rows, generator=generator) + 0.3
        cases.append((log_p.to(dtype), log_g.to(dtype)))
    return cases


def critic_by_subtraction(log_p: Tensor, log_g: Tensor) -> Tensor:
    """The same, the logarithm of the sum taken away first."""
    return torch.exp(log_p - torch.logaddexp(log_p, log_g))


def critic_by_softmax(log_p: Tensor, log_g: Tensor) -> Tensor:
    """The same, as the first of two shares that add up to one."""
    return torch.softmax(torch.stack([log_p, log_g]), dim=0)[0]


BEST_CRITIC = FunctionQuestion(
    name="best-critic",
    function="best_critic",
    points=25,
    inputs=critic_inputs,
    reference=best_critic,
    alternatives=(critic_by_subtraction, critic_by_softmax),
    expects=(
        "one verdict for each point, shape (B,), between 0 and 1: one half where the densities "
        "agree, more where the data are denser than the forgeries, and a number for any size of "
        "the logarithms"
    ),
    misconceptions=(
        Misconception(
            "the two densities exchanged",
            "You give the share of the forgeries. A verdict near 1 should mean that a point is "
            "likelier to come from the data; yours is high where the generator goes more often "
            "than the data do.",
            WHERE,
            lambda log_p, log_g: torch.sigmoid(log_g - log_p),
        ),
        Misconception(
            "the ratio instead of the share",
            "You return the ratio of the two densities. It says the same thing on another scale, "
            "from zero to infinity. A verdict is the share of one in both together, and stays "
            "between 0 and 1.",
            WHERE,
            lambda log_p, log_g: torch.exp(log_p - log_g),
        ),
        Misconception(
            "the logit instead of the verdict",
            "You return the difference of the logarithms. That is the number which a critic's last "
            "layer should learn, its logit. The verdict is a probability: one function is still "
            "missing.",
            WHERE,
            lambda log_p, log_g: log_p - log_g,
        ),
        Misconception(
            "logarithms divided as if they were densities",
            "You put the logarithms where the formula has the densities. Shares of logarithms mean "
            "nothing: they change when the unit of length changes, and a verdict may not.",
            WHERE,
            lambda log_p, log_g: log_p / (log_p + log_g),
        ),
        Misconception(
            "the exponentials underflow",
            "The formula is right, and it is computed from densities. At −900 nats both of them "
            "are zero to the computer, at 1500 infinite, and the share of nothing in nothing is "
            "not a number. The verdict needs only how far apart the logarithms are.",
            WHERE,
            lambda log_p, log_g: torch.exp(log_p) / (torch.exp(log_p) + torch.exp(log_g)),
        ),
        Misconception(
            "a small number against the division by zero",
            "You keep the division from failing by adding a small number below the line. For "
            "densities smaller than that number every verdict becomes 0, however clear the case. "
            "Image densities are always that small.",
            WHERE,
            lambda log_p, log_g: torch.exp(log_p) / (torch.exp(log_p) + torch.exp(log_g) + 1e-8),
        ),
        Misconception(
            "a hard verdict",
            "You decide for the denser of the two. The best critic is not a judge who must choose: "
            "to lose as little as possible on average it states the odds, and where the densities "
            "are close it says so.",
            WHERE,
            lambda log_p, log_g: (log_p > log_g).to(log_p.dtype),
        ),
    ),
)
