"""The figures of chapter 4, change of variables."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor

from gencourse.data import Target
from gencourse.families.continuous_flow import ContinuousFlow
from gencourse.families.flow import Flow, StandardNormal
from gencourse.figures.look import FAMILIES, INK, NOISE, QUIET, plane_axes, plane_grid, show_density

__all__ = [
    "costs",
    "density_and_samples",
    "hole",
    "mass_along_a_line",
    "paths",
    "through_the_layers",
    "two_curves",
]

MODEL = FAMILIES["flow"].colour


def _dots(ax: Axes, points: Tensor, colour: str, alpha: float = 0.5) -> None:
    ax.plot(*points.detach().T.numpy(), ".", color=colour, markersize=2.2, alpha=alpha, mew=0)


def mass_along_a_line() -> None:
    """One map of the line, and equal slices of mass before it (below) and after it (left)."""
    z = torch.linspace(-3, 3, 601)
    x = z + 0.85 * torch.tanh(2.2 * z)
    slope = 1 + 0.85 * 2.2 / torch.cosh(2.2 * z) ** 2
    before = StandardNormal(1).log_prob(z[:, None]).exp()
    after = before / slope
    figure, axes = plt.subplots(
        2, 2, figsize=(6.2, 5.0), width_ratios=(1, 2.2), height_ratios=(2.2, 1)
    )
    left, middle, below = axes[0, 0], axes[0, 1], axes[1, 1]
    axes[1, 0].set_visible(False)
    middle.plot(z, x, color=MODEL)
    below.plot(z, before, color=NOISE)
    left.plot(after, x, color=INK)
    for edge in (-0.25, 0.95):
        part = (z >= edge) & (z <= edge + 0.35)
        below.fill_between(z[part], before[part], color=NOISE, alpha=0.7, lw=0)
        left.fill_betweenx(x[part], after[part], color=MODEL, alpha=0.6, lw=0)
        for end in (edge, edge + 0.35):
            height = end + 0.85 * math.tanh(2.2 * end)
            middle.plot([end, end, -3], [-4, height, height], color=QUIET, lw=0.7)
    middle.set(xlim=(-3, 3), ylim=(-4, 4), title="x = g(z)")
    below.set(xlim=(-3, 3), ylim=(0, None), xlabel="noise z", ylabel="density")
    left.set(ylim=(-4, 4), xlim=(0.55, 0), xlabel="density", ylabel="data x")
    figure.align_labels()


def two_curves(shapes: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> None:
    """For each curve its graph and its slope.

    shapes: name to x, y and log-slope, each (n,).
    """
    _, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.0))
    for (name, (x, y, log_slope)), style in zip(shapes.items(), ("--", "-"), strict=True):
        left.plot(x, y, color=MODEL, ls=style, label=name)
        right.plot(x, log_slope.exp(), color=MODEL, ls=style, label=name)
    left.set(xlabel="x", ylabel="y", title="The curve", aspect="equal")
    right.set(xlabel="x", ylabel="dy/dx", title="Its slope, the density's factor", ylim=(0, None))
    left.legend(loc="upper left")


def density_and_samples(data: Target, flow: Flow, n: int = 2000) -> None:
    """Data, the flow's samples, and its density over the same square."""
    generator = torch.Generator().manual_seed(1)
    _, (left, middle, right) = plt.subplots(1, 3, figsize=(7.4, 2.7))
    _dots(left, data.sample(n, generator), INK)
    _dots(middle, flow.sample(n, generator=generator), MODEL)
    show_density(right, flow.log_prob, data.extent)
    titles = ("Data", "Samples of the flow", "Its density p(x)")
    for ax, title in zip((left, middle, right), titles, strict=True):
        plane_axes(ax, data.extent)
        ax.set_title(title)


def through_the_layers(flow: Flow, layers: Sequence[int], n: int = 2500) -> None:
    """Noise on its way back through the transforms of a `Sequence`: after so many layers each."""
    z = flow.base.sample(n, torch.zeros(1), torch.Generator().manual_seed(2))
    colour = z[:, 0].argsort().argsort() / n
    stages = [z]
    with torch.no_grad():
        for transform in reversed(list(flow.transform.transforms)):  # type: ignore[arg-type]
            stages.append(transform.inverse(stages[-1])[0])
    _, axes = plt.subplots(1, len(layers), figsize=(7.4, 7.4 / len(layers)))
    for ax, layer in zip(axes, layers, strict=True):
        ax.scatter(*stages[layer].T.numpy(), c=0.25 + 0.75 * colour, s=2, lw=0, vmin=0, vmax=1)
        plane_axes(ax, 3.5)
        ax.set_title("noise" if layer == 0 else f"after {layer}")


def hole(data: Target, flows: Mapping[str, Flow], radius: float, floor: float = -12.0) -> None:
    """Logarithm of the density of the data and of each flow, on one scale that stops at `floor`."""
    points = plane_grid(data.extent).reshape(-1, 2)
    _, axes = plt.subplots(1, 1 + len(flows), figsize=(7.4, 2.7))
    densities = {"Data": data.log_prob, **{name: flow.log_prob for name, flow in flows.items()}}
    for ax, (title, log_prob) in zip(axes, densities.items(), strict=True):
        with torch.no_grad():
            log_density = log_prob(points).clamp(min=floor).view(240, 240)
        edge = (-data.extent, data.extent, -data.extent, data.extent)
        ax.imshow(log_density.numpy(), extent=edge, vmin=floor, vmax=0, interpolation="none")
        ax.add_patch(Circle((0, 0), radius, fill=False, color=MODEL, ls="--"))
        plane_axes(ax, data.extent)
        ax.set_title(title)


def costs(
    determinants: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    directions: Mapping[str, tuple[Sequence[int], Sequence[float], Sequence[float]]],
) -> None:
    """Left, the time of a log-determinant; right, of density (filled) and sampling (open).

    determinants: kind to dimensions and milliseconds. directions: kind of flow to dimensions,
    milliseconds for the density, and for as many samples.
    """
    _, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.0))
    for (name, (size, time)), style in zip(determinants.items(), ("-", "--"), strict=True):
        left.plot(size, time, color=INK, ls=style, marker="o", ms=3)
        left.annotate(name, (size[-1], time[-1]), (-4, 6), textcoords="offset points", ha="right")
    for (name, (size, density, sample)), style in zip(
        directions.items(), ("-", "--", ":"), strict=True
    ):
        right.plot(size, density, color=MODEL, ls=style, marker="D", ms=5, label=f"{name}, density")
        right.plot(
            size,
            sample,
            color=MODEL,
            ls=style,
            marker="D",
            ms=5,
            mfc="white",
            label=f"{name}, sample",
        )
    left.set(xscale="log", yscale="log", xlabel="dimension D", ylabel="ms", title="log |det J|")
    right.set(xscale="log", yscale="log", xlabel="dimension D", title="64 points, both directions")
    right.set_xticks(list(size), [str(each) for each in size], minor=False)
    right.set_xticks([], minor=True)
    right.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def paths(flow: ContinuousFlow, moments: Sequence[float], n: int = 1500, lines: int = 60) -> None:
    """Noise followed back in time by the ODE: the cloud at some moments, and a few of the paths."""
    z = flow.base.sample(n, torch.zeros(1), torch.Generator().manual_seed(3))
    _, axes = plt.subplots(1, len(moments) + 1, figsize=(7.4, 7.4 / (len(moments) + 1)))
    for ax, moment in zip(axes, moments, strict=False):
        with torch.no_grad():
            points = z if moment == 1 else flow.transform.follow(z, 1.0, moment)
        _dots(ax, points, NOISE if moment == 1 else MODEL)
        ax.set_title(f"t = {moment:g}")
    times = torch.linspace(1, 0, 25).tolist()
    track = [z[:lines]]
    with torch.no_grad():
        for start, end in pairwise(times):
            track.append(flow.transform.follow(track[-1], start, end))
    way = torch.stack(track)
    axes[-1].plot(way[..., 0], way[..., 1], color=MODEL, lw=0.5, alpha=0.7)
    axes[-1].set_title(f"{lines} paths")
    for ax in axes:
        plane_axes(ax, 3.0)
