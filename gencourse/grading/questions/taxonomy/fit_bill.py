"""fit-bill: what one pass costs, and what a call costs before its first pass.

The wrong answers are the usual ones of anybody who fits a line in a hurry: no intercept, an average
of ratios, the two end points, the axes exchanged, one sum divided by N and the other by N − 1.
"""

import torch
from torch import Generator, Tensor

from gencourse.grading.question import Arguments, FunctionQuestion, Misconception

__all__ = ["FIT_BILL"]

LOOP = "Chapter 1, “The same trip, pass by pass”"


def fit_bill(passes: Tensor, seconds: Tensor) -> Tensor:
    """The least-squares line seconds = slope · passes + start, as (slope, start): (N,) to (2,)."""
    p, s = passes - passes.mean(), seconds - seconds.mean()
    slope = (p * s).sum() / (p * p).sum()
    return torch.stack([slope, seconds.mean() - slope * passes.mean()])


def bill_inputs(generator: Generator) -> list[Arguments]:
    """Numbers of passes, unevenly spaced, and times with a start-up cost and some noise."""
    cases: list[Arguments] = [
        (torch.tensor([10.0, 20.0, 40.0]), torch.tensor([0.3, 0.4, 0.8])),
    ]
    for n, dtype in [(4, torch.float32), (7, torch.float64), (25, torch.float32)]:
        passes = (torch.rand(n, generator=generator) * 20).cumsum(0).round() + 1
        passes = passes + torch.arange(n)
        seconds = 0.2 + 0.03 * passes + 0.1 * torch.rand(n, generator=generator)
        order = torch.randperm(n, generator=generator)
        cases.append((passes[order].to(dtype), seconds[order].to(dtype)))
    return cases


def bill_by_lstsq(passes: Tensor, seconds: Tensor) -> Tensor:
    """The same from PyTorch's own least squares."""
    columns = torch.stack([passes, torch.ones_like(passes)], dim=1).double()
    line: Tensor = torch.linalg.lstsq(columns, seconds[:, None].double()).solution[:, 0]
    return line


def bill_by_covariance(passes: Tensor, seconds: Tensor) -> Tensor:
    """The same from a covariance matrix."""
    both = torch.cov(torch.stack([passes, seconds]).double())
    slope = both[0, 1] / both[0, 0]
    return torch.stack([slope, seconds.double().mean() - slope * passes.double().mean()])


def _through_origin(passes: Tensor, seconds: Tensor) -> Tensor:
    slope = (passes * seconds).sum() / (passes * passes).sum()
    return torch.stack([slope, torch.zeros_like(slope)])


def _ratios(passes: Tensor, seconds: Tensor) -> Tensor:
    slope = (seconds / passes).mean()
    return torch.stack([slope, torch.zeros_like(slope)])


def _one_ratio(passes: Tensor, seconds: Tensor) -> Tensor:
    slope = seconds.sum() / passes.sum()
    return torch.stack([slope, torch.zeros_like(slope)])


def _ends(passes: Tensor, seconds: Tensor) -> Tensor:
    low, high = passes.argmin(), passes.argmax()
    slope = (seconds[high] - seconds[low]) / (passes[high] - passes[low])
    return torch.stack([slope, seconds[low] - slope * passes[low]])


def _axes_exchanged(passes: Tensor, seconds: Tensor) -> Tensor:
    return fit_bill(seconds, passes)


def _inverted(passes: Tensor, seconds: Tensor) -> Tensor:
    slope = 1 / fit_bill(seconds, passes)[0]
    return torch.stack([slope, seconds.mean() - slope * passes.mean()])


def _mixed_divisors(passes: Tensor, seconds: Tensor) -> Tensor:
    p, s = passes - passes.mean(), seconds - seconds.mean()
    slope = (p * s).mean() / passes.var()
    return torch.stack([slope, seconds.mean() - slope * passes.mean()])


def _fastest_as_start(passes: Tensor, seconds: Tensor) -> Tensor:
    return torch.stack([fit_bill(passes, seconds)[0], seconds.min()])


FIT_BILL = FunctionQuestion(
    name="fit-bill",
    function="fit_bill",
    points=15,
    inputs=bill_inputs,
    reference=fit_bill,
    alternatives=(bill_by_lstsq, bill_by_covariance),
    expects=(
        "two numbers, shape (2,): seconds for each further pass, then seconds before the first; "
        "on points that lie on a line, that line"
    ),
    misconceptions=(
        Misconception(
            "a line through the origin",
            "Your line is made to pass through zero seconds at zero passes. A call costs something "
            "before its first pass, and that is one of the two numbers you were asked for. The "
            "pass gets the blame for it.",
            LOOP,
            _through_origin,
        ),
        Misconception(
            "the average of seconds per pass",
            "You divide each time by its passes and average. What a call costs before its first "
            "pass is then shared out among the passes, most of it where there are fewest. Two "
            "numbers were asked for, and this is a mixture of them.",
            LOOP,
            _ratios,
        ),
        Misconception(
            "all seconds over all passes",
            "You divide the total time by the total number of passes. That would be the price of a "
            "pass if a call cost nothing else. The times go up along a line, and the line need not "
            "start at zero.",
            LOOP,
            _one_ratio,
        ),
        Misconception(
            "only the two ends",
            "Your line joins the first point to the last. Timings are noisy, and the two you use "
            "are no better than the rest: every measurement in between was thrown away.",
            LOOP,
            _ends,
        ),
        Misconception(
            "the axes exchanged",
            "You fitted passes against seconds. The first number should say what a pass costs, in "
            "seconds; yours says how many passes a second buys.",
            LOOP,
            _axes_exchanged,
        ),
        Misconception(
            "fitted across, then turned over",
            "You fitted passes against seconds and turned the slope over. On points that lie on a "
            "line this is the same; with noise it is not, because your line makes the errors in "
            "the passes small, which have none. The errors are in the seconds.",
            LOOP,
            _inverted,
        ),
        Misconception(
            "the two numbers exchanged",
            "Both numbers are right and stand in the wrong order: first what each further pass "
            "costs, then what a call costs before its first pass.",
            LOOP,
            lambda passes, seconds: fit_bill(passes, seconds).flip(0),
        ),
        Misconception(
            "one average over N, the other over one less",
            "Your slope is a covariance over a variance, and the two were averaged over different "
            "counts: PyTorch's `var` divides by one less than the number of points, unless it is "
            "told otherwise. The slope comes out too small, most of all for few points.",
            LOOP,
            _mixed_divisors,
        ),
        Misconception(
            "the fastest call taken for the start",
            "Your slope is right. For the second number you took the shortest of the times, which "
            "already contains some passes. Follow the line back to where there would be none.",
            LOOP,
            _fastest_as_start,
        ),
    ),
)
