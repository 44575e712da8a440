"""The measured map: every family on the same data, for the same time, several times over.

Surveys print *high* and *low*. Here each family learns the same two densities of the plane, with
about ten thousand parameters and the same seconds of one core, from five different seeds, and is
measured by the same rulers. What is printed is the mean over seeds, the spread, and the worst.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from gencourse.bench.contestants import CONTESTANTS
from gencourse.bench.protocol import TARGETS, measured_map

__all__ = ["RESULTS", "configure", "result", "run"]

RESULTS = Path(__file__).parent / "results"
"""The measurements that chapters draw and print, which therefore travel with the package."""


def result(name: str) -> dict[str, Any]:
    """A committed measurement by the name of its file, `result("map")` for results/map.json.

    Raises `ValueError` for a name that does not exist.
    """
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        known = sorted(file.stem for file in RESULTS.glob("*.json"))
        raise ValueError(f"There is no measurement {name!r}; there are {', '.join(known)}.")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
    return content


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse bench`."""
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS / "map.json",
        help="where the result is written (default: where the chapters read it)",
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many of each (default: 5)")
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="of one core for each training (default: 8)"
    )
    parser.add_argument("--only", nargs="+", choices=sorted(CONTESTANTS), help="these families")


def run(args: argparse.Namespace) -> int:
    """Train, measure, write; the exit status is 0."""
    torch.set_num_threads(1)
    names = args.only or list(CONTESTANTS)
    runs = len(names) * len(TARGETS) * args.seeds
    print(f"{runs} runs of {args.seconds:g} s and their measurement", file=sys.stderr)
    result = measured_map(names, seeds=args.seeds, seconds=args.seconds)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
    print(f"Wrote {args.out}.", file=sys.stderr)
    return 0
