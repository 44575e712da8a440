"""The speed gap: D passes of a chain against T passes of a refinement, by one and the same network.

    python -m benchmarks.speed_gap

writes `gencourse/bench/results/speed_gap.json`. One gated causal convolution (16 channels, three
layers) maps a 64 × 64 image, D = 4096 values, to one number for each of them. Real loops, each a
sampler as far as time is concerned:

whole
    autoregressive, nothing remembered: a pass over the whole image for each of the D values.
cached
    autoregressive, computing only what is new: D steps, `GatedCausalConv.start` and `at`.
refine
    the whole image moved a little, T times: T passes, as an iterative denoiser does.

Seconds of processor time on one thread, the median of the repetitions. A pass costs the same
whatever the image holds, so that `whole` is timed over its first WHOLE_PASSES passes and
multiplied; everything else runs to the end. The crossing is the T at which the refinement takes as
long as the chain: seconds of the chain / seconds of a pass.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.kernels.side_by_side import machine, versions
from gencourse.bench import RESULTS
from gencourse.nn import GatedCausalConv

RESULT = RESULTS / "speed_gap.json"
SIDE = 64
D = SIDE**2
STEPS = (4, 10, 25, 50, 250)
BATCHES = (1, 4)
WHOLE_PASSES = 256
REPETITIONS = 3


@torch.no_grad()
def whole(network: GatedCausalConv, noise: Tensor) -> None:
    x = torch.zeros_like(noise)
    flat = x.flatten(2)
    for position in range(WHOLE_PASSES):
        flat[..., position] = network(x).flatten(2)[..., position] + noise.flatten(2)[..., position]


@torch.no_grad()
def cached(network: GatedCausalConv, noise: Tensor) -> None:
    x = torch.zeros_like(noise)
    flat, cache = x.flatten(2), network.start(len(x))
    for position in range(D):
        flat[..., position] = network.at(x, position, cache) + noise.flatten(2)[..., position]


@torch.no_grad()
def refine(network: GatedCausalConv, noise: Tensor, steps: int) -> None:
    x = noise
    for _ in range(steps):
        x = x + network(x) / steps


def seconds(call: Callable[[], None]) -> float:
    """The median processor time of a call."""
    times = []
    for _ in range(REPETITIONS):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def measure(batch: int) -> dict[str, Any]:
    network = GatedCausalConv(1, 16, 1, (SIDE, SIDE), (1, 2, 1)).eval()
    noise = torch.randn(batch, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    refine(network, noise, 4)  # warm up
    loops = {str(steps): seconds(lambda s=steps: refine(network, noise, s)) for steps in STEPS}
    a_pass = loops[str(STEPS[-1])] / STEPS[-1]
    chain = seconds(lambda: cached(network, noise))
    forgetful = seconds(lambda: whole(network, noise)) * D / WHOLE_PASSES
    return {
        "refine": {steps: round(value, 4) for steps, value in loops.items()},
        "whole": round(forgetful, 2),
        "cached": round(chain, 3),
        "crossing_whole": round(forgetful / a_pass),
        "crossing_cached": round(chain / a_pass),
        "gain_of_cache": round(forgetful / chain, 1),
    }


def main() -> None:
    torch.set_num_threads(1)
    results: dict[str, Any] = {
        "machine": machine(torch.device("cpu")),
        "versions": versions(),
        "protocol": (
            "processor seconds of a loop on one thread, median of "
            f"{REPETITIONS}; `whole` from its first {WHOLE_PASSES} of {D} equal passes"
        ),
        "values": D,
        "batch": {},
    }
    for batch in BATCHES:
        results["batch"][str(batch)] = measure(batch)
        print(batch, results["batch"][str(batch)], flush=True)
    RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
