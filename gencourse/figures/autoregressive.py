"""The figures of chapter 5, the chain rule and the masks that keep it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.ticker import MultipleLocator
from torch import Tensor, nn

from gencourse.data import Target
from gencourse.families.autoregressive import MixtureMADE
from gencourse.figures.look import FAMILIES, INK, NOISE, QUIET, plane_axes, show_density
from gencourse.kernels import logistic_mixture_nll
from gencourse.nn import GatedCausalConv, MaskedLinear, MaskedMLP

__all__ = [
    "digits_and_surprise",
    "exposure",
    "grey_levels",
    "masks",
    "reach",
    "speed_gap",
    "two_orderings",
]

MODEL = FAMILIES["autoregressive"].colour
OTHER = FAMILIES["diffusion"].colour


def digits_and_surprise(images: Tensor, ink: Tensor, surprise: Tensor) -> None:
    """A column for each image: the image, p(ink | earlier pixels), and -log p of what came.

    All three are (n, 784); the surprise is in nats, and its sum stands under the column.
    """
    n = len(images)
    _, axes = plt.subplots(3, n, figsize=(7.2, 2.5))
    ends = {"what came": 1.0, "p(ink)": 1.0, "surprise": 3.0}
    for row, (values, (label, top)) in enumerate(
        zip((images, ink, surprise), ends.items(), strict=True)
    ):
        for ax, value in zip(axes[row], values, strict=True):
            ax.imshow(value.view(28, 28), vmin=0, vmax=top, origin="upper", interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        axes[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    for ax, value in zip(axes[2], surprise, strict=True):
        ax.set_xlabel(f"{float(value.sum()):.0f} nats", fontsize=9)


def masks(network: MaskedMLP) -> None:
    """The masks of a masked perceptron as matrices, and their product: which output sees what."""
    layers = [module.mask for module in network.modules() if isinstance(module, MaskedLinear)]
    product = layers[0]
    for mask in layers[1:]:
        product = mask @ product
    titles = [f"layer {k + 1}" for k in range(len(layers))] + ["paths"]
    _, axes = plt.subplots(
        1, len(titles), figsize=(7.2, 2.6), width_ratios=[m.shape[1] for m in [*layers, product]]
    )
    for ax, title, mask in zip(axes, titles, [*layers, product], strict=True):
        count = mask / mask.max()
        ax.imshow(count, vmin=0, vmax=1, origin="upper", aspect="auto", interpolation="nearest")
        ax.set(xticks=[], yticks=[], title=title, xlabel=f"{mask.shape[1]} in")
        ax.set_ylabel(f"{mask.shape[0]} out")


def reach(size: int = 15) -> None:
    """Which pixels the centre's conditional depends on, by the gradient: plain stack and gated."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(3, 3)
    mask[1, 1:], mask[2] = 0, 0  # the first layer may not see its own pixel
    own = mask.clone()
    own[1, 1] = 1

    def plain(x: Tensor) -> Tensor:
        """Masked 3 × 3 kernels; after the first they may include their own position."""
        h = x
        for layer in range(7):
            kernel = torch.rand(1, 1, 3, 3, generator=generator) * (own if layer else mask)
            h = nn.functional.conv2d(h, kernel, padding=1)
        return h

    gated = GatedCausalConv(1, 8, 1, (size, size), (1, 2, 2))
    for parameter in gated.parameters():
        parameter.data.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    _, axes = plt.subplots(1, 2, figsize=(6.2, 3.2))
    centre = size // 2
    networks: dict[str, Callable[[Tensor], Tensor]] = {
        "One stack of masked kernels": plain,
        "Two stacks, gated": gated,
    }
    for ax, (title, network) in zip(axes, networks.items(), strict=True):
        x = torch.randn(1, 1, size, size, generator=generator).requires_grad_()
        (gradient,) = torch.autograd.grad(network(x)[0, 0, centre, centre], x)
        sees = (gradient[0, 0] != 0).float()
        ax.imshow(0.35 * sees, vmin=0, vmax=1, origin="upper", interpolation="nearest")
        ax.plot(centre, centre, "s", color=MODEL, markersize=8)
        rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        earlier = (rows * size + columns) < centre * size + centre
        missed = earlier & (sees == 0)
        ax.plot(columns[missed], rows[missed], "x", color=QUIET, markersize=4, mew=0.8)
        ax.set(xticks=[], yticks=[], title=title)
        ax.set_xlabel(f"{int(missed.sum())} of {int(earlier.sum())} earlier pixels unseen")


def two_orderings(data: Target, models: Mapping[str, MixtureMADE], at: float) -> None:
    """The density of the data and of each model, with the conditional along one line.

    models: title to a model of (B, 2) data. `at` is the value of the first coordinate at which the
    conditional of the second is drawn.
    """
    _, axes = plt.subplots(1, 2 + len(models), figsize=(7.6, 2.5))
    densities = {"data": data.log_prob, **{name: m.log_prob for name, m in models.items()}}
    for ax, (title, log_prob) in zip(axes, densities.items(), strict=False):
        show_density(ax, log_prob, data.extent)
        plane_axes(ax, data.extent)
        ax.axvline(at, color=MODEL, lw=0.8, ls="--")
        ax.set_title(title, fontsize=9)
    line = torch.linspace(-data.extent, data.extent, 500)
    points = torch.stack([torch.full_like(line, at), line], dim=1)
    step = float(line[1] - line[0])
    styles = [(INK, "-"), (MODEL, "-"), (MODEL, ":")]
    for (title, log_prob), (colour, style) in zip(densities.items(), styles, strict=True):
        with torch.no_grad():
            density = log_prob(points).exp()
        axes[-1].plot(line, density / (density.sum() * step), style, color=colour, label=title)
    axes[-1].set(xlabel="$x_2$", yticks=[], xlim=(-data.extent, data.extent))
    axes[-1].set_title(f"$p(x_2\\,|\\,x_1={at:g})$", fontsize=9)


def speed_gap(results: Mapping[str, Any], batch: str) -> None:
    """Seconds of a refinement against its steps T, with the chain's two loops as horizontals.

    results: what `benchmarks.speed_gap` writes; batch: which of its batch sizes.
    """
    row = results["batch"][batch]
    steps = [int(t) for t in row["refine"]]
    seconds = list(row["refine"].values())
    _, ax = plt.subplots(figsize=(6.4, 3.4))
    a_pass = seconds[-1] / steps[-1]
    far = [steps[0], 8 * results["values"]]
    ax.plot(far, [a_pass * t for t in far], color=OTHER, lw=0.8, alpha=0.6)
    ax.plot(steps, seconds, FAMILIES["diffusion"].marker, color=OTHER)
    ax.text(steps[2] * 1.2, seconds[2] * 0.6, "refine the whole, T passes", color=OTHER)
    for name, label, style in (
        ("whole", "chain, a pass for each value", "-"),
        ("cached", "chain, computing only what is new", "--"),
    ):
        ax.axhline(row[name], color=MODEL, ls=style)
        ax.text(steps[0], row[name] * 1.15, label, color=MODEL)
        crossing = row[name] / a_pass
        ax.plot(crossing, row[name], FAMILIES["autoregressive"].marker, color=MODEL)
        ax.annotate(
            f"T = {crossing:,.0f}",
            (crossing, row[name]),
            xytext=(8, -14),
            textcoords="offset points",
            color=QUIET,
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="passes T of the refinement",
        ylabel="seconds",
        ylim=(None, row["whole"] * 2.5),
    )


def exposure(on_data: Tensor, on_own: Tensor, unseen: Tensor) -> None:
    """KL of the k-th conditional from the truth, (D,) each, on the data's prefixes and its own.

    unseen: how probable it is, (D,), that the model's own prefix is one that training never showed.
    """
    k = torch.arange(1, len(on_data) + 1)
    _, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.9))
    left.plot(k, on_data, color=INK, marker="o", ms=3)
    left.plot(k, on_own, color=MODEL, marker="P", ms=4)
    left.text(k[-1], float(on_data[-1]), " data's", color=INK, va="top")
    left.text(k[-1], float(on_own[-1]), " its own", color=MODEL, va="bottom")
    left.set(xlabel="pixel k of the chain", ylabel="nats", ylim=(0, None), xlim=(1, len(k) + 2))
    left.set_title("Error of a conditional, by whose prefix")
    right.bar(k, unseen, color=NOISE, width=0.8)
    right.set(xlabel="pixel k of the chain", ylim=(0, None))
    right.set_title("Own prefixes that training never showed")
    right.yaxis.set_major_locator(MultipleLocator(0.05))
    right.yaxis.set_major_formatter("{x:.0%}")


def grey_levels(logits: Sequence[float], means: Sequence[float], scales: Sequence[float]) -> None:
    """The discretised mixture of logistics over 256 grey levels, and its components' means."""
    x = torch.arange(256.0)
    parts = [torch.tensor(values).expand(256, -1) for values in (logits, means)]
    log_scales = torch.tensor(scales).log().expand(256, -1)
    weights, centres = parts
    probability = torch.exp(-logistic_mixture_nll(x, weights, centres, log_scales))
    _, ax = plt.subplots(figsize=(6.4, 2.6))
    ax.bar(x, probability, color=MODEL, width=1.0)
    for mean in means:
        ax.axvline((mean + 1) / 2 * 255, color=QUIET, lw=0.8, ls=":")
    ax.set(xlabel="grey level", ylabel="probability", xlim=(-3, 258))
    ax.text(
        250,
        float(probability.max()),
        f"all {len(x)} bars sum to {float(probability.sum()):.4f}",
        ha="right",
        va="top",
        color=QUIET,
    )
