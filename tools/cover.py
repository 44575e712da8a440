"""Draw the five pictures of the book's cover: one ring, reached by five routes.

    python -m tools.cover             write book/_cover/
    python -m tools.cover --check     fail when the committed pictures are not these

Each picture is computed by `gencourse.evaluation.exact_routes` and written as a small SVG that
takes its colours from the page: the family's for the model, ink for the truth, grey for noise.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from gencourse.data import Ring
from gencourse.evaluation import exact_routes

FOLDER = Path(__file__).parents[1] / "book" / "_cover"
SIZE, EXTENT, POINTS = 240, 3.0, 150
RING = Ring()


def at(x: Tensor) -> list[tuple[float, float]]:
    """Places in the picture of points (n, 2) in the plane."""
    scale = SIZE / (2 * EXTENT)
    return [(round((a + EXTENT) * scale, 1), round((EXTENT - b) * scale, 1)) for a, b in x.tolist()]


def dots(x: Tensor, kind: str, radius: float = 1.9) -> str:
    """Points, as strokes of no length with round ends: one short element for all of them."""
    path = "".join(f"M{a:g} {b:g}h0" for a, b in at(x))
    return f'<path class="{kind}" stroke-width="{2 * radius:g}" stroke-linecap="round" d="{path}"/>'


def lines(curves: Iterable[Tensor], kind: str) -> str:
    path = "".join("M" + "L".join(f"{a:g} {b:g}" for a, b in at(curve)) for curve in curves)
    return f'<path class="{kind}" d="{path}"/>'


def truth() -> str:
    middle, radius = SIZE / 2, RING.radius * SIZE / (2 * EXTENT)
    return f'<circle class="truth" cx="{middle:g}" cy="{middle:g}" r="{radius:g}"/>'


def compress(generator: torch.Generator) -> str:
    """Codes on a line below, and the place on the ring that each one stands for."""
    codes = torch.randn(26, generator=generator).sort().values
    on_line = torch.stack([codes * 0.95, torch.full_like(codes, -2.7)], dim=-1)
    places = exact_routes.decode(RING, codes)
    threads = [torch.stack(pair) for pair in zip(on_line, places, strict=True)]
    axis = torch.tensor([[-2.7, -2.7], [2.7, -2.7]])
    samples = exact_routes.compress(RING, POINTS, generator)
    return (
        lines([axis], "axis") + lines(threads, "route") + truth()
        + dots(on_line, "noise", 1.7) + dots(samples, "model")
    )  # fmt: skip


def contest(generator: torch.Generator) -> str:
    """An early forgery, in grey, and the one that the critic can no longer tell."""
    early = exact_routes.contest(Ring(0.9, 0.42), 90, generator)
    late = exact_routes.contest(RING, POINTS, generator)
    angle = torch.linspace(0, 2 * torch.pi, 25)[:-1]
    ray = torch.stack([angle.cos(), angle.sin()], dim=-1)
    pushes = [torch.stack([1.15 * r, (RING.radius - 0.32) * r]) for r in ray]
    return lines(pushes, "route") + truth() + dots(early, "noise", 1.5) + dots(late, "model")


def invert(generator: torch.Generator) -> str:
    """The plane itself, pushed outwards: its grid bends and does not tear."""
    along = torch.linspace(-2.9, 2.9, 59)
    grid = [torch.stack([c.expand(59), along], dim=-1) for c in torch.linspace(-2.6, 2.6, 14)]
    grid += [line.flip(-1) for line in grid]
    warped = [exact_routes.warp(RING, line) for line in grid]
    samples = exact_routes.warp(RING, torch.randn(POINTS, 2, generator=generator))
    return lines(warped, "route") + truth() + dots(samples, "model")


def chain(generator: torch.Generator) -> str:
    """The odds of the first number below; the odds of the second at three values of the first."""
    axis = torch.linspace(-2.9, 2.9, 117, dtype=torch.float64)
    first = torch.stack([axis, 2.6 * exact_routes.marginal(RING, axis) - 2.85], dim=-1)
    given = torch.tensor([-1.75, -0.35, 1.2], dtype=torch.float64)
    odds = exact_routes.conditional(RING, given, axis)
    second = [torch.stack([x + 0.42 * p, axis], dim=-1) for x, p in zip(given, odds, strict=True)]
    rods = [torch.tensor([[float(x), -2.9], [float(x), 2.9]]) for x in given]
    samples = exact_routes.chain(RING, POINTS, generator)
    return (
        lines(rods, "axis") + lines([first, *second], "route strong")
        + truth() + dots(samples, "model")
    )  # fmt: skip


def denoise(generator: torch.Generator) -> str:
    """Paths from noise to the ring, each step taking a little of the noise away."""
    stops = torch.stack(exact_routes.denoise(RING, POINTS, 60, generator))
    paths = stops[::4, :46].unbind(1)
    return (
        lines(paths, "route grey") + truth()
        + dots(stops[0, :46], "noise", 1.5) + dots(stops[-1], "model")
    )  # fmt: skip


PICTURES: dict[str, Callable[[torch.Generator], str]] = {
    "compress": compress,
    "contest": contest,
    "invert": invert,
    "chain": chain,
    "denoise": denoise,
}


def draw() -> dict[str, str]:
    """The five pictures by verb, each the text of an SVG."""
    return {
        verb: f'<svg class="route-picture" viewBox="0 0 {SIZE} {SIZE}" aria-hidden="true">'
        f"{picture(torch.Generator().manual_seed(7))}</svg>\n"
        for verb, picture in PICTURES.items()
    }


def same(first: str, second: str) -> bool:
    """Equal but for the last digit of a coordinate, where processors may round differently."""
    number = re.compile(r"-?\d+(?:\.\d+)?")
    a, b = ([float(n) for n in number.findall(text)] for text in (first, second))
    words = number.sub("", first) == number.sub("", second)
    return words and all(abs(x - y) < 0.25 for x, y in zip(a, b, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    FOLDER.mkdir(exist_ok=True)
    stale = []
    for verb, picture in draw().items():
        file = FOLDER / f"{verb}.svg"
        if check and not (file.exists() and same(file.read_text(encoding="utf8"), picture)):
            stale.append(file.name)
        elif not check:
            file.write_text(picture, encoding="utf8")
    if stale:
        print(f"Not what tools.cover draws: {', '.join(stale)}. Run `python -m tools.cover`.")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
