"""flow-density: log p(x) from the noise that a point becomes and the volume it took on the way.

The wrong answers are the ones that the formula invites: the volume subtracted, the constant of the
Gaussian dropped, an average where a sum belongs.
"""

import math

import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["FLOW_DENSITY"]

WHERE = "Chapter 4, “Mass, from one dimension up”"


def flow_log_prob(z: Tensor, log_det: Tensor) -> Tensor:
    """log N(z; 0, I) + log |det ∂z/∂x|, in nats: (B, D) and (B,) to (B,)."""
    return -0.5 * (z**2 + math.log(2 * math.pi)).sum(dim=1) + log_det


def density_inputs(generator: Generator) -> list[Arguments]:
    """Noise (B, D) and log-determinants (B,) of either sign; B and D are different."""
    cases: list[Arguments] = [
        (torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, -2.0]]), torch.tensor([0.0, 1.0, -0.5])),
    ]
    for rows, values, dtype in [
        (4, 3, torch.float32),
        (1, 5, torch.float32),
        (6, 784, torch.float64),
    ]:
        z = torch.randn(rows, values, generator=generator)
        log_det = values * (0.5 + torch.rand(rows, generator=generator))
        cases.append((z.to(dtype), log_det.to(dtype)))
    return cases


def density_from_distribution(z: Tensor, log_det: Tensor) -> Tensor:
    """The same with PyTorch's normal distribution."""
    noise = Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    log_prob: Tensor = noise.log_prob(z)
    return log_det + log_prob


def density_from_length(z: Tensor, log_det: Tensor) -> Tensor:
    """The same, the constant counted once for each dimension."""
    constant = z.shape[1] / 2 * math.log(2 * math.pi)
    length: Tensor = torch.linalg.vector_norm(z, dim=1)
    return log_det - length * length / 2 - constant


FLOW_DENSITY = FunctionQuestion(
    name="flow-density",
    function="flow_log_prob",
    points=25,
    inputs=density_inputs,
    reference=flow_log_prob,
    alternatives=(density_from_distribution, density_from_length),
    expects=(
        "one number for each point, shape (B,), in nats: with no change of volume, the log density "
        "of the noise itself"
    ),
    misconceptions=(
        Misconception(
            "the volume subtracted",
            "You subtract the log-determinant. That is right for one which belongs to the way from "
            "noise to data. This one belongs to the way from data to noise: where it is large, "
            "data were packed closely and had to be spread out.",
            WHERE,
            lambda z, log_det: flow_log_prob(z, log_det) - 2 * log_det,
        ),
        Misconception(
            "the volume forgotten",
            "You return the density of the noise. It is the density of the data only if no volume "
            "changed on the way, and without the correction nothing adds up to one: training would "
            "send every point to the middle.",
            WHERE,
            lambda z, log_det: flow_log_prob(z, torch.zeros_like(log_det)),
        ),
        Misconception(
            "the constant is missing",
            "Your numbers are off by a constant for each dimension: the Gaussian's normaliser is "
            "gone. Training would not notice. Whoever compares your log-likelihood with another "
            "model's would.",
            WHERE,
            lambda z, log_det: -0.5 * (z**2).sum(dim=1) + log_det,
        ),
        Misconception(
            "the constant counted once",
            "You counted the Gaussian's normaliser once. In many dimensions it has a factor for "
            "each of them, and at the size of an image what is missing is hundreds of nats.",
            WHERE,
            lambda z, log_det: -0.5 * (z**2).sum(dim=1) - 0.5 * math.log(2 * math.pi) + log_det,
        ),
        Misconception(
            "averaged over the dimensions",
            "You average over the dimensions of the noise. They are independent, so their log "
            "densities add. The log-determinant is a sum over dimensions too, and a sum and an "
            "average do not go together.",
            WHERE,
            lambda z, log_det: -0.5 * (z**2 + math.log(2 * math.pi)).mean(dim=1) + log_det,
        ),
        Misconception(
            "one half is missing",
            "The squares in your Gaussian count twice. A standard normal falls with half of the "
            "squared distance; with the whole of it you have a narrower one, and its normaliser "
            "does not fit it.",
            WHERE,
            lambda z, log_det: (
                -(z**2).sum(dim=1) - z.shape[1] / 2 * math.log(2 * math.pi) + log_det
            ),
        ),
        Misconception(
            "the determinant, not its logarithm",
            "You exponentiate the log-determinant before you add it. Densities are multiplied by a "
            "factor of volume; logarithms of densities have its logarithm added, which is what you "
            "were given.",
            WHERE,
            lambda z, log_det: flow_log_prob(z, log_det.exp()),
        ),
        Misconception(
            "one number for the whole batch",
            "You average over the points, as a training loss does at its end. The function was "
            "asked for the log density of each point. Leave the batch dimension standing.",
            WHERE,
            lambda z, log_det: flow_log_prob(z, log_det).mean(),
        ),
    ),
)
