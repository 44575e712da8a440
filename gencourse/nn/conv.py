"""Convolutional networks for 28 × 28 images, seen from outside as maps between flat vectors."""

from torch import Tensor, nn

__all__ = ["ConvDecoder", "ConvEncoder"]


class ConvEncoder(nn.Module):
    """Images (..., 784) to features (..., out): 28 × 28, halved twice to 7 × 7, then two layers.

    channels: how many at 14 × 14 and how many at 7 × 7. hidden: the width before the output.
    """

    def __init__(self, channels: tuple[int, int], hidden: int, out: int) -> None:
        super().__init__()
        fine, coarse = channels
        self.network = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, fine, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(fine, coarse, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(coarse * 7 * 7, hidden),
            nn.SiLU(),
            nn.Linear(hidden, out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., 784) to (..., out); the leading dimensions are carried through."""
        features: Tensor = self.network(x.flatten(end_dim=-2))
        return features.view(*x.shape[:-1], -1)


class ConvDecoder(nn.Module):
    """Latents (..., d) to images (..., 784): the encoder's layers, mirrored.

    channels: how many at 14 × 14 and how many at 7 × 7. hidden: the width after the input.
    """

    def __init__(self, latent_dim: int, hidden: int, channels: tuple[int, int]) -> None:
        super().__init__()
        fine, coarse = channels
        self.network = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.SiLU(),
            nn.Linear(hidden, coarse * 7 * 7),
            nn.SiLU(),
            nn.Unflatten(1, (coarse, 7, 7)),
            nn.ConvTranspose2d(coarse, fine, kernel_size=4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(fine, 1, kernel_size=4, stride=2, padding=1),
            nn.Flatten(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """(..., d) to (..., 784); the leading dimensions are carried through."""
        image: Tensor = self.network(z.flatten(end_dim=-2))
        return image.view(*z.shape[:-1], -1)
