"""mend-loss: a training loss whose two terms are on different scales.

The loss that learners are given averages the reconstruction over pixels and images and sums the KL
over latents and images. Most of the wrong answers mend one of these axes and not another: PyTorch's
own example has gone through several (pytorch/examples issues 290 and 294).
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception
from gencourse.grading.questions.vae.kl import kl_from_distributions, kl_to_standard_normal

__all__ = ["MEND_LOSS"]

BOUND = "Chapter 2, “What the bound is made of”"


def negative_elbo(x: Tensor, logits: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """-ELBO in nats per image, averaged over the batch: (B, D), (B, D), (B, d), (B, d) to ()."""
    return (cross_entropy(x, logits) + kl_to_standard_normal(mean, log_var)).mean()


def cross_entropy(x: Tensor, logits: Tensor) -> Tensor:
    """-log p_θ(x|z) of each image for Bernoulli pixels, in nats: (B,)."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=-1)


def loss_inputs(generator: Generator) -> list[Arguments]:
    """Batches with B, D and d all different, so that no two reductions agree."""
    sizes = [
        (3, 12, 2, torch.float32),
        (6, 50, 4, torch.float32),
        (4, 784, 10, torch.float32),
        (5, 100, 3, torch.float64),
    ]
    cases: list[Arguments] = []
    for images, pixels, latents, dtype in sizes:
        x = torch.rand(images, pixels, generator=generator).round()
        logits = 2 * torch.randn(images, pixels, generator=generator)
        mean = torch.randn(images, latents, generator=generator)
        log_var = 3 * torch.rand(images, latents, generator=generator) - 2.5
        cases.append((x.to(dtype), logits.to(dtype), mean.to(dtype), log_var.to(dtype)))
    return cases


def loss_and_gradient(function, x, logits, mean, log_var):  # type: ignore[no-untyped-def]
    """Call a loss as training does: its value, and its gradient where it has one."""
    import torch

    parameters = [t.clone().requires_grad_() for t in (logits, mean, log_var)]
    with torch.enable_grad():
        loss = function(x, *parameters)
    if not (isinstance(loss, torch.Tensor) and loss.ndim == 0 and loss.requires_grad):
        return loss, None
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return loss, torch.cat([g.flatten() for g in gradients])


def loss_from_log_likelihood(x: Tensor, logits: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """The same, as minus the average of a log-likelihood less a divergence."""
    pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return -(pixels.sum(dim=-1) - kl_from_distributions(mean, log_var)).mean()


def loss_from_sums(x: Tensor, logits: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """The same: both terms summed over everything, then divided by the number of images."""
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
    return (reconstruction + kl) / x.shape[0]


def loss_from_mean(x: Tensor, logits: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """The same: the mean over pixels kept, and multiplied by their number."""
    reconstruction = F.binary_cross_entropy_with_logits(logits, x) * x.shape[-1]
    return reconstruction + kl_to_standard_normal(mean, log_var).mean()


MEND_LOSS = FunctionQuestion(
    name="mend-loss",
    function="negative_elbo",
    points=20,
    inputs=loss_inputs,
    reference=negative_elbo,
    call=loss_and_gradient,
    alternatives=(loss_from_log_likelihood, loss_from_sums, loss_from_mean),
    expects=(
        "one number, shape (): the nats that an average image costs, unchanged when the batch is "
        "repeated, and with a gradient"
    ),
    misconceptions=(
        Misconception(
            "the loss as it was given",
            "This is the broken loss, unchanged. Write beside each term which of the axes B, D and "
            "d it sums over, and which it averages over. The two lists should be the same where "
            "they can be, and they are not.",
            BOUND,
            lambda x, logits, mean, log_var: (
                F.binary_cross_entropy_with_logits(logits, x)
                + kl_to_standard_normal(mean, log_var).sum()
            ),
        ),
        Misconception(
            "the pixels are still averaged",
            "The KL is in nats per image now, but the reconstruction is still in nats per pixel. "
            "The toll weighs D times too much, and training will find that the cheapest code is "
            "the one that says nothing.",
            BOUND,
            lambda x, logits, mean, log_var: (
                F.binary_cross_entropy_with_logits(logits, x)
                + kl_to_standard_normal(mean, log_var).mean()
            ),
        ),
        Misconception(
            "two means over different numbers of things",
            "Both terms are means, which looks fair. But one is a mean over D pixels and the other "
            "over d latents, so the toll still weighs D/d times too much. What makes the sum a "
            "bound is that both count nats for one whole image.",
            BOUND,
            lambda x, logits, mean, log_var: (
                F.binary_cross_entropy_with_logits(logits, x)
                + kl_to_standard_normal(mean, log_var).mean() / mean.shape[-1]
            ),
        ),
        Misconception(
            "nats per pixel",
            "Both terms are divided by the number of pixels. The balance is right, and so are the "
            "directions of the gradient: this trains a sound VAE. The number is not what was "
            "asked, though. It cannot stand beside a log-likelihood in nats per image.",
            BOUND,
            lambda x, logits, mean, log_var: negative_elbo(x, logits, mean, log_var) / x.shape[-1],
        ),
        Misconception(
            "summed over the batch",
            "Both terms are summed over the images. The balance is right, but the value grows with "
            "the batch: a batch twice as large costs twice as much and takes steps twice as long. "
            "The loss should be that of an average image.",
            BOUND,
            lambda x, logits, mean, log_var: len(x) * negative_elbo(x, logits, mean, log_var),
        ),
        Misconception(
            "the KL is summed over the batch",
            "The reconstruction is that of an average image, and the KL is that of the whole batch "
            "together. The toll weighs B times too much: the model would change its mind about "
            "what a code is worth whenever you change the batch size.",
            BOUND,
            lambda x, logits, mean, log_var: (
                cross_entropy(x, logits).mean() + kl_to_standard_normal(mean, log_var).sum()
            ),
        ),
        Misconception(
            "the reconstruction is summed over the batch",
            "The KL is that of an average image, and the reconstruction is that of the whole batch "
            "together. The toll weighs B times too little: codes are nearly free, and the codes of "
            "the data will not resemble the prior's.",
            BOUND,
            lambda x, logits, mean, log_var: (
                cross_entropy(x, logits).sum() + kl_to_standard_normal(mean, log_var).mean()
            ),
        ),
        Misconception(
            "the KL is averaged over the latents",
            "The reconstruction is right. The KL is averaged over the latent dimensions, so that "
            "twenty latents pay the toll of one. Divergences of independent coordinates add.",
            BOUND,
            lambda x, logits, mean, log_var: (
                cross_entropy(x, logits) + kl_to_standard_normal(mean, log_var) / mean.shape[-1]
            ).mean(),
        ),
        Misconception(
            "784 written into the code",
            "You multiply a mean over pixels by 784. That mends the loss for MNIST, and breaks it "
            "without a word for every other image size. The number of pixels is in the shape of x.",
            BOUND,
            lambda x, logits, mean, log_var: (
                784 * F.binary_cross_entropy_with_logits(logits, x)
                + kl_to_standard_normal(mean, log_var).mean()
            ),
        ),
        Misconception(
            "the sign of the KL",
            "You subtract the KL from a loss. In the ELBO, which is maximised, it is subtracted; "
            "the loss is minus the ELBO, so every sign turns. As it stands, training is rewarded "
            "for codes as far from the prior as they will go.",
            BOUND,
            lambda x, logits, mean, log_var: (
                cross_entropy(x, logits) - kl_to_standard_normal(mean, log_var)
            ).mean(),
        ),
        Misconception(
            "the ELBO, not minus the ELBO",
            "This is the ELBO itself. It is the right number with the sign of something to be "
            "maximised; an optimiser that minimises it would make the model as bad as it can.",
            BOUND,
            lambda x, logits, mean, log_var: -negative_elbo(x, logits, mean, log_var),
        ),
        Misconception(
            "the sigmoid is taken twice",
            "You turn the logits into probabilities and hand them to a function that expects "
            "logits, which takes the sigmoid again. Every pixel's probability then lies between "
            "0.5 and 0.73, and no training can bring it lower.",
            BOUND,
            lambda x, logits, mean, log_var: negative_elbo(x, logits.sigmoid(), mean, log_var),
        ),
        Misconception(
            "squared error for binary pixels",
            "Your reconstruction is a squared distance. That is a Gaussian decoder's, up to a "
            "constant and a variance that you would have to state. These pixels are 0 or 1 and the "
            "decoder's logits belong to Bernoulli variables.",
            BOUND,
            lambda x, logits, mean, log_var: (
                ((logits.sigmoid() - x) ** 2).sum(-1) + kl_to_standard_normal(mean, log_var)
            ).mean(),
        ),
        Misconception(
            "the KL is gone",
            "Only the reconstruction is left. The scales agree now, since there is only one; but "
            "this trains the copier with which the chapter begins, and its samples land where "
            "there is no data.",
            "Chapter 2, “Two numbers and a pen”",
            lambda x, logits, mean, log_var: cross_entropy(x, logits).mean(),
        ),
        Misconception(
            "one number for each image",
            "These are the right numbers, one for each image. An optimiser needs a single one: "
            "average them over the batch.",
            BOUND,
            lambda x, logits, mean, log_var: (
                cross_entropy(x, logits) + kl_to_standard_normal(mean, log_var)
            ),
        ),
        Misconception(
            "the gradient is cut",
            "The value is right, but no gradient can flow from it to the networks: somewhere it "
            "has become a plain number. `.item()`, `.detach()`, `torch.no_grad()` and "
            "`torch.tensor(...)` of a tensor all do that. Keep the tensor.",
            "Chapter 2, “Why the gradient needs a trick”",
            lambda x, logits, mean, log_var: negative_elbo(x, logits, mean, log_var).detach(),
        ),
    ),
)
