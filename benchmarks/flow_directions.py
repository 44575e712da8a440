"""What the three kinds of flow cost in each direction, and what a determinant costs.

    python -m benchmarks.flow_directions

writes benchmarks/results/flow_directions.json. First, log |det J| of dense Jacobians against the
sum that is left when they are triangular, by the dimension D. Second, three flows of about equal
networks (two hidden layers of WIDTH units), each timed on giving the density of BATCH points and on
drawing as many: four coupling layers; four autoregressive layers; a velocity followed in six steps
of RK4, its trace exact or estimated. Third, the same for the shipped flow of digits.

All contenders take turns, and the clock is that of the process, so that other work on the machine
shifts the times little and their ratios less.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.kernels.side_by_side import machine, seconds, versions
from gencourse import checkpoints
from gencourse.families.continuous_flow import Continuous, Velocity
from gencourse.nn import MLP, MaskedMLP
from gencourse.nn import transforms as t
from gencourse.recipes.flow import grey_levels

DENSE = (16, 32, 64, 128, 256, 512, 1024, 2048)
TRIANGULAR = tuple(4**k for k in range(2, 11))
FIT = 4
"""A power of D is fitted to this many of the largest D: small ones measure the call alone."""
DIMENSIONS = (2, 8, 32, 64)
BATCH, WIDTH, LAYERS, STEPS, ROUNDS = 64, 128, 4, 6, 5
DIGITS = 100

CPU = torch.device("cpu")
Contender = Callable[[], Any]


def medians(contenders: dict[str, Contender], rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds of each, the median of so many rounds in which they take turns."""
    calls = {}
    for name, contender in contenders.items():
        contender()
        calls[name] = max(1, round(0.02 / max(seconds(contender, 1, CPU), 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name].append(seconds(contender, calls[name], CPU) * 1e3)
    return {name: round(statistics.median(values), 4) for name, values in times.items()}


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """The power of D that the largest sizes follow: least squares on both logarithms."""
    x = [math.log(size) for size in sizes[-FIT:]]
    y = [math.log(time) for time in times[-FIT:]]
    return round(statistics.linear_regression(x, y).slope, 2)


def determinants() -> dict[str, Any]:
    """log |det J| by elimination, and by adding up the logarithms of a diagonal."""
    generator = torch.Generator().manual_seed(0)

    def dense(size: int) -> Contender:
        jacobian = torch.randn(size, size, generator=generator)
        return lambda: torch.linalg.slogdet(jacobian)

    def triangular(size: int) -> Contender:
        diagonal = torch.rand(size, generator=generator) + 0.5
        return lambda: diagonal.log().sum()

    found = {}
    for kind, make, sizes in (("dense", dense, DENSE), ("triangular", triangular, TRIANGULAR)):
        times = list(medians({str(size): make(size) for size in sizes}).values())
        found[kind] = {"sizes": sizes, "ms": times, "exponent": exponent(sizes, times)}
    return found


def flows(features: int) -> dict[str, t.Transform]:
    """The three kinds in so many dimensions, with fresh weights: speed does not depend on them."""
    curve = t.Affine()
    half = torch.arange(features) < features // 2
    width = (WIDTH, WIDTH)
    kept = [half if k % 2 == 0 else ~half for k in range(LAYERS)]
    return {
        "coupling": t.Sequence(
            t.Coupling(mask, MLP(int(mask.sum()), *width, 2 * int((~mask).sum())), curve)
            for mask in kept
        ),
        "autoregressive": t.Sequence(
            t.Autoregressive(MaskedMLP(features, width, 2), curve) for _ in range(LAYERS)
        ),
        "continuous": Continuous(Velocity(MLP(features + 1, *width, features)), steps=STEPS),
    }


def directions(features: int) -> dict[str, float]:
    """Milliseconds for the density of BATCH points, and for drawing them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, features, generator=generator)
    signs = x.sign()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = flows(features)
    contenders: dict[str, Contender] = {}
    for name, model in models.items():
        contenders[f"{name} density"] = lambda model=model: model(x)
        contenders[f"{name} sample"] = lambda model=model: model.inverse(x)
    continuous = models["continuous"]
    contenders["continuous sample"] = lambda: continuous.follow(x, 1.0, 0.0)
    contenders["continuous density, estimated trace"] = lambda: continuous(x, signs)
    return medians(contenders)


def digits() -> dict[str, float]:
    """Milliseconds for each image of the shipped flow."""
    model = checkpoints.load("flow")
    x = grey_levels("test")[:DIGITS]
    generator = torch.Generator().manual_seed(0)

    def density() -> Tensor:
        return model.log_prob(x, generator)

    def sample() -> Tensor:
        return model.sample(DIGITS, generator=generator)

    found = medians({"density": density, "sample": sample})
    return {name: round(time / DIGITS, 3) for name, time in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/flow_directions.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        rows = {str(features): directions(features) for features in DIMENSIONS}
        largest = rows[str(DIMENSIONS[-1])]
        result = {
            "machine": machine(CPU),
            "versions": versions(),
            "determinant": determinants(),
            "flows": {
                "batch": BATCH,
                "width": WIDTH,
                "layers": LAYERS,
                "rk4_steps": STEPS,
                "ms": rows,
                "largest": DIMENSIONS[-1],
                "ratio": {
                    name: round(largest[f"{name} sample"] / largest[f"{name} density"], 2)
                    for name in ("coupling", "autoregressive", "continuous")
                },
            },
            "digits": {"images": DIGITS, **digits()},
        }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
