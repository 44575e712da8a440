"""sample-chain: draw from an autoregressive model, one value after the other.

The wrong answers are ones that people have given, for example, on GitHub: a model that restores
whole images and cannot begin one (pixel-rnn-tensorflow issue 1), an index that points at another
variable than the one being drawn (deepul issue 10), a network that is handed something else than
what has been drawn so far (x-transformers issue 331).
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Answer, Arguments, FunctionQuestion, Misconception

__all__ = ["SAMPLE_CHAIN"]

LOOP = "Chapter 1, “The same trip, pass by pass”"
CHAIN = "Chapter 1, “Chain: the autoregressive model”"


def sample_chain(network: Answer, noise: Tensor) -> Tensor:
    """x_i = mean_i(x_1, …, x_{i−1}) + noise_i, one value at a time: (B, D) to (B, D)."""
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        x[:, i] = network(x)[:, i] + noise[:, i]
    return x


def chain_inputs(generator: Generator) -> list[Arguments]:
    """Weights (D, D), biases (D,) and noise (B, D), with B and D different.

    The weights are as they come: `draw_and_count` cuts off what would look ahead.
    """
    cases: list[Arguments] = [
        (
            torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, -1.0, 0.0]]),
            torch.tensor([0.5, 0.0, 1.0]),
            torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]),
        )
    ]
    for rows, values, dtype in [
        (3, 5, torch.float32),
        (1, 12, torch.float32),
        (4, 24, torch.float64),
    ]:
        weight = torch.randn(values, values, generator=generator)
        bias = torch.randn(values, generator=generator)
        noise = torch.randn(rows, values, generator=generator)
        cases.append((weight.to(dtype), bias.to(dtype), noise.to(dtype)))
    return cases


def draw_and_count(function, weight, bias, noise):  # type: ignore[no-untyped-def]
    """What the function draws with a masked network of these weights, and how often it asked it."""
    import torch

    asked = []

    def network(x):  # type: ignore[no-untyped-def]
        asked.append(x)
        earlier = weight.to(x.dtype).tril(-1)  # no value sees itself or a later one
        return torch.tanh(x @ earlier.T) + bias.to(x.dtype)

    x = function(network, noise)
    return x, float(len(asked))


def chain_of_columns(network: Answer, noise: Tensor) -> Tensor:
    """The same, the values kept apart until the end."""
    drawn: list[Tensor] = []
    for i, column in enumerate(noise.unbind(dim=1)):
        unknown = torch.zeros(len(noise), noise.shape[1] - i, dtype=noise.dtype)
        x = torch.cat([torch.stack(drawn, dim=1), unknown], dim=1) if drawn else unknown
        drawn.append(network(x)[:, i] + column)
    return torch.stack(drawn, dim=1)


def chain_by_repetition(network: Answer, noise: Tensor) -> Tensor:
    """The same: redraw everything D times. After pass i the first i values are right for good."""
    x = torch.zeros_like(noise)
    for _ in range(noise.shape[1]):
        x.copy_(network(x) + noise)
    return x


def _off_by_one(network: Answer, noise: Tensor) -> Tensor:
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        x[:, i] = network(x)[:, i - 1] + noise[:, i]
    return x


def _likeliest(network: Answer, noise: Tensor) -> Tensor:
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        x[:, i] = network(x)[:, i]
    return x


def _means_returned(network: Answer, noise: Tensor) -> Tensor:
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        means: Tensor = network(x)
        x[:, i] = means[:, i] + noise[:, i]
    return means


def _means_fed_back(network: Answer, noise: Tensor) -> Tensor:
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        x[:, i] = network(x)[:, i]
    return x + noise


def _noise_as_history(network: Answer, noise: Tensor) -> Tensor:
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        history = torch.where(torch.arange(noise.shape[1]) < i, noise, torch.zeros_like(noise))
        x[:, i] = network(history)[:, i] + noise[:, i]
    return x


def _nothing_fed_back(network: Answer, noise: Tensor) -> Tensor:
    x = torch.zeros_like(noise)
    for i in range(noise.shape[1]):
        x[:, i] = network(torch.zeros_like(noise))[:, i] + noise[:, i]
    return x


def _one_pass_too_many(network: Answer, noise: Tensor) -> Tensor:
    x = sample_chain(network, noise)
    network(x)
    return x


SAMPLE_CHAIN = FunctionQuestion(
    name="sample-chain",
    function="sample_chain",
    points=20,
    inputs=chain_inputs,
    reference=sample_chain,
    alternatives=(chain_of_columns, chain_by_repetition),
    expects=(
        "a drawing of shape (B, D) that the network explains: x − network(x) is the noise, at "
        "every entry; and beside it, D, the number of times that the network was asked"
    ),
    call=draw_and_count,
    misconceptions=(
        Misconception(
            "one pass, as in training",
            "You ask the network once, and take every value from that answer. In training this "
            "works, because all values are known. Here they are not: what the network says about "
            "the ninth value is worthless until the eight before it have been drawn.",
            CHAIN,
            lambda network, noise: network(torch.zeros_like(noise)) + noise,
        ),
        Misconception(
            "the noise handed to the network",
            "You hand the noise to the network once and add its answer. That is how a one-pass "
            "family starts. A chain does not turn noise into a sample: the noise of a value "
            "enters when the value is drawn, and the network only ever looks at drawn values.",
            LOOP,
            lambda network, noise: network(noise) + noise,
        ),
        Misconception(
            "the noise taken for the past",
            "You go through the values in order, but what you show the network is the noise of the "
            "earlier values, and not the values that were drawn with it. The next question needs "
            "the last answer.",
            LOOP,
            _noise_as_history,
        ),
        Misconception(
            "nothing is fed back",
            "You ask the network once for every value, and each time what it looks at is empty. "
            "All those passes are paid for, and none of them knows what came before. Starting with "
            "the last value does this, and so does a drawing that is never written to.",
            CHAIN,
            _nothing_fed_back,
        ),
        Misconception(
            "the answer of the value before",
            "You draw each value from the entry one place too early. Whether entry i is the "
            "prediction of value i or of the one after it is a convention, and language models "
            "have the other one. In this question entry i belongs to value i.",
            CHAIN,
            _off_by_one,
        ),
        Misconception(
            "the most probable value instead of a draw",
            "Each value is set to its mean, and the noise is not used. Every call would return the "
            "same drawing. A sample has to be drawn from the conditional, spread and all, or the "
            "product of conditionals is not what you sample from.",
            CHAIN,
            _likeliest,
        ),
        Misconception(
            "noise only at the end",
            "You feed the means back and add the noise when all is done. The network was then told "
            "of values that nobody drew, and the noise of one value never reaches the values that "
            "depend on it.",
            LOOP,
            _means_fed_back,
        ),
        Misconception(
            "the last answer instead of the drawing",
            "The loop is right, and what you return is the network's last answer: the means of all "
            "the values, given the ones that were drawn. The drawing itself is what was asked for.",
            LOOP,
            _means_returned,
        ),
        Misconception(
            "one pass too many",
            "The drawing is right, but the network was asked once more than there are values. At "
            "the size of an image nobody would notice; the bill says so all the same. Which of "
            "your passes decides nothing?",
            LOOP,
            _one_pass_too_many,
        ),
    ),
)
