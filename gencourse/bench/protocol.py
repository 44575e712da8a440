"""The one protocol of the measured map: same data, same time, same rulers.

Compute is counted in seconds that the process itself ran on one core, so that a busy machine does
not shorten anybody's training. A model's steps are timed before its training, and it is given as
many as fit. Everything that is drawn comes from the seed.
"""

import statistics
import sys
import time
from typing import Any

import torch
from torch import Generator, Tensor
from tqdm import tqdm

from gencourse.bench.contestants import CONTESTANTS, Contestant
from gencourse.data import EightGaussians, Ring
from gencourse.data.targets import Target
from gencourse.evaluation.coverage import modes_covered, precision, recall
from gencourse.evaluation.distances import energy_distance
from gencourse.evaluation.quadrature import grid
from gencourse.training import fit

__all__ = ["TARGETS", "measure", "measured_map", "train"]

TARGETS: dict[str, Target] = {"ring": Ring(), "eight Gaussians": EightGaussians()}

BATCH = 256
STEPS_AN_EPOCH = 50
POINTS = 5000
"""Samples, and held-out data, that a run is measured on."""


def train(contestant: Contestant, target: Target, seed: int, seconds: float) -> tuple[Any, int]:
    """A model trained for about so many seconds of one core, and the steps that it was given."""

    def build() -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return contestant.build()

    def data(epoch: int) -> Tensor:
        generator = Generator().manual_seed(1000 * seed + epoch)
        return target.sample(BATCH * STEPS_AN_EPOCH, generator)

    def fitted(epochs: int) -> Any:
        model = build()
        fit(
            model,
            data,
            epochs=epochs,
            batch_size=BATCH,
            learning_rate=contestant.learning_rate,
            betas=contestant.betas,
            seed=seed,
            progress=False,
        )
        return model

    fitted(1)  # caches warm up
    start = time.process_time()
    fitted(1)
    an_epoch = time.process_time() - start
    epochs = max(1, round(seconds / an_epoch))
    return fitted(epochs), epochs * STEPS_AN_EPOCH


def measure(model: Any, target: Target, seed: int) -> dict[str, float | None]:
    """The figures of one trained model.

    - `on_data`: the share of samples that are no less probable than 999 of 1,000 data; quality;
    - `precision`, `recall` (k = 3): quality and variety, by neighbours;
    - `modes`: how many of the eight are reached, where there are eight;
    - `energy`: the energy distance between samples and data, quality and variety in one number;
    - `nats_behind`: E_p[log p(x) − log_prob(x)], on held-out data; None for no likelihood;
    - `mass`: ∫ exp(log_prob) over the square; 1 says that `log_prob` is a density (exact only);
    - `microseconds`: to draw one sample, in batches of 1,000, on one core.
    """
    data = target.sample(POINTS, Generator().manual_seed(10_000 + seed))
    samples = model.sample(POINTS, generator=Generator().manual_seed(seed))
    threshold = target.log_prob(data.double()).quantile(0.001)
    behind, mass = None, None
    if model.likelihood != "none":
        with torch.no_grad():
            behind = float((target.log_prob(data) - model.log_prob(data)).mean())
    if model.likelihood == "exact":
        cells = grid(2, target.extent, 200)
        with torch.no_grad():
            density = model.log_prob(cells.float()).double().exp()
        mass = float(density.sum()) * (2 * target.extent / 200) ** 2
    return {
        "on_data": float((target.log_prob(samples.double()) >= threshold).double().mean()),
        "precision": precision(samples, data),
        "recall": recall(samples, data),
        "modes": modes_covered(samples, target.means, target.noise)
        if isinstance(target, EightGaussians)
        else None,
        "energy": energy_distance(samples, data),
        "nats_behind": behind,
        "mass": mass,
        "microseconds": _microseconds(model),
    }


def measured_map(names: list[str], seeds: int, seconds: float) -> dict[str, Any]:
    """Every contestant on every target from every seed: the runs, and what they come to.

    `results[target][name]` holds, for each figure of `measure`, its mean, its standard deviation
    over seeds and its worst value. The row `data` is the target against itself, with fresh samples
    in the model's place: what a perfect model would score.
    """
    results: dict[str, dict[str, Any]] = {}
    bar = tqdm(total=len(TARGETS) * len(names) * seeds, file=sys.stderr, unit="run")
    for title, target in TARGETS.items():
        rows: dict[str, Any] = {
            "data": {"figures": _summary([_of_data(target, s) for s in range(seeds)])}
        }
        for name in names:
            contestant, runs, steps = CONTESTANTS[name], [], []
            for seed in range(seeds):
                model, given = train(contestant, target, seed, seconds)
                runs.append(measure(model, target, seed))
                steps.append(given)
                bar.update()
            rows[name] = {
                "family": contestant.family,
                "likelihood": model.likelihood,
                "parameters": sum(p.numel() for p in model.parameters()),
                "passes": contestant.passes,
                "steps": round(statistics.mean(steps)),
                "figures": _summary(runs),
            }
        results[title] = rows
    bar.close()
    return {
        "protocol": {"seeds": seeds, "seconds": seconds, "batch": BATCH, "points": POINTS},
        "torch": torch.__version__,
        "results": results,
    }


def _of_data(target: Target, seed: int) -> dict[str, float | None]:
    """Fresh data measured as if a model had drawn them."""

    class Itself:
        likelihood = "exact"
        log_prob = staticmethod(target.log_prob)
        sample = staticmethod(target.sample)

    return measure(Itself(), target, seed)


def _microseconds(model: Any) -> float:
    """The median over calls of the time for one sample in a batch of 1,000."""
    generator = Generator().manual_seed(0)
    times = []
    for _ in range(9):
        start = time.process_time()
        model.sample(1000, generator=generator)
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e6 / 1000


def _summary(runs: list[dict[str, float | None]]) -> dict[str, dict[str, float] | None]:
    """Mean, spread and extremes over the seeds of every figure."""
    summary: dict[str, dict[str, float] | None] = {}
    for figure in runs[0]:
        values = [value for run in runs if (value := run[figure]) is not None]
        summary[figure] = (
            {
                "mean": statistics.mean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
                "low": min(values),
                "high": max(values),
            }
            if values
            else None
        )
    return summary
