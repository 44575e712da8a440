"""Measures of two sets of points against the whole table, prdc and torchmetrics.

    python -m benchmarks.kernels.pairwise

writes `benchmarks/results/pairwise.json`. N = M = 5000 points in 64 dimensions, float32, one
thread. The first contender of each task is the baseline of its ratios; contenders must agree before
they are timed. Calls take seconds, so there are few rounds, each of one call a contender.

Memory is the growth of the peak, in a process of its own for each contender.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from prdc import compute_prdc
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import maximum_mean_discrepancy

from benchmarks.kernels.side_by_side import machine, quartiles, versions
from gencourse.evaluation.coverage import coverage, density, precision, recall
from gencourse.evaluation.distances import frechet_distance, mmd2
from gencourse.kernels import nearest

RESULT = Path(__file__).parents[1] / "results" / "pairwise.json"
N, D, BANDWIDTHS, K = 5000, 64, [4.0, 8.0, 16.0], 5
ROUNDS = 3


class Identity(nn.Module):
    """The feature network that torchmetrics wants, for points that are features already."""

    num_features = D

    def forward(self, x: Tensor) -> Tensor:
        return x


def kernel_table(x: Tensor, y: Tensor) -> Tensor:
    squared = torch.cdist(x, y).square()
    return torch.stack([torch.exp(-squared / (2 * s**2)) for s in BANDWIDTHS]).mean(0)


def full_table(x: Tensor, y: Tensor) -> float:
    n, m = len(x), len(y)
    within_x = (kernel_table(x, x).sum() - n) / (n * (n - 1))
    within_y = (kernel_table(y, y).sum() - m) / (m * (m - 1))
    return float(within_x + within_y - 2 * kernel_table(x, y).mean())


def torchmetrics_mmd(x: Tensor, y: Tensor) -> float:
    tables = kernel_table(x, x), kernel_table(x, y), kernel_table(y, y)
    return float(maximum_mean_discrepancy(*tables))


def prdc_four(x: Tensor, y: Tensor) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(y.numpy(), x.numpy(), nearest_k=K)
    return [float(found[name]) for name in ("precision", "recall", "density", "coverage")]


def torchmetrics_frechet(x: Tensor, y: Tensor) -> float:
    metric = FrechetInceptionDistance(feature=Identity())
    metric.update(y, real=True)
    metric.update(x, real=False)
    return float(metric.compute())


TASKS: dict[str, dict[str, Callable[[Tensor, Tensor], Any]]] = {
    "mmd2": {
        "full table": full_table,
        "torchmetrics": torchmetrics_mmd,
        "gencourse": lambda x, y: float(mmd2(x, y, BANDWIDTHS)),
    },
    "precision, recall, density, coverage": {
        "prdc": prdc_four,
        "gencourse": lambda x, y: [f(x, y, K) for f in (precision, recall, density, coverage)],
    },
    "frechet": {"torchmetrics": torchmetrics_frechet, "gencourse": frechet_distance},
    "nearest": {
        "torch.cdist": lambda x, y: torch.cdist(x, y).argmin(1).double().mean().item(),
        "gencourse": lambda x, y: nearest(x, y).double().mean().item(),
    },
}


def points(n: int) -> tuple[Tensor, Tensor]:
    x, y = torch.randn(2, n, D, generator=torch.Generator().manual_seed(0)).unbind()
    return 0.95 * x + 0.05, y


def seconds(call: Callable[[], Any]) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def peak() -> int:
    """The largest resident memory of this program so far, in kB, as Linux tells it.

    `ru_maxrss` would not do: it begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def memory(task: str, contender: str, n: int) -> dict[str, float]:
    """The peak's growth in MB and the processor's seconds of one call, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.kernels.pairwise", task, contender, str(n)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def one_call(task: str, contender: str, n: int) -> None:
    call, (x, y) = TASKS[task][contender], points(n)
    call(x[:100], y[:100])  # what the first call loads is not counted
    before = peak()
    spent = seconds(lambda: call(x, y))
    print(json.dumps({"mb": round((peak() - before) / 1024, 1), "seconds": round(spent, 2)}))


def measure(task: str) -> dict[str, Any]:
    contenders, (x, y) = TASKS[task], points(N)
    names = list(contenders)
    # Also the warm-up: the two tables' estimates differ by float32's rounding of their sums.
    answers = [torch.tensor(contenders[name](x, y)) for name in names]
    for answer in answers[1:]:
        torch.testing.assert_close(
            answer.double(), answers[0].double(), atol=2e-3 if task != "mmd2" else 1e-5, rtol=1e-3
        )
    times: dict[str, list[float]] = {name: [] for name in names}
    for i in range(ROUNDS):
        start = i % len(names)
        for name in names[start:] + names[:start]:
            times[name].append(seconds(lambda name=name: contenders[name](x, y)))
    return {
        name: {
            **quartiles("ms", [1000 * t for t in times[name]], 1),
            **quartiles(
                "ratio", [a / b for a, b in zip(times[name], times[names[0]], strict=True)], 3
            ),
            "mb": memory(task, name, N)["mb"],
        }
        for name in names
    }


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) == 4:
        one_call(sys.argv[1], sys.argv[2], int(sys.argv[3]))
        return
    results: dict[str, Any] = {
        "protocol": (
            f"N = M = {N}, D = {D}, float32; contenders alternate over {ROUNDS} rounds of one "
            "call; median and quartiles of processor milliseconds, and of the ratio to the first "
            "contender's in the same round; mb: growth of the peak in a process of its own"
        ),
        "cpu": {"machine": machine(torch.device("cpu")), "versions": versions()},
    }
    for task in TASKS:
        results["cpu"][task] = measure(task)
        for name, figures in results["cpu"][task].items():
            print(f"{task:37} {name:13} {figures['ms']:9.1f} ms {figures['ratio']:.3f}", flush=True)
        RESULT.write_text(json.dumps(results, indent=1) + "\n")
    results["cpu"]["50,000 points"] = {"mmd2": memory("mmd2", "gencourse", 50_000)}
    RESULT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
