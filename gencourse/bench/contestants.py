"""Who takes part: one small model of each family, all of about the same size.

None was tuned for these densities. Widths were set so that each has about ten thousand parameters,
learning rates are the round numbers that each family is usually given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gencourse.families.autoregressive import MixtureMADE
from gencourse.families.flow import Flow, StandardNormal
from gencourse.families.gan import GAN
from gencourse.families.vae import VAE, Encoder, GaussianDecoder
from gencourse.nn import MLP, MaskedMLP
from gencourse.nn.transforms import Coupling, Sequence, Spline

__all__ = ["CONTESTANTS", "Contestant"]


@dataclass(frozen=True)
class Contestant:
    """A family's entry: how to build it, and how it is usually trained.

    passes: how often its network runs to draw one point of the plane.
    """

    family: str
    build: Callable[[], Any]
    passes: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)


def vae() -> VAE:
    decoder = GaussianDecoder(MLP(2, 64, 64, 2), scale=0.5)
    return VAE(Encoder(MLP(2, 64, 64, 4)), decoder, data_dim=2, latent_dim=2)


def gan() -> GAN:
    """With the R1 penalty, which most GANs since 2018 have in some form."""
    return GAN(MLP(2, 64, 64, 2), MLP(2, 64, 64, 1), data_dim=2, latent_dim=2, r1_weight=0.1)


def plain_gan() -> GAN:
    """As published in 2014, with nothing that tames it."""
    return GAN(MLP(2, 64, 64, 2), MLP(2, 64, 64, 1), data_dim=2, latent_dim=2)


def flow() -> Flow:
    """Eight spline couplings that keep the first and the second coordinate in turn."""
    first = torch.tensor([True, False])
    curve = Spline()
    layers = [
        Coupling(first if k % 2 == 0 else ~first, MLP(1, 24, 24, curve.size), curve)
        for k in range(8)
    ]
    return Flow(Sequence(layers), StandardNormal(2))


def autoregressive() -> MixtureMADE:
    return MixtureMADE(MaskedMLP(2, (80, 80), 3 * 8))


CONTESTANTS = {
    "VAE": Contestant("VAE", vae, passes=1, learning_rate=3e-3),
    "GAN": Contestant("GAN", gan, passes=1, learning_rate=1e-3, betas=(0.5, 0.99)),
    "GAN of 2014": Contestant("GAN", plain_gan, passes=1, learning_rate=1e-3, betas=(0.5, 0.99)),
    "flow": Contestant("flow", flow, passes=1, learning_rate=3e-3),
    "autoregressive": Contestant("autoregressive", autoregressive, passes=2, learning_rate=3e-3),
}
