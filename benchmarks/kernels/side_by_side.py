"""Times contenders against each other fairly: in one process, in turn, many times over.

A machine's speed drifts, from heat, other work, and whatever ran before. So contenders alternate, a
round of each after a round of each, in an order that rotates, and every time is divided by the
baseline's time in the same round before medians are taken: what drifts slower than a round cancels.
On a CPU the clock counts the time that this process ran, not the time it waited for its turn; so
use one thread.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

__all__ = ["compare", "machine", "record", "versions"]

ROUNDS = 40
SECONDS_A_ROUND = 0.01


def compare(
    contenders: Mapping[str, Callable[[], Any]], device: torch.device
) -> dict[str, dict[str, float]]:
    """Time every contender; the first is the baseline.

    Returns:
        For each contender the median microseconds of a call with its quartiles (`us`, `us_low`,
        `us_high`), and the median of its time over the baseline's, with its quartiles (`ratio`,
        `ratio_low`, `ratio_high`). Below 1 is faster than the baseline.
    """
    calls = {name: warm_up(contender, device) for name, contender in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for i in range(ROUNDS):
        start = i % len(names)
        for name in names[start:] + names[:start]:
            times[name].append(seconds(contenders[name], calls[name], device) * 1e6)
    baseline = times[names[0]]
    return {
        name: {
            **quartiles("us", times[name], digits=2),
            **quartiles("ratio", [a / b for a, b in zip(times[name], baseline, strict=True)], 3),
        }
        for name in names
    }


def warm_up(contender: Callable[[], Any], device: torch.device) -> int:
    """Run until compilers and caches have settled; return how many calls fill a round."""
    seconds(contender, 10, device)
    return max(1, round(SECONDS_A_ROUND / seconds(contender, 10, device)))


def seconds(contender: Callable[[], Any], calls: int, device: torch.device) -> float:
    """The time of one call, averaged over so many."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
    clock = time.perf_counter if on_gpu else time.process_time
    begin = clock()
    for _ in range(calls):
        contender()
    if on_gpu:
        torch.cuda.synchronize(device)
    return (clock() - begin) / calls


def quartiles(name: str, values: list[float], digits: int) -> dict[str, float]:
    low, median, high = statistics.quantiles(values, n=4)
    figures = {name: median, f"{name}_low": low, f"{name}_high": high}
    return {key: round(value, digits) for key, value in figures.items()}


def machine(device: torch.device) -> dict[str, Any]:
    """The class of machine, as far as it bears on the times."""
    if device.type == "cuda":
        return {"gpu": torch.cuda.get_device_name(device)}
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].split(":")[1].strip() if models else platform.processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def versions() -> dict[str, str]:
    """The versions of what was measured, and of the peers that are installed."""
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for package in ("triton", "zuko", "nflows"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def record(
    path: Path, measure: Callable[[torch.device], dict[str, Any]], *, tasks: Iterable[str]
) -> None:
    """Measure on the CPU, on one thread, and on a GPU if there is one; print, and write the file.

    Args:
        path: The result's file. A section that is not measured now stays as it was.
        measure: Gives, for each size, for each task, what `compare` returned.
        tasks: The names of the tasks, in the order to print.
    """
    torch.set_num_threads(1)
    results = json.loads(path.read_text()) if path.exists() else {}
    results["protocol"] = (
        f"contenders alternate over {ROUNDS} rounds; median and quartiles of the microseconds of a "
        "call (on a CPU: of processor time, one thread), and of its ratio to the first contender's "
        "in the same round"
    )
    for name in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
        device = torch.device(name)
        sizes = measure(device)
        results[name] = {"machine": machine(device), "versions": versions(), **sizes}
        for size, figures_of in sizes.items():
            for task in tasks:
                for contender, figures in figures_of[task].items():
                    print(
                        f"{name:4} {size:>10} {task:16} {contender:13} {figures['us']:9.1f} µs  "
                        f"{figures['ratio']:.2f} "
                        f"[{figures['ratio_low']:.2f}, {figures['ratio_high']:.2f}]"
                    )
    path.write_text(json.dumps(results, indent=1) + "\n")
