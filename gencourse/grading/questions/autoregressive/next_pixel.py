"""next-pixel: −log p(x) of each binary image from the logits of its conditionals.

The wrong answers are the usual ones of every framework's cross-entropy: its default average, a
sigmoid too many, a shift by one that belongs to language models.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["NEXT_PIXEL"]

WHERE = "Chapter 5, “Nothing is left out”"


def negative_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """−Σ_i log p(x_i | x_<i) for Bernoulli pixels, in nats: (B, D) and (B, D) to (B,)."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)


def pixel_inputs(generator: Generator) -> list[Arguments]:
    """Logits and binary images (B, D), B and D different; the last network is far too sure."""
    cases: list[Arguments] = [
        (
            torch.tensor([[0.0, 0.0, 2.0, -1.0], [1.0, -1.0, 0.0, 3.0]]),
            torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]),
        )
    ]
    for rows, pixels, spread, dtype in [
        (5, 9, 2.0, torch.float32),
        (3, 784, 3.0, torch.float64),
        (4, 6, 150.0, torch.float32),
    ]:
        logits = spread * torch.randn(rows, pixels, generator=generator)
        x = torch.rand(rows, pixels, generator=generator).round()
        cases.append((logits.to(dtype), x.to(dtype)))
    return cases


def nll_from_logsigmoid(logits: Tensor, x: Tensor) -> Tensor:
    """The same: the log-probability of ink where there is ink, of paper elsewhere."""
    return -(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(-1)


def nll_from_signs(logits: Tensor, x: Tensor) -> Tensor:
    """The same: every pixel asks how sure the network was of what came."""
    return F.softplus((1 - 2 * x) * logits).sum(1)


NEXT_PIXEL = FunctionQuestion(
    name="next-pixel",
    function="negative_log_likelihood",
    points=25,
    inputs=pixel_inputs,
    reference=negative_log_likelihood,
    alternatives=(nll_from_logsigmoid, nll_from_signs),
    expects=(
        "one number for each image, shape (B,), never negative: D times log 2 for a network that "
        "only shrugs, and finite however sure it is"
    ),
    misconceptions=(
        Misconception(
            "averaged over the pixels",
            "You average over the pixels of an image. The chain rule multiplies the conditionals, "
            "so their logarithms add: the image as a whole has a probability, and an average of "
            "pixels has none.",
            WHERE,
            lambda logits, x: negative_log_likelihood(logits, x) / x.shape[1],
        ),
        Misconception(
            "one number for the whole batch: summed",
            "You add up over the images too. The function was asked for the number of each image; "
            "a sum over images grows with the batch and cannot be compared with anything.",
            WHERE,
            lambda logits, x: negative_log_likelihood(logits, x).sum(),
        ),
        Misconception(
            "one number for everything: averaged",
            "You average over pixels and images, which is what PyTorch's losses do unless they are "
            "told otherwise. Each image has a likelihood of its own, a product over its pixels.",
            WHERE,
            lambda logits, x: negative_log_likelihood(logits, x).mean() / x.shape[1],
        ),
        Misconception(
            "the sign",
            "You return the log-likelihood itself, which for binary images is never positive. What "
            "training lowers, and what tables print, is its negative.",
            WHERE,
            lambda logits, x: -negative_log_likelihood(logits, x),
        ),
        Misconception(
            "shifted by one",
            "You compare each output with the pixel after it. Language models are often written "
            "so, with an output that belongs to the next token. Here the mask already hides pixel "
            "i from output i, and output i is about pixel i.",
            WHERE,
            lambda logits, x: negative_log_likelihood(logits[:, :-1], x[:, 1:]),
        ),
        Misconception(
            "the sigmoid is taken twice",
            "You turn the logits into probabilities and hand them to a function that expects "
            "logits. Every pixel's probability then lies between one half and 0.73, and white "
            "paper can never become cheap.",
            WHERE,
            lambda logits, x: negative_log_likelihood(logits.sigmoid(), x),
        ),
        Misconception(
            "the logarithm of a probability that is zero",
            "The formula is right, and it takes the logarithm of probabilities that have been "
            "rounded to 0. A sure network that errs once then costs an infinite number of nats. "
            "Some functions of PyTorch take the logit itself.",
            WHERE,
            lambda logits, x: (
                -(x * logits.sigmoid().log() + (1 - x) * (1 - logits.sigmoid()).log()).sum(1)
            ),
        ),
        Misconception(
            "only the ink is counted",
            "You count the pixels that are ink. White paper has to be predicted too, and it is "
            "most of the picture: a network that expects ink everywhere would be perfect by your "
            "number.",
            WHERE,
            lambda logits, x: -(x * F.logsigmoid(logits)).sum(1),
        ),
        Misconception(
            "bits instead of nats",
            "Your numbers are right in bits. The function was asked for nats, the unit of the "
            "natural logarithm; a nat is about 1.44 bits.",
            WHERE,
            lambda logits, x: negative_log_likelihood(logits, x) / 0.6931471805599453,
        ),
    ),
)
