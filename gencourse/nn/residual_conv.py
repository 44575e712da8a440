"""A small residual convolutional network over the cells of an image."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

__all__ = ["ResidualConv"]


class ResidualConv(nn.Module):
    """Images (B, in_channels, H, W) to (B, out_channels, H, W), at the cost of (H/b) × (W/b) cells.

    Each block of b × b pixels becomes one cell, b² channels for every channel of the image. Then

        h = conv3×3(cells) + place
        h = h + conv3×3(silu(h))          once for every entry of dilations
        cells = conv1×1(silu(h))

    with zeros around the border, and the cells unfold into pixels again. All convolutions have a
    bias; `place` (channels, H/b, W/b) is learned, and says where in the image a cell lies.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        size: tuple[int, int],
        block: int,
        dilations: tuple[int, ...],
    ) -> None:
        super().__init__()
        height, width = size
        self.block = block
        self.first = nn.Conv2d(block**2 * in_channels, channels, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(channels, height // block, width // block))
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=d, dilation=d) for d in dilations
        )
        self.last = nn.Conv2d(channels, block**2 * out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W)."""
        h = self.first(pixel_unshuffle(x, self.block)) + self.place
        for layer in self.layers:
            h = h + layer(silu(h))
        return pixel_shuffle(self.last(silu(h)), self.block)
