"""The models that checkpoints hold, before any training.

Each function builds one with fresh weights, drawn from PyTorch's global generator. What a
checkpoint's weights mean is written here and nowhere else.
"""

from collections.abc import Callable
from typing import Any

import torch

from gencourse.evaluation.features import FeatureNetwork
from gencourse.families.autoregressive import PixelCNN
from gencourse.families.continuous_flow import Continuous, ContinuousFlow, Velocity
from gencourse.families.flow import Dequantized, Flow, StandardNormal, Uniform
from gencourse.families.gan import GAN
from gencourse.families.order_agnostic import OrderAgnostic
from gencourse.families.vae import VAE, BernoulliDecoder, Encoder
from gencourse.nn import MLP, ConvDecoder, ConvEncoder, GatedCausalConv, ResidualConv
from gencourse.nn.adversarial import ImageGenerator
from gencourse.nn.masked import MaskedMLP
from gencourse.nn.multiscale import GreySpline, MultiScale, Scale
from gencourse.nn.transforms import Affine, Autoregressive, Coupling, Sequence

__all__ = [
    "ARCHITECTURES",
    "flow",
    "flow_2d",
    "flow_ode",
    "gan",
    "pixel_chain",
    "pixelcnn",
    "vae",
    "vae_2d",
]


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


def pixel_chain() -> OrderAgnostic:
    """Conditionals of a pixel given any others, small enough for a web page to carry and run."""
    network = ResidualConv(
        in_channels=2, channels=32, out_channels=1, size=(28, 28), block=2, dilations=(1, 2, 4)
    )
    return OrderAgnostic(network, size=(28, 28))


def pixelcnn() -> PixelCNN:
    """A gated PixelCNN over 14 × 14 cells of 2 × 2 pixels, five layers of 48 channels."""
    network = GatedCausalConv(4, 48, out_channels=16, size=(14, 14), dilations=(1, 2, 1, 2, 1))
    return PixelCNN(network, block=2, training_dtype=torch.bfloat16)


def flow() -> Dequantized:
    """Two scales of spline couplings, 28 × 28 to 7 × 7, and an autoregressive layer at the top."""
    curve = GreySpline()
    top = Autoregressive(MaskedMLP(7 * 7, (256, 256), curve.size), curve)
    scales = [Scale(side=14, hidden=32, blocks=2), Scale(side=7, hidden=48, blocks=2)]
    base = Uniform(28 * 28, curve.low, curve.high)
    return Dequantized(Flow(MultiScale(scales, top), base))


def flow_2d() -> Flow:
    """Six affine couplings of the plane that keep the first and the second coordinate in turn.

    Layer k is `flow.transform.transforms[k]`; its network takes the kept coordinate, (B, 1), to
    a and b, (B, 2), and the other coordinate u becomes u exp(3 tanh(a / 3)) + b. Layer 0 is the one
    next to the data: forward, from data to noise, the layers are applied in this order.
    """
    first = torch.tensor([True, False])
    layers = [
        Coupling(first if k % 2 == 0 else ~first, MLP(1, 16, 16, 2), Affine()) for k in range(6)
    ]
    return Flow(Sequence(layers), StandardNormal(2))


def gan() -> GAN:
    """A small generator of grey digits in the manner of DCGAN; R1 keeps its critic gentle."""
    generator = ImageGenerator(latent_dim=64, channels=(24, 32))
    critic = ConvEncoder(channels=(16, 32), hidden=64, out=1)
    return GAN(generator, critic, data_dim=784, latent_dim=64, r1_weight=0.1, support=(0.0, 1.0))


def flow_ode() -> ContinuousFlow:
    """A velocity of two hidden layers, followed in six steps of RK4."""
    return ContinuousFlow(Continuous(Velocity(MLP(3, 64, 64, 2)), steps=6), features=2)


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "features": FeatureNetwork,
    "gan": gan,
    "pixel-chain": pixel_chain,
    "pixelcnn": pixelcnn,
    "vae-2d": vae_2d,
    "flow": flow,
    "flow-2d": flow_2d,
    "flow-ode": flow_ode,
    "vae": vae,
}
