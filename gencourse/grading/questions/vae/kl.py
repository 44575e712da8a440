"""kl: the toll KL(q_φ(z|x) || p(z)) of each image, in nats.

The wrong answers are ones that people have given, for example, on GitHub: the average over latents
(keras-io issue 270), minus the divergence (PyTorch-VAE issue 68), log_var used as log σ
(Tutorial_BayesianCompressionForDL issue 1), as σ (deepchem pull request 4888), as both at once
(vgae_pytorch issue 2), and the logarithm with the wrong sign (FluxML model-zoo pull request 147).
"""

import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal, kl_divergence

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["KL", "kl_from_distributions", "kl_to_standard_normal"]

PRICE = "Chapter 2, “The price of a cloud”"
AS_DEVIATION = "log_var taken for the standard deviation"


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_var)) || N(0, I)) in nats: (B, d) and (B, d) to (B,)."""
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=-1)


def kl_inputs(generator: Generator) -> list[Arguments]:
    """One batch to read by eye, whose first row is the prior itself, then random ones.

    Its last row has positive log-variances only, so that a logarithm of them is a number.
    """
    cases: list[Arguments] = [
        (
            torch.tensor([[0.0, 0.0], [1.0, -2.0], [0.0, 0.5], [-1.0, 0.0]]),
            torch.tensor([[0.0, 0.0], [0.0, 0.0], [-2.0, 1.0], [1.0, 0.5]]),
        )
    ]
    for images, latents, dtype in [
        (5, 3, torch.float32),
        (1, 4, torch.float32),
        (8, 20, torch.float64),
    ]:
        mean = 1.5 * torch.randn(images, latents, generator=generator)
        log_var = 5 * torch.rand(images, latents, generator=generator) - 3.5
        cases.append((mean.to(dtype), log_var.to(dtype)))
    return cases


def kl_from_distributions(mean: Tensor, log_var: Tensor) -> Tensor:
    """The same from PyTorch's table of divergences."""
    posterior = Independent(Normal(mean, torch.exp(log_var / 2)), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    return kl_divergence(posterior, prior)


def kl_dimension_by_dimension(mean: Tensor, log_var: Tensor) -> Tensor:
    """The same, added up one latent at a time."""
    total = torch.zeros(len(mean), dtype=mean.dtype)
    for m, v in zip(mean.T, log_var.T, strict=True):
        scale = torch.exp(0.5 * v)
        total = total + (m * m + scale * scale) / 2 - 0.5 - scale.log()
    return total


KL = FunctionQuestion(
    name="kl",
    function="kl_to_standard_normal",
    points=15,
    inputs=kl_inputs,
    reference=kl_to_standard_normal,
    alternatives=(kl_from_distributions, kl_dimension_by_dimension),
    expects="one number for each image, shape (B,): never negative, and 0 where q is the prior",
    misconceptions=(
        Misconception(
            "one half is missing",
            "Every value is exactly twice what it should be. The logarithm of a Gaussian density "
            "carries a factor on its square and on its log-variance, and taking the expectation "
            "does not remove it. Follow that factor through the derivation.",
            PRICE,
            lambda mean, log_var: (mean**2 + log_var.exp() - 1 - log_var).sum(-1),
        ),
        Misconception(
            "log_var taken for the log of the standard deviation",
            "Your values are right for an encoder whose second output is log σ. Here it is log σ²: "
            "the two differ by a factor of 2 inside the exponential and in front of the logarithm. "
            "The loss would still go down, and the number would no longer be part of a bound.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(-1),
        ),
        Misconception(
            "log_var taken for the variance",
            "You use the encoder's second output as σ² itself, and then take its logarithm. It may "
            "be any real number, and the logarithm of a negative one is not a number. It is a "
            "logarithm already.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var - 1 - log_var.log()).sum(-1),
        ),
        Misconception(
            AS_DEVIATION,
            "You use the encoder's second output as σ itself: you square it, and take its "
            "logarithm. It may be any real number, so a negative one would be a deviation below "
            "zero, and 0 would be a cloud of no size. It is a logarithm already.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var**2 - 1 - (log_var**2).log()).sum(-1),
        ),
        Misconception(
            AS_DEVIATION,
            "You use the encoder's second output as σ itself, and take its logarithm. It may be "
            "any real number, and the logarithm of a negative one is not a number. It is a "
            "logarithm already.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var**2 - 1 - 2 * log_var.log()).sum(-1),
        ),
        Misconception(
            "log_var taken for two things at once",
            "Your exponential treats the second output as log σ² and your logarithm treats it as "
            "log σ, or the other way about. The minimum is no longer at the prior. Decide which "
            "it is, and let both terms follow.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 - 2 * log_var).sum(-1),
        ),
        Misconception(
            "the standard deviation where the variance belongs",
            "The logarithm is in order, but the term beside it is σ where the second moment of a "
            "draw from q asks for something else. What is the expectation of z² under q?",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + (0.5 * log_var).exp() - 1 - log_var).sum(-1),
        ),
        Misconception(
            "averaged over the latent dimensions",
            "You average over the latent dimensions. They are independent, so their divergences "
            "add, as the bits of a message do: a code with twenty latents pays twenty tolls. With "
            "the average, the toll is d times too cheap and the loss is no longer a bound.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean(-1),
        ),
        Misconception(
            "one number for the whole batch: summed",
            "You add up over the images as well. Each image has its own posterior and its own "
            "toll, and the next question needs them apart. Leave the batch dimension standing.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(),
        ),
        Misconception(
            "one number for the whole batch: averaged",
            "You average over the images. That is what a training loss does at its very end; this "
            "function is asked for the toll of each image. Leave the batch dimension standing.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1).mean(),
        ),
        Misconception(
            "not summed at all",
            "You return one number for each latent dimension, (B, d). These are the right pieces. "
            "The divergence of a distribution with independent coordinates is made of them: one "
            "number for each image.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 - log_var),
        ),
        Misconception(
            "summed over the images instead of the latents",
            "You sum over the first dimension, which counts images, and keep the second, which "
            "counts latents. What is left says how much each latent cost, all images together. It "
            "should say how much each image cost, all latents together.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(0),
        ),
        Misconception(
            "the sign",
            "Your values are the right ones with the opposite sign. A divergence is never "
            "negative. Many codebases keep minus the KL, because that is how it enters the ELBO: "
            "the function is asked for the divergence itself.",
            PRICE,
            lambda mean, log_var: -0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1),
        ),
        Misconception(
            "the two distributions exchanged",
            "You computed KL(p‖q), from the prior to the posterior. The divergence is not "
            "symmetric: the expectation is taken under the first distribution, and it is the "
            "encoder's, from which the codes are drawn.",
            PRICE,
            lambda mean, log_var: 0.5 * ((1 + mean**2) * (-log_var).exp() - 1 + log_var).sum(-1),
        ),
        Misconception(
            "the constant is missing",
            "At mean 0 and log_var 0 the posterior is the prior, and a distribution is at distance "
            "0 from itself. Yours charges a toll there, the same for every latent. Something in "
            "the derivation that does not depend on the encoder was dropped.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - log_var).sum(-1),
        ),
        Misconception(
            "the logarithm is missing",
            "Your toll has no term that grows as the cloud shrinks, and goes below zero for small "
            "clouds. Without it the encoder may be as precise as it likes for nothing, and the VAE "
            "becomes a copier.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1).sum(-1),
        ),
        Misconception(
            "the sign of the logarithm",
            "In your toll the logarithm of the variance has the wrong sign: it rewards the encoder "
            "for a cloud of no size at all, and the minimum is no longer at the prior. Naming a "
            "code more precisely must cost more.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean**2 + log_var.exp() - 1 + log_var).sum(-1),
        ),
        Misconception(
            "the mean is not squared",
            "The mean enters your toll to the first power, so that a code on the left of the prior "
            "is paid for what one on the right is charged. Only the distance from the middle "
            "should count.",
            PRICE,
            lambda mean, log_var: 0.5 * (mean + log_var.exp() - 1 - log_var).sum(-1),
        ),
    ),
)
