"""The models that checkpoints hold, before any training.

Each function builds one with fresh weights, drawn from PyTorch's global generator. What a
checkpoint's weights mean is written here and nowhere else.
"""

from collections.abc import Callable
from typing import Any

from gencourse.families.vae import VAE, BernoulliDecoder, Encoder
from gencourse.nn import MLP, ConvDecoder, ConvEncoder

__all__ = ["ARCHITECTURES", "vae", "vae_2d"]


def vae_2d() -> VAE:
    """A VAE whose latent space is a plane, small enough for a web page to carry and run."""
    encoder = Encoder(MLP(784, 56, 96, 96, 2 * 2))
    decoder = BernoulliDecoder(MLP(2, 96, 96, 96, 48, 784))
    return VAE(encoder, decoder, data_dim=784, latent_dim=2)


def vae() -> VAE:
    """A VAE with twenty latent dimensions and two convolutional networks that mirror each other."""
    encoder = Encoder(ConvEncoder(channels=(16, 32), hidden=256, out=2 * 20))
    decoder = BernoulliDecoder(ConvDecoder(latent_dim=20, hidden=256, channels=(16, 32)))
    return VAE(encoder, decoder, data_dim=784, latent_dim=20)


ARCHITECTURES: dict[str, Callable[[], Any]] = {"vae-2d": vae_2d, "vae": vae}
