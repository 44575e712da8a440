"""The logistic mixture's negative log-likelihood against the usual eager code.

    python -m benchmarks.kernels.logistic_mixture_nll

writes `benchmarks/results/logistic_mixture_nll.json`: the section `cpu`, and on a machine that has
a GPU also `cuda`. A section that was not measured now stays as it was.

Contenders, the first of which is the baseline of every ratio:

usual
    The difference of two sigmoids, its logarithm where it is large enough, the density in the
    middle of the level where it is not: the recipe of PixelCNN++, section 2.1, in plain PyTorch.
reference, compile, triton
    `gencourse.kernels.logistic_mixture_nll` by each implementation; triton on a GPU only. To run
    here means to check on each call that x holds grey levels.

float32; on a CPU one thread.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.kernels.side_by_side import compare, record
from gencourse.kernels import logistic_mixture_nll

RESULT = Path(__file__).parents[1] / "results" / "logistic_mixture_nll.json"

# Pixels and components: 4 and 64 images of 28 × 28.
SIZES = {"cpu": [(3136, 10), (50176, 10)], "cuda": [(50176, 10), (802816, 10)]}

Contender = Callable[..., Tensor]


def usual(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    x = (x / 127.5 - 1).unsqueeze(-1).expand_as(means)
    centred = x - means
    inverse_scales = torch.exp(-log_scales)
    plus_in = inverse_scales * (centred + 1 / 255)
    min_in = inverse_scales * (centred - 1 / 255)
    probability = torch.sigmoid(plus_in) - torch.sigmoid(min_in)
    first = plus_in - F.softplus(plus_in)
    last = -F.softplus(min_in)
    middle = inverse_scales * centred
    density = middle - log_scales - 2 * F.softplus(middle) - math.log(127.5)
    inner = torch.where(probability > 1e-5, torch.log(probability.clamp(min=1e-12)), density)
    log_probs = torch.where(x < -0.999, first, torch.where(x > 0.999, last, inner))
    return -torch.logsumexp(log_probs + F.log_softmax(logits, -1), -1)


def ours(impl: Any) -> Contender:
    return lambda *tensors: logistic_mixture_nll(*tensors, impl=impl)


def contenders(device: torch.device) -> dict[str, Contender]:
    implementations = ["reference", "compile"] + (["triton"] if device.type == "cuda" else [])
    return {"usual": usual, **{impl: ours(impl) for impl in implementations}}


def forward(contender: Contender, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    @torch.no_grad()
    def call() -> Any:
        return contender(*inputs)

    return call


def forward_backward(contender: Contender, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    x, *parameters = inputs
    leaves = [tensor.clone().requires_grad_() for tensor in parameters]
    return lambda: torch.autograd.grad(contender(x, *leaves), leaves, torch.ones_like(x))


TASKS = {"forward": forward, "forward_backward": forward_backward}


def measure(device: torch.device) -> dict[str, Any]:
    section: dict[str, Any] = {}
    generator = torch.Generator(device).manual_seed(0)
    for pixels, components in SIZES[device.type]:
        torch.compiler.reset()  # Compile for this size alone, as a training run would.
        x = torch.randint(256, (pixels,), generator=generator, device=device).float()
        logits, means, log_scales = torch.randn(
            3, pixels, components, generator=generator, device=device
        )
        inputs = (x, logits, means, log_scales - 2)
        expected = usual(*inputs)
        for contender in contenders(device).values():
            torch.testing.assert_close(contender(*inputs), expected, rtol=1e-3, atol=1e-3)
        section[f"{pixels}x{components}"] = {
            task: compare(
                {name: build(c, inputs) for name, c in contenders(device).items()}, device
            )
            for task, build in TASKS.items()
        }
    return section


if __name__ == "__main__":
    record(RESULT, measure, tasks=TASKS)
