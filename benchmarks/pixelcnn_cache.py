"""Sampling from the shipped PixelCNN with its cache and without.

    python -m benchmarks.pixelcnn_cache

writes `benchmarks/results/pixelcnn_cache.json`: milliseconds an image, for several numbers of
images drawn at once. Both ways take one step for each of the 196 cells; without the cache a step
computes the whole image again. Processor time on one thread, the two ways in turn, medians of
REPETITIONS. Both draw the same images, which is checked first.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.kernels.side_by_side import machine, versions
from gencourse import checkpoints

RESULT = Path(__file__).parent / "results" / "pixelcnn_cache.json"
BATCHES = (1, 16)
REPETITIONS = 3


def measure(model: Any, n: int) -> dict[str, float]:
    def draw(cached: bool) -> tuple[torch.Tensor, float]:
        begin = time.process_time()
        images = model.sample(n, generator=torch.Generator().manual_seed(0), cached=cached)
        return images, time.process_time() - begin

    with_cache, without = draw(True)[0], draw(False)[0]
    same = (with_cache == without).float().mean().item()
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(REPETITIONS):
        for cached in (True, False):
            times[cached].append(draw(cached)[1] / n * 1e3)
    cached, whole = statistics.median(times[True]), statistics.median(times[False])
    return {
        "cached_ms": round(cached, 2),
        "whole_ms": round(whole, 2),
        "ratio": round(whole / cached, 1),
        "pixels_equal": same,
    }


def main() -> None:
    torch.set_num_threads(1)
    model = checkpoints.load("pixelcnn")
    results: dict[str, Any] = {
        "machine": machine(torch.device("cpu")),
        "versions": versions(),
        "protocol": f"processor milliseconds an image, one thread, median of {REPETITIONS}",
        "batch": {str(n): measure(model, n) for n in BATCHES},
    }
    for n, row in results["batch"].items():
        print(n, row)
    RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
