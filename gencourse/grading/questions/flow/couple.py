"""couple: one affine coupling layer, from data to noise, with its log-determinant.

The wrong answers are the usual ones: the network reads the half that it changes, the determinant
is added up in the wrong quantity, with the wrong sign, or over the wrong axis.
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Answer, Arguments, FunctionQuestion, Misconception

__all__ = ["COUPLE"]

WHERE = "Chapter 4, “What a determinant costs”"


def couple(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the first half, scale and shift the second: (B, D) to (B, D) and (B,)."""
    kept, changed = x.chunk(2, dim=1)
    log_scale, shift = network(kept)
    return torch.cat([kept, changed * log_scale.exp() + shift], dim=1), log_scale.sum(dim=1)


def coupling_inputs(generator: Generator) -> list[Arguments]:
    """Weights (D, D/2) of the network, and points (B, D); B and D are different."""
    cases: list[Arguments] = [
        (
            torch.tensor([[0.5], [1.0]]),
            torch.tensor([[0.0, 1.0], [1.0, 2.0], [-1.0, 0.5]]),
        )
    ]
    for rows, values, dtype in [
        (3, 4, torch.float32),
        (1, 6, torch.float32),
        (5, 8, torch.float64),
    ]:
        weight = torch.randn(values, values // 2, generator=generator)
        x = torch.randn(rows, values, generator=generator)
        cases.append((weight.to(dtype), x.to(dtype)))
    return cases


def with_network(function, weight, x):  # type: ignore[no-untyped-def]
    """What the function makes of x with a network of these weights."""
    import torch

    def network(half):  # type: ignore[no-untyped-def]
        """The log-scale and the shift for the other half: (B, D/2) to twice (B, D/2)."""
        out = torch.tanh(half @ weight.to(half.dtype).T)
        return out.chunk(2, dim=1)

    return function(network, x)


def couple_by_index(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same, written into a copy."""
    half = x.shape[1] // 2
    log_scale, shift = network(x[:, :half])
    z = x.clone()
    z[:, half:] = x[:, half:] * torch.exp(log_scale) + shift
    return z, torch.log(torch.exp(log_scale)).sum(-1)


def couple_by_jacobian(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same, the determinant read off the whole Jacobian."""

    def one(row: Tensor) -> Tensor:
        kept, changed = row.chunk(2)
        log_scale, shift = network(kept[None])
        return torch.cat([kept, changed * log_scale[0].exp() + shift[0]])

    jacobians = torch.stack([torch.autograd.functional.jacobian(one, row) for row in x])
    return torch.stack([one(row) for row in x]), torch.linalg.slogdet(jacobians).logabsdet


def _other_half(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    first, second = x.chunk(2, dim=1)
    log_scale, shift = network(second)
    return torch.cat([first * log_scale.exp() + shift, second], dim=1), log_scale.sum(dim=1)


def _reads_itself(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    kept, changed = x.chunk(2, dim=1)
    log_scale, shift = network(changed)
    return torch.cat([kept, changed * log_scale.exp() + shift], dim=1), log_scale.sum(dim=1)


def _negative(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    z, log_det = couple(network, x)
    return z, -log_det


def _scales_added(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    log_scale, _ = network(x.chunk(2, dim=1)[0])
    return couple(network, x)[0], log_scale.exp().sum(dim=1)


def _determinant(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    z, log_det = couple(network, x)
    return z, log_det.exp()


def _one_for_all(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    z, log_det = couple(network, x)
    return z, log_det.sum()


def _averaged(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    z, log_det = couple(network, x)
    return z, log_det / (x.shape[1] // 2)


def _log_scale_as_scale(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    kept, changed = x.chunk(2, dim=1)
    scale, shift = network(kept)
    return torch.cat([kept, changed * scale + shift], dim=1), scale.abs().log().sum(dim=1)


def _shift_first(network: Answer, x: Tensor) -> tuple[Tensor, Tensor]:
    kept, changed = x.chunk(2, dim=1)
    log_scale, shift = network(kept)
    return torch.cat([kept, (changed + shift) * log_scale.exp()], dim=1), log_scale.sum(dim=1)


COUPLE = FunctionQuestion(
    name="couple",
    function="couple",
    points=30,
    inputs=coupling_inputs,
    reference=couple,
    alternatives=(couple_by_index, couple_by_jacobian),
    expects=(
        "two results: points of shape (B, D) whose first half is untouched, and one log-"
        "determinant for each point, shape (B,), positive where volume was stretched"
    ),
    call=with_network,
    misconceptions=(
        Misconception(
            "the halves exchanged",
            "You keep the second half and change the first. A coupling may do either, and a flow "
            "does both in turn; this one keeps the first half, and a later layer would not know "
            "about the change of plan.",
            WHERE,
            _other_half,
        ),
        Misconception(
            "the network reads what it changes",
            "Your network looks at the half that is about to be changed. Going back, that half is "
            "not known yet, so nobody can ask the network again, and the layer cannot be undone. "
            "Its Jacobian is not triangular either.",
            WHERE,
            _reads_itself,
        ),
        Misconception(
            "the sign of the log-determinant",
            "Your log-determinant belongs to the way back. On the way that you compute, a log-"
            "scale above zero stretches space, and what stretches has a log-determinant above "
            "zero.",
            WHERE,
            _negative,
        ),
        Misconception(
            "scales added instead of multiplied",
            "You add up the scales. Areas multiply: twice as wide and three times as high is six "
            "times as large. Their logarithms add, and those are what the network gives you.",
            WHERE,
            _scales_added,
        ),
        Misconception(
            "the determinant, not its logarithm",
            "You return the determinant itself. For 784 dimensions it would be zero or infinite to "
            "the computer. Its logarithm was asked for, and it is the easier of the two.",
            WHERE,
            _determinant,
        ),
        Misconception(
            "one number for the whole batch",
            "You add up over the points as well. Each point is stretched by a factor of its own, "
            "because the network looked at a different half. Leave the batch dimension standing.",
            WHERE,
            _one_for_all,
        ),
        Misconception(
            "averaged over the dimensions",
            "You average over the changed dimensions. Volume is a product over all of them, so the "
            "logarithm is a sum; with an average the density would no longer add up to one.",
            WHERE,
            _averaged,
        ),
        Misconception(
            "the log-scale taken for the scale",
            "You multiply by the network's first answer as it stands. It is the logarithm of the "
            "scale and may have any sign; a scale of zero could never be undone, and that is why "
            "the logarithm is what is learned.",
            WHERE,
            _log_scale_as_scale,
        ),
        Misconception(
            "shifted before it was scaled",
            "You shift first and scale afterwards. That is a coupling too, with the same log-"
            "determinant, and not the one described: here the shift comes last and is not scaled.",
            WHERE,
            _shift_first,
        ),
    ),
)
