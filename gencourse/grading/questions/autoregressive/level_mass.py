"""level-mass: the probability of a grey level under one discretised logistic.

The wrong answers are the ones that the formula invites: a density where a mass belongs, open ends
left out, bins of the wrong width, a scale taken for its logarithm.
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["LEVEL_MASS"]

WHERE = "Chapter 5, “More than two outcomes”"


def level_mass(level: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """P(level) = F(level + ½) − F(level − ½), the two ends taking the tails: three (B,) to (B,)."""
    above = torch.sigmoid((level + 0.5 - mean) / scale)
    below = torch.sigmoid((level - 0.5 - mean) / scale)
    above = torch.where(level == 255, torch.ones_like(above), above)
    below = torch.where(level == 0, torch.zeros_like(below), below)
    return above - below


def mass_inputs(generator: Generator) -> list[Arguments]:
    """Levels 0 … 255 with both ends among them, means in and out of the range, scales in levels."""
    cases: list[Arguments] = [
        (
            torch.tensor([0.0, 100.0, 255.0, 101.0]),
            torch.tensor([0.0, 100.0, 250.0, 100.0]),
            torch.tensor([2.0, 1.0, 5.0, 1.0]),
        )
    ]
    for rows, dtype in [(6, torch.float32), (9, torch.float64), (17, torch.float32)]:
        mean = 300 * torch.rand(rows, generator=generator) - 20
        scale = 1 + 12 * torch.rand(rows, generator=generator)
        spread = 3 * scale * torch.randn(rows, generator=generator)
        level = (mean + spread).round().clamp(0, 255)
        level[0], level[1] = 0.0, 255.0
        mean[0], mean[1] = 3.0, 251.0
        cases.append((level.to(dtype), mean.to(dtype), scale.to(dtype)))
    return cases


def mass_by_edges(level: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """The same, with edges that go to infinity at both ends."""
    infinity = float("inf")
    low = torch.where(level <= 0, -infinity, level - 0.5)
    high = torch.where(level >= 255, infinity, level + 0.5)
    return torch.sigmoid((high - mean) / scale) - torch.sigmoid((low - mean) / scale)


def mass_by_loop(level: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """The same, one level at a time, from tanh."""
    masses = []
    for x, m, s in zip(level, mean, scale, strict=True):
        high = (1 + torch.tanh((x + 0.5 - m) / s / 2)) / 2 if x < 255 else torch.ones_like(x)
        low = (1 + torch.tanh((x - 0.5 - m) / s / 2)) / 2 if x > 0 else torch.zeros_like(x)
        masses.append(high - low)
    return torch.stack(masses)


def _between(level: Tensor, mean: Tensor, scale: Tensor, low: float, high: float) -> Tensor:
    return torch.sigmoid((level + high - mean) / scale) - torch.sigmoid(
        (level + low - mean) / scale
    )


def _density(level: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    share = torch.sigmoid((level - mean) / scale)
    return share * (1 - share) / scale


def _one_end(level: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    below = torch.sigmoid((level - 0.5 - mean) / scale)
    below = torch.where(level == 0, torch.zeros_like(below), below)
    return torch.sigmoid((level + 0.5 - mean) / scale) - below


def _ends_exchanged(level: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    inside = _between(level, mean, scale, -0.5, 0.5)
    inside = torch.where(level == 255, torch.sigmoid((255.5 - mean) / scale), inside)
    return torch.where(level == 0, 1 - torch.sigmoid((-0.5 - mean) / scale), inside)


LEVEL_MASS = FunctionQuestion(
    name="level-mass",
    function="level_mass",
    points=30,
    inputs=mass_inputs,
    reference=level_mass,
    alternatives=(mass_by_edges, mass_by_loop),
    expects=(
        "one probability for each level, shape (B,): for any mean and scale the 256 of them add up "
        "to one, whatever lies beyond the ends"
    ),
    misconceptions=(
        Misconception(
            "the tails are lost",
            "Inside you are right. What lies below level 0 and above 255 is counted nowhere, so "
            "that the 256 probabilities do not add up to one. The two outermost levels take what "
            "lies beyond them.",
            WHERE,
            lambda level, mean, scale: _between(level, mean, scale, -0.5, 0.5),
        ),
        Misconception(
            "only the lower tail",
            "Level 0 takes what lies below it, and 255 does not take what lies above. White is as "
            "common an end as black is.",
            WHERE,
            _one_end,
        ),
        Misconception(
            "the tails at the wrong ends",
            "At the two ends you count the side towards the middle, and not the one that lies "
            "beyond. Level 0 should have what is below its upper edge, level 255 what is above its "
            "lower one.",
            WHERE,
            _ends_exchanged,
        ),
        Misconception(
            "a density instead of a mass",
            "You return the density of the logistic at the level. A density times a width is a "
            "mass only if the width is small beside the scale, and a sure network has small "
            "scales. Take the difference of the distribution function at the two edges.",
            WHERE,
            _density,
        ),
        Misconception(
            "from the level to the next",
            "Your interval goes from a level to the next one. A level owns the numbers that are "
            "rounded to it: half a step to either side.",
            WHERE,
            lambda level, mean, scale: _between(level, mean, scale, 0.0, 1.0),
        ),
        Misconception(
            "an interval of two steps",
            "Your interval reaches a whole step to either side, so that neighbouring levels share "
            "half of it, and everything is counted twice. Half a step to either side is what is "
            "rounded to the level.",
            WHERE,
            lambda level, mean, scale: _between(level, mean, scale, -1.0, 1.0),
        ),
        Misconception(
            "the distribution function alone",
            "You return the probability of this level and of all that are darker. One more "
            "subtraction is needed for the probability of the level itself.",
            WHERE,
            lambda level, mean, scale: torch.sigmoid((level + 0.5 - mean) / scale),
        ),
        Misconception(
            "the scale taken for its logarithm",
            "You exponentiate the scale first. Networks often answer with a logarithm, and in this "
            "question the scale is given as it is, in grey levels.",
            WHERE,
            lambda level, mean, scale: level_mass(level, mean, scale.exp()),
        ),
        Misconception(
            "multiplied by the scale",
            "You multiply by the scale where you should divide. A larger scale ought to spread the "
            "probability over more levels; yours gathers it on fewer.",
            WHERE,
            lambda level, mean, scale: level_mass(level, mean, 1 / scale),
        ),
    ),
)
