"""sample-walk: draw from a denoiser, one noise level after the other.

The wrong answers are ones that people have given, for example, on GitHub: levels walked through
from clean to noisy (tiny-diffusion issue 2, joliGEN pull request 525), a last step that is missing
(all-atom-diffusion-transformer issue 17) or goes nowhere (diffusers pull request 6477).
"""

from itertools import pairwise

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Answer, Arguments, FunctionQuestion, Misconception

__all__ = ["SAMPLE_WALK"]

LOOP = "Chapter 1, “The same trip, pass by pass”"
DENOISE = "Chapter 1, “Denoise: diffusion and its kin”"


def sample_walk(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    """Walk down the noise levels, keeping the noise that is left: (B, D) and (T+1,) to (B, D)."""
    x = sigmas[0] * noise
    for now, then in pairwise(sigmas):
        clean = denoiser(x, now)
        x = clean + then / now * (x - clean)
    return x


def walk_inputs(generator: Generator) -> list[Arguments]:
    """Clean points (K, D), noise (B, D) and levels (T+1,) that fall to 0; all sizes different."""
    cases: list[Arguments] = [
        (
            torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]]),
            torch.tensor([[0.5, 0.0], [-1.0, 1.0], [0.0, 0.5], [1.0, 1.0]]),
            torch.tensor([2.0, 1.0, 0.0]),
        )
    ]
    for points, rows, values, steps, dtype in [
        (4, 3, 2, 5, torch.float32),
        (6, 1, 5, 12, torch.float32),
        (5, 7, 3, 4, torch.float64),
    ]:
        clean = 2 * torch.randn(points, values, generator=generator)
        noise = torch.randn(rows, values, generator=generator)
        sigmas = torch.rand(steps, generator=generator).cumsum(0).flip(0) + 0.5
        sigmas = torch.cat([sigmas, torch.zeros(1)])
        cases.append((clean.to(dtype), noise.to(dtype), sigmas.to(dtype)))
    return cases


def walk_and_count(function, points, noise, sigmas):  # type: ignore[no-untyped-def]
    """Where the walk ends, with the best denoiser of these clean points, and how often it asked."""
    import torch

    asked = []

    def denoiser(x, sigma):  # type: ignore[no-untyped-def]
        """The mean of the clean points that could have led to x: (B, D) to (B, D)."""
        asked.append(x)
        clean = points.to(x.dtype)
        distance = ((x[:, None] - clean) ** 2).sum(dim=-1)
        return torch.softmax(-distance / (2 * sigma**2), dim=-1) @ clean

    x = function(denoiser, noise, sigmas)
    return x, float(len(asked))


def walk_along_the_slope(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    """The same as Euler's method for dx/dσ = (x − D(x, σ))/σ."""
    x = noise * sigmas[0]
    for i in range(len(sigmas) - 1):
        slope = (x - denoiser(x, sigmas[i])) / sigmas[i]
        x = x + (sigmas[i + 1] - sigmas[i]) * slope
    return x


def walk_by_fractions(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    """The same: a fraction 1 − σ'/σ of the way to the clean estimate."""
    x = noise.clone() * sigmas[0]
    for now, then in pairwise(sigmas):
        x = torch.lerp(x, denoiser(x, now).to(x.dtype), (1 - then / now).to(x.dtype))
    return x


def _unscaled(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    return sample_walk(denoiser, noise / sigmas[0], sigmas)


def _wrong_level(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    x = sigmas[0] * noise
    for now, then in pairwise(sigmas):
        clean = denoiser(x, then)
        x = clean + then / now * (x - clean)
    return x


def _last_step_left_out(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    return sample_walk(denoiser, noise, sigmas[:-1])


def _first_noise_again(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    x = sigmas[0] * noise
    for now, then in pairwise(sigmas):
        x = denoiser(x, now) + then * noise
    return x


def _whole_way(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    x = sigmas[0] * noise
    for now in sigmas[:-1]:
        x = denoiser(x, now)
    return x


def _fraction_exchanged(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    x = sigmas[0] * noise
    for now, then in pairwise(sigmas):
        clean = denoiser(x, now)
        x = x + then / now * (clean - x)
    return x


def _one_level(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    x = sigmas[0] * noise
    for now, then in pairwise(sigmas):
        clean = denoiser(x, sigmas[0])
        x = clean + then / now * (x - clean)
    return x


def _uphill(denoiser: Answer, noise: Tensor, sigmas: Tensor) -> Tensor:
    levels = sigmas[:-1].flip(0)
    x = levels[0] * noise
    for now, then in pairwise(levels):
        clean = denoiser(x, now)
        x = clean + then / now * (x - clean)
    return x


SAMPLE_WALK = FunctionQuestion(
    name="sample-walk",
    function="sample_walk",
    points=20,
    inputs=walk_inputs,
    reference=sample_walk,
    alternatives=(walk_along_the_slope, walk_by_fractions),
    expects=(
        "where the walk ends, shape (B, D): at the last level no noise is left, so it ends on the "
        "denoiser's last answer; and beside it, T, the number of times that the denoiser was asked"
    ),
    call=walk_and_count,
    misconceptions=(
        Misconception(
            "one jump",
            "You ask the denoiser once, at the highest level, and stop there. Its answer is the "
            "mean of all the clean points that could lie under so much noise, which is a smear "
            "between them. The small steps exist because the question is only easy for small ones.",
            DENOISE,
            lambda denoiser, noise, sigmas: denoiser(sigmas[0] * noise, sigmas[0]),
        ),
        Misconception(
            "the whole way at every step",
            "You move all the way to the denoiser's answer at every step, and the noise is gone "
            "after the first. From then on the denoiser is told of a noise level that its input "
            "does not have. Move only to the level that comes next.",
            LOOP,
            _whole_way,
        ),
        Misconception(
            "noise of size one at the start",
            "You start from standard normal noise. The walk begins at the highest level, where the "
            "noise has that level's size: the denoiser is told of a strength that your first "
            "point does not have.",
            DENOISE,
            _unscaled,
        ),
        Misconception(
            "asked at the level ahead",
            "You tell the denoiser the level that you are going to, and show it a point at the "
            "level where you are. It then takes some of the noise for signal. At the last step it "
            "is even told that there is no noise at all.",
            LOOP,
            _wrong_level,
        ),
        Misconception(
            "asked at the first level only",
            "You tell the denoiser at every step that the noise is as strong as at the start. It "
            "goes on answering with smears, although the point in front of it is nearly clean. The "
            "level has to fall along with the noise.",
            DENOISE,
            _one_level,
        ),
        Misconception(
            "the last step is missing",
            "You stop at the last level above zero. What you return still carries noise of that "
            "size, and the denoiser was asked one time too few. T steps lie between T and one "
            "more levels.",
            LOOP,
            _last_step_left_out,
        ),
        Misconception(
            "the first noise put back",
            "After each answer you put the noise of the beginning back, at the new size. It is "
            "part of the point no longer: what the walk has to carry on is the noise that the "
            "point has now, the difference between it and the answer.",
            LOOP,
            _first_noise_again,
        ),
        Misconception(
            "the fraction exchanged",
            "You move by the fraction that should stay. When the level halves, half of the noise "
            "should remain and half of the way be gone; when it falls to zero, none should remain. "
            "In your walk the last step does not move at all.",
            LOOP,
            _fraction_exchanged,
        ),
        Misconception(
            "from clean to noisy",
            "You walk through the levels from the lowest to the highest. That is the direction in "
            "which training spoils images. Sampling begins where the noise is strongest, since "
            "that is the only place where a sample can be had for nothing.",
            DENOISE,
            _uphill,
        ),
    ),
)
