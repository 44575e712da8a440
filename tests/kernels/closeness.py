"""How close is close: the error as a share of the answer, in units of the type's own precision."""

import torch
from torch import Tensor


def error_ratio(answer: Tensor, truth: Tensor) -> float:
    """The root mean square of the error over that of the truth, which is in float64."""
    error = (answer.double() - truth).square().mean().sqrt()
    return (error / truth.square().mean().sqrt()).item()


def assert_close(answer: Tensor, truth: Tensor, units: float = 4.0) -> None:
    """The error ratio is within so many times the spacing of the answer's numbers near 1.

    A ratio over the whole tensor, and not a bound on each element, because that is what rounding
    promises: an element that happens to fall near 0 by cancellation has no digits to compare.
    """
    assert answer.shape == truth.shape
    assert answer.isfinite().all()
    if not truth.any():
        assert not answer.any()
        return
    assert error_ratio(answer, truth) <= units * torch.finfo(answer.dtype).eps


def assert_as_close_as(plain: Tensor, answer: Tensor, truth: Tensor, plain_truth: Tensor) -> None:
    """`assert_close`, with more units where plain PyTorch needs more as well.

    A steep curve magnifies the rounding of its own argument, whoever computes it. How much is seen
    from what plain PyTorch makes of float32: four times that is allowed, in units of the type.

    Args:
        plain: Plain PyTorch's answer in float32.
        answer: The answer to judge.
        truth: What it should have been, in float64.
        plain_truth: What `plain` should have been, in float64.
    """
    units = 4.0
    if plain_truth.any():
        units = max(units, 4 * error_ratio(plain, plain_truth) / torch.finfo(plain.dtype).eps)
    assert_close(answer, truth, units)
