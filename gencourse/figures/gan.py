"""The figures of chapter 3, the GAN and its game."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from gencourse.data import EightGaussians
from gencourse.figures.look import FAMILIES, INK, NOISE, QUIET, plane_axes

__all__ = ["digit_wall", "losses_and_distances", "samples_by_seed", "spirals", "verdict"]

MODEL = FAMILIES["GAN"].colour


def verdict(shift: float = 1.6) -> None:
    """Two densities on the line, N(0, 1) and N(-shift, 1), and the best critic between them."""
    x = torch.linspace(-5, 5, 500)

    def density(mean: float) -> Tensor:
        return torch.exp(-0.5 * (x - mean) ** 2) / math.sqrt(2 * math.pi)

    data, made = density(0.0), density(-shift)
    _, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.9), sharex=True)
    left.fill_between(x, data, color=INK, alpha=0.2, lw=0)
    left.plot(x, data, color=INK)
    left.plot(x, made, color=MODEL)
    left.text(0.6, 0.37, "$p$, data")
    left.text(-shift - 0.5, 0.37, "$p_G$, made", color=MODEL, ha="right")
    left.set(xlabel="x", ylabel="density", ylim=(0, 0.45), title="Two densities")
    right.plot(x, data / (data + made), color=MODEL)
    right.axhline(0.5, color=NOISE, zorder=0)
    for at, word, align in ((0.0, "the likeliest point", "right"), (4.0, "a rare one", "right")):
        height = float(torch.sigmoid(torch.tensor(shift * at + shift**2 / 2)))
        right.plot(at, height, "o", color=INK, ms=5)
        right.annotate(
            f"{word}: {height:.2f}",
            (at, height),
            (at + 0.6, height - 0.17),
            ha=align if at > 1 else "left",
            color=QUIET,
        )
    right.set(xlabel="x", ylabel="$D^*(x)$", ylim=(0, 1.05), title="The best critic's verdict")


def losses_and_distances(
    distance: Sequence[float], divergence: Sequence[float], crossing: Sequence[float]
) -> None:
    """Left, both generator losses against the critic's number; right, JSD and W₁ by distance.

    distance, divergence, crossing: separation of two spots, their JSD in nats and their W₁.
    """
    c = torch.linspace(-8, 4, 300)
    _, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.0))
    softplus = torch.nn.functional.softplus
    left.plot(c, -softplus(c), color=NOISE, lw=2.2)
    left.plot(c, softplus(-c), color=MODEL)
    left.text(-7.6, 0.35, "minimax: flat", color=QUIET)
    left.text(-5.0, 5.6, "non-saturating: slope −1", color=MODEL)
    left.set(xlabel="critic's number for a made point, $c$", ylabel="generator's loss, nats")
    left.set_title("Two losses")
    right.plot(distance, divergence, color=MODEL, marker="^", ms=4)
    right.axhline(math.log(2), color=NOISE, zorder=0)
    right.text(distance[-1], math.log(2) + 0.04, "log 2", ha="right", va="bottom", color=QUIET)
    right.plot(distance, crossing, color=INK, ls="--")
    right.text(1.25, 1.42, "$W_1$", ha="right")
    right.text(1.75, 0.48, "JSD", color=MODEL)
    right.set(xlabel="distance between the spots", ylabel="nats, or units of length")
    right.set(title="Two distances", ylim=(0, 2.1))


def samples_by_seed(data: EightGaussians, samples: Mapping[str, Sequence[Tensor]]) -> None:
    """A row for each setting, a column for each seed: samples (n, 2) over the eight centres."""
    rows, columns = len(samples), len(next(iter(samples.values())))
    _, axes = plt.subplots(rows, columns, figsize=(2.2 * columns + 0.6, 2.2 * rows))
    for line, (title, draws) in zip(axes, samples.items(), strict=True):
        for ax, points in zip(line, draws, strict=True):
            ax.plot(*data.means.T.numpy(), "o", color=NOISE, ms=13, alpha=0.45, mew=0)
            ax.plot(*points.T.numpy(), ".", color=MODEL, ms=2.2, alpha=0.5, mew=0)
            plane_axes(ax, data.extent)
        line[0].set_ylabel(title, fontsize=9)


def spirals(paths: Mapping[str, Tensor]) -> None:
    """The Dirac-GAN's walk, a panel for each name: paths (T, 2) of θ and ψ."""
    _, axes = plt.subplots(1, len(paths), figsize=(7.2, 2.6), sharex=True, sharey=True)
    for ax, (title, path) in zip(axes, paths.items(), strict=True):
        ax.axhline(0, color=NOISE, lw=0.6, zorder=0)
        ax.axvline(0, color=NOISE, lw=0.6, zorder=0)
        ax.plot(*path.T.numpy(), color=MODEL, lw=1)
        ax.plot(*path[0].tolist(), "o", color=INK, ms=5)
        ax.plot(*path[-1].tolist(), "^", color=MODEL, ms=6)
        ax.set(title=title, xlabel="generator, $θ$", aspect="equal")
    axes[0].set_ylabel("critic, $ψ$")


def digit_wall(images: Tensor, columns: int = 16) -> None:
    """Images (n, 784) in [0, 1] on a wall of `columns` columns, ink on paper."""
    rows = len(images) // columns
    wall = torch.zeros(30 * rows - 2, 30 * columns - 2)
    for place, image in enumerate(images.reshape(-1, 28, 28)):
        row, column = divmod(place, columns)
        wall[30 * row : 30 * row + 28, 30 * column : 30 * column + 28] = image
    _, ax = plt.subplots(figsize=(7.2, 7.2 * rows / columns))
    ax.imshow(wall, vmin=0, vmax=1, origin="upper", interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
