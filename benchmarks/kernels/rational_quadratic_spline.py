"""The spline, its inverse and their gradients against two libraries of normalising flows.

    python -m pip install --no-deps --target /tmp/nflows nflows
    PYTHONPATH=/tmp/nflows python -m benchmarks.kernels.rational_quadratic_spline

writes `benchmarks/results/rational_quadratic_spline.json`: the section `cpu`, and on a machine that
has a GPU also `cuda`. A section that was not measured now stays as it was. nflows asks for
TensorBoard, which its splines do not use: hence `--no-deps`, beside the environment. Where it is
not installed it is left out, with a line that says so.

Contenders, the first of which is the baseline of every ratio:

zuko, nflows
    `MonotonicRQSTransform` and `unconstrained_rational_quadratic_spline`. Each is handed
    parameters that give the same curve, as far as its own parametrisation has it: nflows exactly,
    which is checked first; zuko squashes widths before its softmax, which costs it two operations
    of some seventy.
reference, compile, triton
    `gencourse.kernels.rational_quadratic_spline` by each implementation; triton on a GPU only.

Each call starts from unnormalised parameters, as a coupling layer does. float32; on a CPU one
thread.
"""

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from zuko.transforms import MonotonicRQSTransform

from benchmarks.kernels.side_by_side import compare, record
from gencourse.kernels import rational_quadratic_spline
from gencourse.kernels.rational_quadratic_spline.reference import MIN_DERIVATIVE, UNIT

RESULT = Path(__file__).parents[1] / "results" / "rational_quadratic_spline.json"

# Batch, coordinates, bins.
SIZES = {"cpu": [(128, 32, 8), (4096, 32, 8)], "cuda": [(4096, 32, 8), (65536, 32, 8)]}
BOUND = 3.0

Contender = Callable[..., tuple[Tensor, Tensor]]


def zuko(inverse: bool) -> Contender:
    def call(
        x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor
    ) -> tuple[Tensor, Tensor]:
        curve = MonotonicRQSTransform(widths, heights, derivatives, bound=BOUND)
        y, log_slope = (curve.inv if inverse else curve).call_and_ladj(x)
        return y, log_slope.sum(-1)

    return call


def nflows(inverse: bool) -> Contender:
    from nflows.transforms.splines.rational_quadratic import (
        unconstrained_rational_quadratic_spline,
    )

    def call(
        x: Tensor, widths: Tensor, heights: Tensor, derivatives: Tensor
    ) -> tuple[Tensor, Tensor]:
        y, log_slope = unconstrained_rational_quadratic_spline(
            *(x, widths, heights, derivatives),
            inverse=inverse,
            tail_bound=BOUND,
            min_derivative=MIN_DERIVATIVE,
        )
        return y, log_slope.sum(-1)

    return call


def ours(impl: Any, inverse: bool) -> Contender:
    return lambda *tensors: rational_quadratic_spline(
        *tensors, inverse=inverse, bound=BOUND, impl=impl
    )


def contenders(device: torch.device, inverse: bool) -> dict[str, Contender]:
    found = {"zuko": zuko(inverse)}
    if importlib.util.find_spec("nflows") is not None:
        found["nflows"] = nflows(inverse)
    implementations = ["reference", "compile"] + (["triton"] if device.type == "cuda" else [])
    return {**found, **{impl: ours(impl, inverse) for impl in implementations}}


def without_gradient(contender: Contender, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    @torch.no_grad()
    def call() -> Any:
        return contender(*inputs)

    return call


def with_gradient(contender: Contender, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    weights = (torch.ones_like(inputs[0]), torch.ones_like(inputs[0][:, 0]))
    return lambda: torch.autograd.grad(contender(*leaves), leaves, weights)


TASKS: dict[str, tuple[bool, Callable[..., Callable[[], Any]]]] = {
    "forward": (False, without_gradient),
    "inverse": (True, without_gradient),
    "forward_backward": (False, with_gradient),
    "inverse_backward": (True, with_gradient),
}


def measure(device: torch.device) -> dict[str, Any]:
    section: dict[str, Any] = {}
    generator = torch.Generator(device).manual_seed(0)
    for batch, d, bins in SIZES[device.type]:
        torch.compiler.reset()  # Compile for this size alone, as a training run would.
        x = 1.5 * torch.randn(batch, d, generator=generator, device=device)
        widths, heights = torch.randn(2, batch, d, bins, generator=generator, device=device)
        derivatives = torch.randn(batch, d, bins - 1, generator=generator, device=device)
        inputs = (x, widths, heights, derivatives)
        check_parity(device, inputs)
        section[f"{batch}x{d}x{bins}"] = {
            task: compare(
                {name: build(c, inputs) for name, c in contenders(device, inverse).items()}, device
            )
            for task, (inverse, build) in TASKS.items()
        }
    return section


def check_parity(device: torch.device, inputs: tuple[Tensor, ...]) -> None:
    """The same curve by nflows, whose slopes are a softplus that has not been moved."""
    x, widths, heights, derivatives = (tensor.double() for tensor in inputs)
    for inverse in (False, True):
        theirs = contenders(device, inverse).get("nflows")
        if theirs is None:
            print("nflows is not installed and is left out; the module's first lines say how")
            return
        expected = theirs(x, widths, heights, derivatives + UNIT)
        answer = rational_quadratic_spline(
            x, widths, heights, derivatives, inverse=inverse, bound=BOUND
        )
        assert math.isclose(UNIT, math.log(math.exp(1 - MIN_DERIVATIVE) - 1))
        torch.testing.assert_close(answer, expected, rtol=1e-6, atol=1e-6)


if __name__ == "__main__":
    record(RESULT, measure, tasks=TASKS)
