"""Figures of chapter 1, the map of the families."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle
from torch import Tensor

from gencourse.data import EightGaussians, Ring, mnist
from gencourse.evaluation import exact_routes
from gencourse.evaluation.trade import undominated
from gencourse.figures.look import (
    FAMILIES,
    GROUND,
    INK,
    NOISE,
    QUIET,
    RULE,
    Family,
    draw_mark,
    plane_axes,
    plane_grid,
    show_density,
)

__all__ = ["arrangement", "critic_along_a_ray", "empty_cells", "four_uses", "routes"]

_POINTS = 170
_EXTENT = 3.0


def routes() -> None:
    """One row for each family: from what it starts with to points on the ring, in four pictures."""
    figure = plt.figure(figsize=(5.9, 6.9))
    grid = figure.add_gridspec(5, 5, width_ratios=(1.08, 1, 1, 1, 1), wspace=0.0, hspace=0.0)
    rows = (
        (_compress, "1 pass"),
        (_contest, "1 pass"),
        (_invert, "1 pass"),
        (_chain, "D passes"),
        (_denoise, "T passes"),
    )
    for row, (family, (draw, passes)) in enumerate(zip(FAMILIES.values(), rows, strict=True)):
        _row_label(figure.add_subplot(grid[row, 0]), family, passes)
        panels = [figure.add_subplot(grid[row, column]) for column in range(1, 5)]
        for ax in panels:
            _bare(ax)
        captions = draw(panels, family.colour, torch.Generator().manual_seed(row))
        for ax, caption in zip(panels, captions, strict=True):
            ax.set_xlabel(caption, fontsize=9, color=QUIET, labelpad=2)


def _row_label(ax: Axes, family: Family, passes: str) -> None:
    ax.set(xlim=(0, 1.08), ylim=(0, 1), aspect="equal")
    ax.axis("off")
    draw_mark(ax, family.verb, (0.14, 0.8), 0.24, family.colour)
    ax.text(0.02, 0.53, family.verb, color=family.colour, weight="bold", fontsize=12)
    ax.text(0.02, 0.38, family.name, color=INK, fontsize=9)
    ax.text(0.02, 0.24, passes, color=QUIET, fontsize=9)


def _bare(ax: Axes) -> None:
    """A plane without ticks, framed by a hairline."""
    plane_axes(ax, _EXTENT)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color=RULE)


def _dots(ax: Axes, x: Tensor, colour: str, size: float = 1.9, alpha: float = 0.75) -> None:
    ax.plot(*x.T.numpy(), "o", ms=size, color=colour, alpha=alpha, mew=0)


def _truth(ax: Axes) -> None:
    """The ring's crest, in ink."""
    ax.add_patch(Circle((0, 0), Ring().radius, fill=False, ec=INK, lw=0.7, zorder=0))


def _arrive(ax: Axes, x: Tensor, colour: str) -> None:
    _truth(ax)
    _dots(ax, x, colour)


def _compress(panels: Sequence[Axes], colour: str, generator: torch.Generator) -> tuple[str, ...]:
    ring = Ring()
    z = torch.randn(_POINTS, generator=generator)
    noise = ring.noise * torch.randn(_POINTS, 2, generator=generator)
    centre = exact_routes.decode(ring, z)

    line, place, spread, arrived = panels
    line.axhline(-1, color=QUIET, lw=0.8)
    axis = np.linspace(-3, 3, 200)
    line.plot(axis, 4.6 * np.exp(-(axis**2) / 2) / np.sqrt(2 * np.pi) - 1, color=NOISE, lw=1.2)
    line.plot(z, torch.full((_POINTS,), -1.0), "|", ms=6, mew=0.8, color=colour, alpha=0.4)

    _dots(place, centre, colour)
    few = slice(0, 14)
    _dots(spread, centre[few], colour, size=2.4)
    for x, y in centre[few].tolist():
        for reach in (1, 2):
            blur = Circle((x, y), reach * ring.noise, color=colour, alpha=0.16, lw=0)
            spread.add_patch(blur)
    _arrive(arrived, centre + noise, colour)
    return ("draw a code z", "decode a place", "add its noise", "sample")


def _contest(panels: Sequence[Axes], colour: str, generator: torch.Generator) -> tuple[str, ...]:
    real = Ring()
    _dots(panels[0], torch.randn(_POINTS, 2, generator=generator), NOISE)
    verdict = LinearSegmentedColormap.from_list("verdict", (colour, GROUND, INK))
    plane = plane_grid(_EXTENT, 90)
    for ax, forger in zip(panels[1:3], (Ring(0.9, 0.5), Ring(1.75, 0.28)), strict=True):
        critic = exact_routes.discriminate(real, forger, plane).numpy()
        edge = (-_EXTENT, _EXTENT, -_EXTENT, _EXTENT)
        ax.imshow(critic, extent=edge, cmap=verdict, vmin=-1.4, vmax=2.4, interpolation="none")
        _truth(ax)
        _dots(ax, exact_routes.contest(forger, _POINTS, generator), colour)
    _arrive(panels[3], exact_routes.contest(real, _POINTS, generator), colour)
    return ("draw noise", "a first forgery", "a better one", "sample")


def _invert(panels: Sequence[Axes], colour: str, generator: torch.Generator) -> tuple[str, ...]:
    ring = Ring()
    z = torch.randn(_POINTS, 2, generator=generator)
    x = exact_routes.warp(ring, z)
    # An even number of lines each way, so that none runs through the centre, where the hole opens.
    at = torch.linspace(-2.7, 2.7, 12)
    along = torch.linspace(-2.7, 2.7, 41)
    lines = [torch.stack([c.expand(41), along], dim=-1) for c in at]
    lines += [line.flip(-1) for line in lines]
    for ax, part, dots in zip(panels[:3], (0.0, 0.5, 1.0), (NOISE, colour, colour), strict=True):
        for line in lines:
            moved = (1 - part) * line + part * exact_routes.warp(ring, line)
            ax.plot(*moved.T.numpy(), color=colour, lw=0.5, alpha=0.45)
        _dots(ax, (1 - part) * z + part * x, dots)
    _arrive(panels[3], x, colour)
    return ("draw noise", "push outwards", "nothing tears", "sample")


def _chain(panels: Sequence[Axes], colour: str, generator: torch.Generator) -> tuple[str, ...]:
    ring = Ring()
    axis = torch.linspace(-_EXTENT, _EXTENT, 301, dtype=torch.float64)
    x = exact_routes.chain(ring, _POINTS, generator)
    ask, first, second, arrived = panels

    ask.plot(axis, 3.4 * exact_routes.marginal(ring, axis) - 1, color=colour, lw=1.3)
    ask.axhline(-1, color=QUIET, lw=0.8)
    first.axhline(0, color=QUIET, lw=0.8)
    first.plot(x[:, 0], torch.zeros(_POINTS), "|", ms=6, mew=0.8, color=colour, alpha=0.4)
    _truth(second)
    chosen = torch.tensor([-1.9, -0.6, 1.2], dtype=torch.float64)
    for at, given in zip(chosen, exact_routes.conditional(ring, chosen, axis), strict=True):
        second.axvline(float(at), color=NOISE, lw=0.7)
        second.plot(at + 0.55 * given, axis, color=colour, lw=1.2)
    _arrive(arrived, x, colour)
    return ("the odds of x₁", "draw x₁", "the odds of x₂", "sample")


def _denoise(panels: Sequence[Axes], colour: str, generator: torch.Generator) -> tuple[str, ...]:
    stops = torch.stack(exact_routes.denoise(Ring(), _POINTS, 100, generator))
    _dots(panels[0], stops[0], NOISE)
    for ax, stop in zip(panels[1:3], (65, 85), strict=True):
        for path in stops[: stop + 1 : 5, :30].unbind(1):
            ax.plot(*path.T.numpy(), color=NOISE, lw=0.5, alpha=0.7)
        _dots(ax, stops[stop], colour)
    _arrive(panels[3], stops[-1], colour)
    return ("draw noise", "remove a little", "and again", "sample")


def four_uses(target: EightGaussians, known: float, mode: int, marked: Tensor) -> None:
    """Sample, score, infill, condition: four questions to one density, side by side.

    `known` is the coordinate x₁ that infilling is given, `mode` the Gaussian that conditioning asks
    for, `marked` two points (2, 2) to be scored.
    """
    figure, axes = plt.subplots(2, 2, figsize=(6.6, 6.4), sharex=True, sharey=True)
    sample, score, infill, condition = axes.flat
    for ax, title in zip(axes.flat, ("Sample", "Score", "Infill", "Condition"), strict=True):
        plane_axes(ax, target.extent, labels=True)
        ax.label_outer()
        ax.set_title(title)

    _dots(sample, target.sample(600, torch.Generator().manual_seed(0)), INK, size=2.4)

    show_density(score, target.log_prob, target.extent)
    for point, log_p in zip(marked, target.log_prob(marked), strict=True):
        score.plot(*point.tolist(), "o", mfc=GROUND, mec=INK, ms=5)
        score.annotate(
            f"{log_p:.1f} nats".replace("-", "−"),
            point.tolist(),
            (8, -3),
            textcoords="offset points",
            fontsize=9,
        )

    x1 = torch.tensor([known], dtype=torch.float64)
    x2 = torch.linspace(-target.extent, target.extent, 601, dtype=torch.float64)
    show_density(infill, target.log_prob, target.extent)
    infill.axvline(known, color=QUIET, lw=0.8)
    curve = known + exact_routes.conditional(target, x1, x2)[0]
    infill.fill_betweenx(x2, known, curve, color=QUIET, alpha=0.3, lw=0)
    infill.plot(curve, x2, color=INK, lw=1.4)
    infill.text(known + 0.12, -2.75, f"given $x_1 = {known:g}$", fontsize=9)

    _dots(condition, target.sample(600, torch.Generator().manual_seed(0)), NOISE, 2.4, alpha=0.6)
    spot = target.means[mode].float()
    asked = spot + target.noise * torch.randn(75, 2, generator=torch.Generator().manual_seed(1))
    _dots(condition, asked, INK, size=2.4)
    condition.text(*(spot * 1.34).tolist(), f"given $y = {mode}$", fontsize=9, ha="center")
    figure.align_labels()


def arrangement(seed: int = 4) -> None:
    """Six digits; the same pixels in another order; six images with every pixel drawn by lot."""
    generator = torch.Generator().manual_seed(seed)
    images = mnist("test").images
    digits = images[torch.randperm(len(images), generator=generator)[:6]].reshape(6, 784)
    shuffled = digits[:, torch.randperm(784, generator=generator)]
    by_lot = torch.randint(256, (6, 784), generator=generator)
    titles = ("six digits", "their pixels, shuffled", "every pixel drawn by lot")
    _, axes = plt.subplots(3, 1, figsize=(6.6, 2.7))
    for ax, title, row in zip(axes, titles, (digits, shuffled, by_lot), strict=True):
        strip = (
            torch.nn.functional.pad(row.reshape(6, 28, 28), (2, 2)).movedim(0, 1).reshape(28, -1)
        )
        ax.imshow((255 - strip).numpy(), cmap="gray", origin="upper", vmin=0, vmax=255)
        ax.axis("off")
        ax.text(-6, 14, title, ha="right", va="center", fontsize=10)


def empty_cells(dimensions: Sequence[int], rates: Mapping[int, Sequence[float]]) -> None:
    """Share of held-out points that fall where no training point ever fell, against dimension.

    `rates` maps a number of training points to one share for each dimension.
    """
    _, ax = plt.subplots(figsize=(6.6, 3.2))
    shades = plt.get_cmap("ink")(np.linspace(0.4, 1, len(rates)))
    for (n, shares), shade in zip(rates.items(), shades, strict=True):
        ax.plot(dimensions, shares, marker="o", color=shade)
        middle = int(np.argmin(np.abs(np.asarray(shares) - 0.5)))
        left = 2 * middle < len(dimensions)
        ax.annotate(
            f"{n:,} points",
            (dimensions[middle], shares[middle]),
            (-7, 5) if left else (7, -12),
            textcoords="offset points",
            ha="right" if left else "left",
            color=shade,
            fontsize=9,
        )
    ax.set(ylim=(0, 1.03), xlabel="dimensions of the data", xticks=dimensions)
    ax.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    ax.set_title("Held-out points in cells that no training point visited")


def critic_along_a_ray(data: Ring, forger: Ring, marked: Sequence[float]) -> None:
    """Density of the data and verdict of the best critic, from the centre of the ring outwards.

    At each distance in `marked` the two are written beside the curve.
    """
    colour = FAMILIES["GAN"].colour
    r = torch.linspace(0, 3, 301, dtype=torch.float64)
    ray = torch.stack([r, torch.zeros_like(r)], dim=-1)
    log_p = data.log_prob(ray)
    verdict = exact_routes.discriminate(data, forger, ray)

    _, (above, below) = plt.subplots(2, 1, figsize=(6.6, 4.0), sharex=True)
    above.plot(r, log_p.exp(), color=INK)
    above.plot(r, forger.log_prob(ray).exp(), color=colour, ls="--")
    above.text(data.radius - 0.28, 0.16, "data", ha="right", fontsize=9)
    above.text(forger.radius + 0.25, 0.16, "forger", color=colour, fontsize=9)
    above.set_title("Density")
    above.set(ylim=(0, None), yticks=[0, 0.1, 0.2])

    below.axhline(0.5, color=NOISE, lw=0.8)
    below.plot(r, verdict, color=colour)
    for distance in marked:
        i = round(100 * distance)
        below.plot(distance, verdict[i], "^", color=colour, ms=6)
        below.annotate(
            f"verdict {verdict[i]:.2f}\nlog density {log_p[i]:.1f}".replace("-", "−"),
            (distance, float(verdict[i])),
            (0, -12),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=9,
        )
    below.set(ylim=(-0.03, 1.05), yticks=[0, 0.5, 1], xlabel="distance from the centre")
    below.set_title("Verdict of the best critic")


def trade(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Quality against the time of a sample, with variety as the size of the mark.

    `results` is what `gencourse bench` writes under that name. A ring around a mark says that no
    other model is at least as good in all three and better in one.
    """
    figure, axes = plt.subplots(1, len(results), figsize=(7.6, 3.3), sharey=True)
    for ax, (target, rows) in zip(figure.axes, results.items(), strict=True):
        models = {name: row for name, row in rows.items() if name != "data"}
        quality, variety, time = (
            [row["figures"][key]["mean"] for row in models.values()]
            for key in ("on_data", "recall", "microseconds")
        )
        speed = [-math.log(each) for each in time]
        front = undominated(torch.tensor([quality, variety, speed], dtype=torch.float64).T)
        for i, row in enumerate(models.values()):
            family = FAMILIES[row["family"]]
            size = 3 + 9 * variety[i]
            ax.plot(time[i], quality[i], family.marker, color=family.colour, ms=size)
            if front[i]:
                ax.plot(time[i], quality[i], "o", mfc="none", mec=INK, mew=0.7, ms=size + 7)
        # Labels stand beside the fast marks, one below the other where they crowd; of the slow
        # ones, above a mark of full quality and below the others.
        lowest = math.inf
        for i in sorted(range(len(time)), key=lambda i: (time[i] > 1, -quality[i])):
            name, row = list(models.items())[i]
            lowest = quality[i] if time[i] > 1 else min(quality[i], lowest - 0.022)
            ax.annotate(
                f"{name}, recall {variety[i]:.0%}",
                (time[i], lowest),
                (16, 0) if time[i] <= 1 else (-20, 18 if quality[i] == max(quality) else -18),
                textcoords="offset points",
                ha="left",
                va="center",
                color=FAMILIES[row["family"]].colour,
                fontsize=8,
            )
        ax.set_title(target)
        ax.set(xscale="log", xlabel="microseconds for one sample", ylim=(0.8, 1.03))
        ax.set_xlim(min(time) / 3, max(time) * 8)
        ax.set_yticks([0.8, 0.9, 1], ["80 %", "90 %", "100 %"])
    axes[0].set_ylabel("samples on the data")
