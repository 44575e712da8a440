"""The figures of chapter 2, the VAE and the bound it climbs."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from gencourse.data import EightGaussians, Target
from gencourse.families.vae import VAE
from gencourse.figures.look import FAMILIES, INK, NOISE, QUIET, plane_axes

__all__ = [
    "alive_latents",
    "blur_and_collapse",
    "bound_touches",
    "codes_and_samples",
    "digit_rows",
    "gradient_noise",
    "importance_weighted_curves",
]

MODEL = FAMILIES["VAE"].colour


def _dots(ax: Axes, points: Tensor, colour: str, alpha: float = 0.5) -> None:
    ax.plot(*points.detach().T.numpy(), ".", color=colour, markersize=2.2, alpha=alpha, mew=0)


def codes_and_samples(data: Target, models: Mapping[str, VAE], n: int = 2000) -> None:
    """For each model a row: the codes of `n` data points over the prior's, and its samples.

    models: title of the row to a VAE on (n, 2) data with two latents.
    """
    generator = torch.Generator().manual_seed(1)
    x = data.sample(n, generator)
    prior = torch.randn(n, 2, generator=generator)
    _, axes = plt.subplots(len(models), 2, figsize=(6.6, 3.3 * len(models)))
    for (title, model), (left, right) in zip(models.items(), axes, strict=True):
        with torch.no_grad():
            mean, log_var = model.encoder(x)
            codes = mean + torch.exp(log_var / 2) * torch.randn(n, 2, generator=generator)
            samples = model.decoder.mean(prior)
        _dots(left, codes, MODEL)
        _dots(left, prior, NOISE, alpha=0.9)
        _dots(right, x, INK, alpha=0.35)
        _dots(right, samples, MODEL)
        left.set(xlim=(-8, 8), ylim=(-8, 8), aspect="equal", xticks=[-6, 0, 6], yticks=[-6, 0, 6])
        left.set_xlabel("$z_1$")
        left.set_ylabel("$z_2$", rotation=0, labelpad=8, va="center")
        left.set_title(f"{title}: codes, and the prior in grey")
        plane_axes(right, data.extent, labels=True)
        right.set_title("Data in ink, samples in blue")


def bound_touches(weight: float = 1.5, noise: float = 0.6, x: float = 1.4) -> None:
    """ELBO of one observation against the mean of q, for p(z) = N(0, 1), p(x|z) = N(wz, σ²).

    Everything is in closed form: posterior variance v = σ²/(w² + σ²) and mean m = wx/(w² + σ²).
    """
    evidence_variance = weight**2 + noise**2
    log_evidence = -0.5 * (math.log(2 * math.pi * evidence_variance) + x**2 / evidence_variance)
    centre = weight * x / evidence_variance
    width = noise / math.sqrt(evidence_variance)

    mean = torch.linspace(-0.9, 2.5, 400)

    def elbo(scale: float) -> Tensor:
        expected_square = (x - weight * mean) ** 2 + (weight * scale) ** 2
        reconstruction = -0.5 * (math.log(2 * math.pi * noise**2) + expected_square / noise**2)
        return reconstruction - 0.5 * (mean**2 + scale**2 - 1 - math.log(scale**2))

    _, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.1))
    z = torch.linspace(-2, 4, 600)

    def density(at: float, scale: float) -> Tensor:
        return torch.exp(-0.5 * ((z - at) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))

    wide = 2.5 * width
    left.plot(z, density(centre, width), color=INK, lw=5, alpha=0.25)
    left.plot(z, density(centre, width), color=MODEL)
    left.plot(z, density(centre + 0.8, wide), color=MODEL, ls="--")
    left.text(centre - 0.45, 1.0, "posterior,\nand q equal to it", ha="right", va="center")
    left.text(centre + 1.5, 0.42, "q too wide,\nand beside it", color=MODEL)
    left.set(xlabel="z", ylabel="density", ylim=(0, None), xlim=(-2, 4))
    left.set_title("Suggestions for the posterior")

    right.axhline(log_evidence, color=INK)
    right.text(-0.9, log_evidence + 0.12, "log p(x)", va="bottom")
    right.plot(mean, elbo(width), color=MODEL)
    right.plot(mean, elbo(wide), color=MODEL, ls="--")
    here = int(torch.argmin((mean - centre - 0.8).abs()))
    low = float(elbo(wide)[here])
    right.annotate(
        "",
        (float(mean[here]), log_evidence),
        (float(mean[here]), low),
        arrowprops={"arrowstyle": "<->", "color": QUIET},
    )
    right.text(float(mean[here]) + 0.08, (low + log_evidence) / 2, "gap", va="center", color=QUIET)
    right.set(xlabel="mean of q", ylabel="nats", ylim=(log_evidence - 7, log_evidence + 0.9))
    right.set_title("The ELBO of each")


def gradient_noise(estimates: Mapping[int, Mapping[str, Tensor]], truth: float) -> None:
    """Histograms of one-sample gradient estimates, a panel for each number of latents.

    estimates: number of latents to {"score function": (n,), "reparameterised": (n,)}.
    """
    figure, axes = plt.subplots(1, len(estimates), figsize=(7.2, 2.9), sharey=True)
    edges = torch.linspace(truth - 40, truth + 40, 121)
    width = float(edges[1] - edges[0])
    for ax, (latents, both) in zip(axes, estimates.items(), strict=True):
        for (name, values), colour in zip(both.items(), (NOISE, MODEL), strict=True):
            # A share of all estimates, those beyond the edges included.
            heights = torch.histogram(values, edges).hist / (len(values) * width)
            ax.stairs(heights, edges, fill=True, color=colour, alpha=0.75, label=name)
        ax.axvline(truth, color=INK, lw=1)
        ax.set(yscale="log", ylim=(1e-4, 1), xlabel="estimate of the gradient")
        ax.set_title(f"{latents} latent{'s' if latents > 1 else ''}")
    axes[0].set_ylabel("density of estimates")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)


def digit_rows(rows: Mapping[str, Tensor]) -> None:
    """Rows of 28 × 28 images in [0, 1], (n, 784) each, with a label at the left of each row."""
    widest = max(len(images) for images in rows.values())
    _, axes = plt.subplots(len(rows), 1, figsize=(7.2, 0.66 * len(rows)))
    for ax, (label, images) in zip(axes, rows.items(), strict=True):
        strip = torch.zeros(28, 30 * widest - 2)
        for column, image in enumerate(images.detach().reshape(-1, 28, 28)):
            strip[:, 30 * column : 30 * column + 28] = image
        ax.imshow(strip, vmin=0, vmax=1, origin="upper", interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)


def blur_and_collapse(data: EightGaussians, models: Mapping[str, VAE], n: int = 1500) -> None:
    """For each model a row: its samples over the data, and where it sends each of the spots."""
    generator = torch.Generator().manual_seed(2)
    x = data.sample(n, generator)
    spot = (torch.atan2(x[:, 1], x[:, 0]) / (math.pi / 4)).round().long() % 8
    _, axes = plt.subplots(len(models), 2, figsize=(6.6, 3.3 * len(models)))
    for (title, model), (left, right) in zip(models.items(), axes, strict=True):
        with torch.no_grad():
            samples = model.decoder.sample(torch.randn(n, 2, generator=generator), generator)
            mean, log_var = model.encoder(x)
            codes = mean + torch.exp(log_var / 2) * torch.randn(n, 2, generator=generator)
        _dots(left, x, INK, alpha=0.3)
        _dots(left, samples, MODEL)
        plane_axes(left, data.extent, labels=True)
        left.set_title(f"{title}: samples over data")
        _dots(right, codes, NOISE, alpha=0.8)
        for index in range(8):
            at = mean[spot == index].mean(dim=0).tolist()
            right.text(*at, str(index + 1), ha="center", va="center", color=MODEL, weight="bold")
        right.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal")
        right.set(xticks=[-3, 0, 3], yticks=[-3, 0, 3], xlabel="$z_1$")
        right.set_ylabel("$z_2$", rotation=0, labelpad=8, va="center")
        right.set_title("Codes, a number at each spot's mean")


def alive_latents(rates: Mapping[float, Tensor]) -> None:
    """Rate of every latent in descending order, a curve for each decoder noise.

    rates: decoder noise σ to rates (d,) in nats.
    """
    _, ax = plt.subplots(figsize=(6.6, 3.0))
    for (sigma, rate), style in zip(rates.items(), ("-", "--", ":"), strict=True):
        alive = int((rate > 0).sum())
        ax.plot(range(1, alive + 1), rate[:alive], color=MODEL, ls=style)
        ax.plot(alive, 0, "s", color=MODEL, clip_on=False)
        ax.annotate(f"σ = {sigma:g}: {alive}", (alive, 0), (2, 9), textcoords="offset points")
    ax.set(xscale="log", xlabel="latent, in order of variance", ylabel="rate, nats", ylim=(0, None))
    ax.set_xticks([1, 10, 100], ["1", "10", "100"])


def importance_weighted_curves(bounds: Mapping[str, tuple[Sequence[int], Tensor]]) -> None:
    """Mean importance-weighted bound over images against K, one panel for each model.

    bounds: model's name to (numbers of codes K, bounds (len(K), images) in nats). The bar is one
    standard error, over images, of what the last point gains on each.
    """
    _, axes = plt.subplots(1, len(bounds), figsize=(7.2, 2.8))
    for ax, (name, (k, values)) in zip(axes, bounds.items(), strict=True):
        error = (values[-1] - values).std(dim=1) / math.sqrt(values.shape[1])
        ax.errorbar(k, values.mean(dim=1), error, color=MODEL, marker="s", capsize=2)
        ax.axhline(float(values[0].mean()), color=NOISE, zorder=0)
        ax.text(k[-1], float(values[0].mean()), "ELBO", ha="right", va="bottom", color=QUIET)
        ax.set(xscale="log", xlabel="codes per image, K", title=name)
        ax.set_xticks(list(k), [str(value) for value in k])
    axes[0].set_ylabel("nats")
