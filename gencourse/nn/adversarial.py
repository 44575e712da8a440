"""What the game of two networks needs: a generator of images, and two ways to restrain a critic."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

__all__ = ["ImageGenerator", "MinibatchDeviation", "spectrally_normalised"]


class ImageGenerator(nn.Sequential):
    """Noise (B, d) to images (B, 784) in (0, 1): a 7 × 7 map, doubled twice.

    channels: how many at 7 × 7 and how many at 14 × 14. Batch normalisation and ReLU between the
    layers and none at the output, as in DCGAN (Radford, Metz and Chintala, 2016).
    """

    def __init__(self, latent_dim: int, channels: tuple[int, int]) -> None:
        coarse, fine = channels
        super().__init__(
            nn.Linear(latent_dim, coarse * 7 * 7, bias=False),  # batch normalisation has a bias
            nn.Unflatten(1, (coarse, 7, 7)),
            nn.BatchNorm2d(coarse),
            nn.ReLU(),
            nn.ConvTranspose2d(coarse, coarse, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(coarse),
            nn.ReLU(),
            nn.Conv2d(coarse, fine, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(fine),
            nn.ReLU(),
            nn.ConvTranspose2d(fine, 1, kernel_size=4, stride=2, padding=1),
            nn.Flatten(),
            nn.Sigmoid(),
        )


class MinibatchDeviation(nn.Module):
    """Append to every row the mean standard deviation of the features over the batch.

    (B, F) to (B, F + 1). One number, the same for all rows, that tells a critic how varied its
    batch is: a collapsed generator is found out by it (Karras et al., 2018). Batches of data and of
    samples must therefore be judged apart, as every GAN loss here does.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, F) to (B, F + 1)."""
        # The small number keeps the square root differentiable when all rows are the same.
        deviation = (features.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([features, deviation.expand(len(features), 1)], dim=1)


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """`network`, with every linear and convolution weight W divided by its largest singular value.

    Changes the network in place and returns it. Each such layer then stretches no vector (of a
    convolution, the matrix with a row for each output channel is what is normalised), and with
    activations of slope at most 1 neither does the network. The singular value comes from power
    iteration, one step at each forward pass in training mode (Miyato et al., 2018).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            parametrizations.spectral_norm(layer)
    return network
