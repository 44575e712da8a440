"""The fused sample and divergence against what a learner would write otherwise.

    python -m benchmarks.kernels.reparameterize_kl

writes `benchmarks/results/reparameterize_kl.json`: the section `cpu`, and on a machine that has a
GPU also `cuda`. A section that was not measured now stays as it was.

Contenders, the first of which is the baseline of every ratio:

textbook
    `mean + exp(log_var / 2) * noise` and the divergence, as most tutorials have them.
distributions
    `torch.distributions`: `rsample` and `kl_divergence`.
reference, compile, triton
    `gencourse.kernels.reparameterize_kl` by each implementation; triton on a GPU only.

Each call draws its own noise, because `rsample` cannot be handed any. float32; on a CPU one thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from benchmarks.kernels.side_by_side import compare, record
from gencourse.kernels import reparameterize_kl

RESULT = Path(__file__).parents[1] / "results" / "reparameterize_kl.json"

SIZES = {"cpu": [(128, 2), (128, 20), (4096, 64)], "cuda": [(128, 20), (4096, 64), (65536, 256)]}

Contender = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def textbook(mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
    return z, -0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum(-1)


def distributions(mean: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    posterior = Normal(mean, torch.exp(0.5 * log_var))
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return posterior.rsample(), kl_divergence(posterior, prior).sum(-1)


def ours(impl: Any) -> Contender:
    return lambda mean, log_var: reparameterize_kl(mean, log_var, torch.randn_like(mean), impl=impl)


def contenders(device: torch.device) -> dict[str, Contender]:
    implementations = ["reference", "compile"] + (["triton"] if device.type == "cuda" else [])
    return {
        "textbook": textbook,
        "distributions": distributions,
        **{impl: ours(impl) for impl in implementations},
    }


def forward(contender: Contender, mean: Tensor, log_var: Tensor) -> Callable[[], Any]:
    @torch.no_grad()
    def call() -> Any:
        return contender(mean, log_var)

    return call


def forward_backward(contender: Contender, mean: Tensor, log_var: Tensor) -> Callable[[], Any]:
    leaves = (mean.clone().requires_grad_(), log_var.clone().requires_grad_())
    weights = (torch.ones_like(mean), torch.ones_like(mean[:, 0]))
    return lambda: torch.autograd.grad(contender(*leaves), leaves, weights)


def measure(device: torch.device) -> dict[str, Any]:
    section: dict[str, Any] = {}
    generator = torch.Generator(device).manual_seed(0)
    for batch, d in SIZES[device.type]:
        torch.compiler.reset()  # Compile for this size alone, as a training run would.
        mean, log_var = torch.randn(2, batch, d, generator=generator, device=device)
        expected = textbook(mean, log_var)[1]
        for contender in contenders(device).values():
            torch.testing.assert_close(contender(mean, log_var)[1], expected)
        section[f"{batch}x{d}"] = {
            task.__name__: compare(
                {name: task(c, mean, log_var) for name, c in contenders(device).items()}, device
            )
            for task in (forward, forward_backward)
        }
    return section


if __name__ == "__main__":
    record(RESULT, measure, tasks=("forward", "forward_backward"))
