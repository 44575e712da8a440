"""The affine coupling, its inverse and their gradients against what a learner would write.

    python -m benchmarks.kernels.affine_coupling

writes `benchmarks/results/affine_coupling.json`: the section `cpu`, and on a machine that has a GPU
also `cuda`. A section that was not measured now stays as it was.

Contenders, the first of which is the baseline of every ratio:

textbook
    `x * exp(log_scale) + shift` and `log_scale.sum(-1)`, as most tutorials have them.
zuko
    `MonotonicAffineTransform`.
reference, compile, triton
    `gencourse.kernels.affine_coupling` by each implementation; triton on a GPU only.

float32; on a CPU one thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from zuko.transforms import MonotonicAffineTransform

from benchmarks.kernels.rational_quadratic_spline import TASKS
from benchmarks.kernels.side_by_side import compare, record
from gencourse.kernels import affine_coupling

RESULT = Path(__file__).parents[1] / "results" / "affine_coupling.json"

SIZES = {"cpu": [(128, 32), (4096, 32)], "cuda": [(4096, 32), (65536, 256)]}

Contender = Callable[..., tuple[Tensor, Tensor]]


def textbook(inverse: bool) -> Contender:
    def call(x: Tensor, log_scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        if inverse:
            return (x - shift) * torch.exp(-log_scale), -log_scale.sum(-1)
        return x * torch.exp(log_scale) + shift, log_scale.sum(-1)

    return call


def zuko(inverse: bool) -> Contender:
    def call(x: Tensor, log_scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        line = MonotonicAffineTransform(shift, log_scale)
        y, log_slope = (line.inv if inverse else line).call_and_ladj(x)
        return y, log_slope.sum(-1)

    return call


def ours(impl: Any, inverse: bool) -> Contender:
    return lambda *tensors: affine_coupling(*tensors, inverse=inverse, impl=impl)


def contenders(device: torch.device, inverse: bool) -> dict[str, Contender]:
    implementations = ["reference", "compile"] + (["triton"] if device.type == "cuda" else [])
    return {
        "textbook": textbook(inverse),
        "zuko": zuko(inverse),
        **{impl: ours(impl, inverse) for impl in implementations},
    }


def measure(device: torch.device) -> dict[str, Any]:
    section: dict[str, Any] = {}
    generator = torch.Generator(device).manual_seed(0)
    for batch, d in SIZES[device.type]:
        torch.compiler.reset()  # Compile for this size alone, as a training run would.
        inputs = torch.randn(3, batch, d, generator=generator, device=device).unbind()
        section[f"{batch}x{d}"] = {
            task: compare(
                {name: build(c, inputs) for name, c in contenders(device, inverse).items()}, device
            )
            for task, (inverse, build) in TASKS.items()
        }
    return section


if __name__ == "__main__":
    record(RESULT, measure, tasks=TASKS)
