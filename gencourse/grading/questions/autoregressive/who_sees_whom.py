"""who-sees-whom: the mask of a network whose outputs follow a given ordering.

The wrong answers are ones that people have given, for example, on GitHub: an ordering used where
its inverse belongs (deepul issue 10), and, everywhere, a mask that is transposed or whose diagonal
is on the wrong side.
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["WHO_SEES_WHOM"]

WHERE = "Chapter 5, “One network for all the questions”"


def mask_of(order: Tensor) -> Tensor:
    """M[i, j] = 1 when output i may see input j, j coming before i: (D,) to (D, D)."""
    rank = order.argsort()
    return (rank[:, None] > rank[None, :]).float()


def order_inputs(generator: Generator) -> list[Arguments]:
    """Permutations (D,); order[k] is the value that comes k-th. None is its own inverse."""
    cases: list[Arguments] = [(torch.tensor([2, 0, 1]),)]
    for values in (5, 9, 12):
        while True:
            order = torch.randperm(values, generator=generator)
            if not torch.equal(order, order.argsort()):
                break
        cases.append((order,))
    return cases


def mask_by_drawing(order: Tensor) -> Tensor:
    """The same, filled in as the values are drawn."""
    order = order.long()
    mask = torch.zeros(len(order), len(order))
    drawn: list[int] = []
    for value in order.tolist():
        mask[value, drawn] = 1.0
        drawn.append(value)
    return mask


def mask_by_shuffling(order: Tensor) -> Tensor:
    """The same: the mask of the natural order, its rows and columns put where they belong."""
    order = order.long()
    natural = torch.ones(len(order), len(order)).tril(-1)
    mask = torch.empty_like(natural)
    mask[order[:, None], order[None, :]] = natural
    return mask


def _order_as_rank(order: Tensor) -> Tensor:
    return (order[:, None] > order[None, :]).float()


WHO_SEES_WHOM = FunctionQuestion(
    name="who-sees-whom",
    function="mask_of",
    points=25,
    inputs=order_inputs,
    reference=mask_of,
    alternatives=(mask_by_drawing, mask_by_shuffling),
    expects=(
        "zeros and ones of shape (D, D): the row of the value that comes first is empty, that of "
        "the value that comes last has a one everywhere but on the diagonal"
    ),
    misconceptions=(
        Misconception(
            "the ordering taken for the ranks",
            "You compare the entries of the ordering themselves. The k-th entry says which value "
            "comes k-th; what you need is the other way about, at which place a given value comes. "
            "For the natural order the two are the same, which hides the slip.",
            WHERE,
            _order_as_rank,
        ),
        Misconception(
            "a value sees itself",
            "Your diagonal is full: every output sees the very value that it is to predict. "
            "Training will be over in a minute, with a loss near zero, and the samples will be "
            "snow.",
            WHERE,
            lambda order: mask_of(order) + torch.eye(len(order)),
        ),
        Misconception(
            "inputs and outputs exchanged",
            "Your mask is transposed: outputs see what comes after them. It is as good a chain as "
            "any, in the reverse of the ordering that was asked for, and every later step that "
            "follows the ordering will look at values not drawn yet.",
            WHERE,
            lambda order: mask_of(order).T,
        ),
        Misconception(
            "the natural order",
            "You have the mask of the natural order, whatever ordering is given. The first row is "
            "empty in every one of yours; it should be the row of the value that comes first.",
            WHERE,
            lambda order: torch.ones(len(order), len(order)).tril(-1),
        ),
        Misconception(
            "only the value before",
            "Each of your outputs sees one value, the one just before it. That is a Markov chain: "
            "the chain rule gives a value everything before it, and throwing the rest away is an "
            "assumption that digits do not obey.",
            WHERE,
            lambda order: ((order.argsort()[:, None] - order.argsort()[None, :]) == 1).float(),
        ),
        Misconception(
            "everything but itself",
            "Every output sees all other values, earlier or later. Each conditional may be a good "
            "one, but they belong to no single distribution: multiply them, and the probabilities "
            "of all images do not add up to one.",
            WHERE,
            lambda order: 1 - torch.eye(len(order)),
        ),
        Misconception(
            "rows in the order of drawing",
            "Your rows stand in the order in which the values are drawn. The network's outputs "
            "stand where the values stand: row i belongs to value i, whenever it may come.",
            WHERE,
            lambda order: mask_of(order)[order.long()],
        ),
    ),
)
