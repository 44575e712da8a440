"""generator-loss: what the generator minimises, from the critic's logits on its forgeries.

The wrong answers are ones that people have given, for example, on GitHub: the saturating loss of
the paper's first formula, labels exchanged, a sigmoid too many, `detach` on the wrong side.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["GENERATOR_LOSS"]

WHERE = "Chapter 3, “Where the teaching stops”"


def generator_loss(logits: Tensor) -> Tensor:
    """−E[log D(G(z))] with D = sigmoid(logit): (B,) to ()."""
    return F.softplus(-logits).mean()


def loss_inputs(generator: Generator) -> list[Arguments]:
    """Logits of a critic that hesitates, and of one that is far too sure of itself."""
    cases: list[Arguments] = [(torch.tensor([0.0, 2.0, -2.0, -5.0]),)]
    for rows, level, spread, dtype in [
        (7, -1.0, 2.0, torch.float32),
        (5, -150.0, 20.0, torch.float32),
        (16, 3.0, 4.0, torch.float64),
    ]:
        logits = level + spread * torch.randn(rows, generator=generator)
        cases.append((logits.to(dtype),))
    return cases


def loss_and_gradient(function, logits):  # type: ignore[no-untyped-def]
    """The loss, and the push that each forgery receives: () and (B,), or None without one."""
    import torch

    logits = logits.clone().requires_grad_()
    with torch.enable_grad():
        loss = function(logits)
    if not (isinstance(loss, torch.Tensor) and loss.ndim == 0 and loss.requires_grad):
        return loss, None
    (gradient,) = torch.autograd.grad(loss, [logits])
    return loss, gradient


def loss_from_logsigmoid(logits: Tensor) -> Tensor:
    """The same, as minus a mean of log-probabilities."""
    return -F.logsigmoid(logits).mean()


def loss_from_labels(logits: Tensor) -> Tensor:
    """The same: the forgeries are labelled as real, which is what the generator wishes."""
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


GENERATOR_LOSS = FunctionQuestion(
    name="generator-loss",
    function="generator_loss",
    points=25,
    inputs=loss_inputs,
    reference=generator_loss,
    alternatives=(loss_from_logsigmoid, loss_from_labels),
    expects=(
        "one number, shape (), never negative, that falls as the critic is fooled; and beside it "
        "its gradient, whose push is strongest on the forgeries that fool the critic least"
    ),
    call=loss_and_gradient,
    misconceptions=(
        Misconception(
            "the saturating loss",
            "This is the generator's part of the minimax value. It has the same goal and the same "
            "fixed point, but look at its push on a forgery that the critic is sure about: there, "
            "where help is needed most, it vanishes.",
            WHERE,
            lambda logits: -F.softplus(logits).mean(),
        ),
        Misconception(
            "the critic's loss on forgeries",
            "You label the forgeries as forged. That is the critic's half of the game: a generator "
            "trained on it would help the critic, and make its forgeries easier to tell.",
            WHERE,
            lambda logits: F.softplus(logits).mean(),
        ),
        Misconception(
            "the sign",
            "Your number has the right size and the wrong sign. An optimiser makes a loss as small "
            "as it can, and the smallest value of yours belongs to a generator that fools nobody.",
            WHERE,
            lambda logits: F.logsigmoid(logits).mean(),
        ),
        Misconception(
            "the verdict itself",
            "You use the verdict without its logarithm. Its slope dies at both ends, so that the "
            "forgeries which fool the critic least are pushed least: the trouble of the saturating "
            "loss again.",
            WHERE,
            lambda logits: -torch.sigmoid(logits).mean(),
        ),
        Misconception(
            "the logit itself",
            "You climb the critic's number without its sigmoid. That is the generator's loss of "
            "the hinge and the Wasserstein game, and it goes with another critic. In this question "
            "the critic is trained by cross-entropy.",
            WHERE,
            lambda logits: -logits.mean(),
        ),
        Misconception(
            "the logarithm of a verdict that is zero",
            "The formula is right, and it takes the logarithm of a verdict that has already been "
            "rounded to zero. A sure critic has logits of −150, and your loss is infinite there, "
            "its gradient not a number. Some functions of PyTorch take the logit itself.",
            WHERE,
            lambda logits: -torch.log(torch.sigmoid(logits)).mean(),
        ),
        Misconception(
            "a small number inside the logarithm",
            "You protect the logarithm by adding a small number. The loss stays finite, but for a "
            "sure critic it is flat: that number hides the logit, and the forgeries get no push at "
            "all. Some functions of PyTorch take the logit itself.",
            WHERE,
            lambda logits: -torch.log(torch.sigmoid(logits) + 1e-8).mean(),
        ),
        Misconception(
            "the sigmoid is taken twice",
            "You turn the logits into verdicts and hand them to a function that expects logits. "
            "The verdicts that it then sees lie between one half and 0.73, and the generator's "
            "loss cannot come down.",
            WHERE,
            lambda logits: F.softplus(-torch.sigmoid(logits)).mean(),
        ),
        Misconception(
            "summed over the batch",
            "You add up over the forgeries. The push on each of them is right, but a batch twice "
            "as large makes a step twice as long. The loss should be that of an average forgery.",
            WHERE,
            lambda logits: F.softplus(-logits).sum(),
        ),
        Misconception(
            "the gradient is cut",
            "The value is right, and no gradient can flow from it to the generator. `.detach()`, "
            "`.item()` and `torch.no_grad()` do that. Detach the forgeries when the critic "
            "learns; when the generator learns, the gradient must pass through the critic.",
            WHERE,
            lambda logits: F.softplus(-logits).mean().detach(),
        ),
    ),
)
