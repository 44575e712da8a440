"""iw-bound: the importance-weighted bound of each image, from the logarithms of two densities.

The wrong answers are ones that people have given, for example, on GitHub: the mean of logarithms
(generative-tf issue 1), the missing log K (scVI-dev issue 8), weights whose exponential underflows
(Importance_Weighted_Autoencoders issue 2), the average by normalised weights (PyTorch-VAE
issue 34).
"""

import math

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["IW_BOUND"]

TIGHTER = "Chapter 2, “A tighter bound”"


def importance_weighted_bound(log_joint: Tensor, log_q: Tensor) -> Tensor:
    """log (1/K) Σ_k p(x, z_k) / q(z_k|x), in nats: (K, B) and (K, B) to (B,)."""
    return torch.logsumexp(log_joint - log_q, dim=0) - math.log(len(log_joint))


def bound_inputs(generator: Generator) -> list[Arguments]:
    """Weights of ordinary size, then those of large images, which no exponential survives."""
    cases: list[Arguments] = [
        (
            torch.tensor([[-12.0, -9.0], [-10.0, -9.0], [-15.0, -9.0], [-11.0, -9.0]]),
            torch.tensor([[-3.0, -2.0], [-2.0, -2.0], [-4.0, -2.0], [-2.0, -2.0]]),
        )
    ]
    for samples, images, level, log_q_level, dtype in [
        (6, 5, -45.0, -8.0, torch.float32),
        (1, 3, -45.0, -8.0, torch.float64),
        (16, 4, -2300.0, -800.0, torch.float64),
        (9, 7, -2300.0, -800.0, torch.float32),
        (5, 2, 2400.0, -30.0, torch.float64),
    ]:
        log_joint = level + 2 * torch.randn(samples, images, generator=generator)
        log_q = log_q_level + torch.randn(samples, images, generator=generator)
        cases.append((log_joint.to(dtype), log_q.to(dtype)))
    return cases


def bound_by_shifting(log_joint: Tensor, log_q: Tensor) -> Tensor:
    """The same, with the largest weight taken out of the sum by hand."""
    log_weights = log_joint - log_q
    largest = log_weights.max(dim=0).values
    return largest + torch.log(torch.exp(log_weights - largest).mean(dim=0))


def bound_by_folding(log_joint: Tensor, log_q: Tensor) -> Tensor:
    """The same, one weight at a time, each already divided by their number."""
    log_weights = log_joint - log_q - math.log(log_joint.shape[0])
    total = log_weights[0]
    for row in log_weights[1:]:
        total = torch.logaddexp(total, row)
    return total


IW_BOUND = FunctionQuestion(
    name="iw-bound",
    function="importance_weighted_bound",
    points=20,
    inputs=bound_inputs,
    reference=importance_weighted_bound,
    alternatives=(bound_by_shifting, bound_by_folding),
    expects=(
        "one number for each image, shape (B,): between the mean and the largest of the K "
        "log-weights, equal to them where they agree, and finite"
    ),
    misconceptions=(
        Misconception(
            "the mean of the logarithms",
            "You average the logarithms of the weights. That is the ELBO, estimated with K samples "
            "instead of one: less noisy, and no tighter. The order matters: the bound tightens "
            "because the average is taken before the logarithm.",
            TIGHTER,
            lambda log_joint, log_q: (log_joint - log_q).mean(0),
        ),
        Misconception(
            "log K is missing",
            "Your number is the logarithm of the sum of the weights, not of their average. It "
            "grows without limit with K, past log p(x): a bound that can be raised by repeating a "
            "sample is not a bound.",
            TIGHTER,
            lambda log_joint, log_q: torch.logsumexp(log_joint - log_q, 0),
        ),
        Misconception(
            "the exponentials underflow",
            "The formula is right, and the numbers are not: some weights are too small, or too "
            "large, for any floating-point number, so that the average is 0 or infinite before its "
            "logarithm is taken. An image of a few hundred pixels is enough. Stay with logarithms "
            "all the way.",
            TIGHTER,
            lambda log_joint, log_q: (log_joint - log_q).exp().mean(0).log(),
        ),
        Misconception(
            "the exponentials underflow: a ratio of densities",
            "You leave the logarithms before you divide. Both densities are too small for any "
            "floating-point number, and 0/0 is not a number. Divide by subtracting logarithms, and "
            "stay with logarithms all the way.",
            TIGHTER,
            lambda log_joint, log_q: (log_joint.exp() / log_q.exp()).mean(0).log(),
        ),
        Misconception(
            "averaged over the images",
            "You average over the second dimension, which counts images, and keep the first, which "
            "counts samples. The weights of different images have nothing to say to one another.",
            TIGHTER,
            lambda log_joint, log_q: (
                torch.logsumexp(log_joint - log_q, 1) - math.log(log_joint.shape[1])
            ),
        ),
        Misconception(
            "the number of images for the number of samples",
            "You divide by B, the number of images, where the average over samples needs K. The "
            "first dimension of the inputs counts samples.",
            TIGHTER,
            lambda log_joint, log_q: (
                torch.logsumexp(log_joint - log_q, 0) - math.log(log_joint.shape[1])
            ),
        ),
        Misconception(
            "divided after the logarithm",
            "You divide the logarithm of a sum by K. The 1/K belongs to the weights, inside the "
            "logarithm, and comes out of it as something to subtract.",
            TIGHTER,
            lambda log_joint, log_q: torch.logsumexp(log_joint - log_q, 0) / len(log_joint),
        ),
        Misconception(
            "K is subtracted as it is",
            "You subtract K from a logarithm. The 1/K stands inside the logarithm, beside the "
            "weights; it has to pass through it on its way out.",
            TIGHTER,
            lambda log_joint, log_q: torch.logsumexp(log_joint - log_q, 0) - len(log_joint),
        ),
        Misconception(
            "the largest weight",
            "You keep the best of the K samples. The average of the weights is often close to its "
            "largest term, so this looks plausible; but it is above the average always, and on "
            "average it may be above log p(x). It is no bound.",
            TIGHTER,
            lambda log_joint, log_q: (log_joint - log_q).max(0).values,
        ),
        Misconception(
            "log-weights averaged by their weights",
            "You average the log-weights, each in proportion to its normalised weight. Such an "
            "average does appear in this story: in the gradient of the bound, not in its value. "
            "The bound is the logarithm of a plain average.",
            TIGHTER,
            lambda log_joint, log_q: (
                torch.softmax(log_joint - log_q, 0) * (log_joint - log_q)
            ).sum(0),
        ),
        Misconception(
            "the encoder is left out",
            "You average p(x, z) alone. The codes were drawn from the encoder, not evenly, and "
            "every code has to be discounted by how often the encoder proposes it. Without that "
            "the average estimates nothing in particular.",
            TIGHTER,
            lambda log_joint, log_q: torch.logsumexp(log_joint, 0) - math.log(len(log_joint)),
        ),
        Misconception(
            "the weights are upside down",
            "Your weights are q/p. A code is over-represented when the encoder likes it more than "
            "the model does, and must then count for less.",
            TIGHTER,
            lambda log_joint, log_q: (
                torch.logsumexp(log_q - log_joint, 0) - math.log(len(log_joint))
            ),
        ),
        Misconception(
            "one number for the whole batch",
            "You average over the images in the end. The bound is asked for each image: a test-set "
            "figure needs their mean and their spread.",
            TIGHTER,
            lambda log_joint, log_q: (
                torch.logsumexp(log_joint - log_q, 0) - math.log(len(log_joint))
            ).mean(),
        ),
        Misconception(
            "all weights in one pool",
            "You take the average over samples and images together, before the logarithm. Each "
            "image has K weights of its own and a bound of its own.",
            TIGHTER,
            lambda log_joint, log_q: (
                torch.logsumexp((log_joint - log_q).flatten(), 0) - math.log(log_joint.numel())
            ),
        ),
        Misconception(
            "the sign",
            "These are the right values with the opposite sign. That is the loss that one would "
            "minimise; the function is asked for the bound, in nats, which lies below log p(x).",
            TIGHTER,
            lambda log_joint, log_q: (
                math.log(len(log_joint)) - torch.logsumexp(log_joint - log_q, 0)
            ),
        ),
    ),
)
