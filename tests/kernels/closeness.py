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
    assert error_ratio(answer, truth) <= units * torch.finfo(answer.dtype).eps
