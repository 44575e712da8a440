"""The gated causal convolution: two stacks that see every earlier position, and no later one.

A convolution whose kernel is cut after its centre is causal in raster order, but a pile of such
layers never sees a wedge of earlier positions up and to the right: the blind spot. Two stacks have
none (Van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves and Kavukcuoglu, 2016):

    the vertical stack at (r, c) sees the rows above r, in both directions;
    the horizontal stack at (r, c) sees row r left of c, and what the vertical stack sees at (r, c).

Both inputs are shifted once, down and right, before the first layer; after that, every kernel may
include its own position. Each layer gates its output, tanh(a) sigmoid(b), so that features can
multiply, as in an LSTM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

__all__ = ["ConvCache", "GatedCausalConv", "GatedLayer", "gate"]


def gate(x: Tensor) -> Tensor:
    """tanh(a) sigmoid(b) for x = [a, b], (B, 2C, ...) to (B, C, ...)."""
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


class GatedLayer(nn.Module):
    """One layer of both stacks; both are residual. `dilation` spreads the kernels' columns.

    Its two halves take windows that hold their own context, so that a whole image, one row or one
    position can be computed with the same weights.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.above = nn.Conv2d(channels, 2 * channels, (2, 3), dilation=dilation)
        self.left = nn.Conv2d(channels, 2 * channels, (1, 2), dilation=dilation)
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def vertical(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, C, dilation + R, W), the first `dilation` of them context, to R rows.

        Returns the new vertical features (B, C, R, W) and what they tell the horizontal stack,
        (B, 2C, R, W).
        """
        d = self.dilation
        raw = self.above(pad(rows, (d, d)))
        return rows[:, :, d:] + gate(raw), self.link(raw)

    def horizontal(self, columns: Tensor, told: Tensor) -> Tensor:
        """Columns (B, C, R, dilation + N), the first `dilation` context, to (B, C, R, N)."""
        new: Tensor = self.out(gate(self.left(columns) + told))
        return columns[..., self.dilation :] + new


@dataclass
class ConvCache:
    """What has been computed of an image so far, for each layer.

    rows: vertical features, (B, C, dilation + H, W). columns: horizontal features of the row at
    hand, (B, C, 1, dilation + W). told: what the vertical stack says to that row, (B, 2C, 1, W).
    The leading `dilation` rows and columns are the zeros beyond the border.
    """

    rows: list[Tensor]
    columns: list[Tensor]
    told: list[Tensor]


class GatedCausalConv(nn.Module):
    """Images (B, in_channels, H, W) to (B, out_channels, H, W), causal in raster order.

    The output at (r, c) depends on the input at every earlier position within the receptive field,
    and at no other. dilations: one layer for each; the receptive field reaches 3 + Σ dilations rows
    up. size is (H, W): where a position lies is learned, as an addition to the first features.

    `start` and then `at`, position by position, give the same outputs and compute nothing twice:
    the vertical features of a row when the row begins, the horizontal features once for each
    position (Ramachandran et al., 2017).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        size: tuple[int, int],
        dilations: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.size = size
        self.first_above = nn.Conv2d(in_channels, channels, (3, 5))
        self.first_left = nn.Conv2d(in_channels, channels, (1, 3))
        self.place = nn.Parameter(torch.zeros(2, channels, *size))
        layers = nn.ModuleList(GatedLayer(channels, d) for d in dilations)
        self.layers = cast("Sequence[GatedLayer]", layers)
        self.head = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.SiLU(),
            nn.Conv2d(2 * channels, out_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W)."""
        v = self.first_above(pad(x, (2, 2, 3, 0)))[:, :, :-1] + self.place[0]
        h = self.first_left(pad(x, (3, 0)))[..., :-1] + self.place[1]
        for layer in self.layers:
            d = layer.dilation
            v, told = layer.vertical(pad(v, (0, 0, d, 0)))
            h = layer.horizontal(pad(h, (d, 0)), told)
        output: Tensor = self.head(h)
        return output

    def start(self, batch: int) -> ConvCache:
        """A cache for `batch` images of which nothing is known yet."""
        height, width = self.size
        _, channels, _, _ = self.place.shape
        reach = [layer.dilation for layer in self.layers]
        zeros = self.place.new_zeros
        return ConvCache(
            rows=[zeros(batch, channels, d + height, width) for d in reach],
            columns=[zeros(batch, channels, 1, d + width) for d in reach],
            told=[zeros(batch, 2 * channels, 1, width) for d in reach],
        )

    def at(self, x: Tensor, position: int, cache: ConvCache) -> Tensor:
        """The output at one position, (B, out_channels), from x (B, in_channels, H, W).

        position counts in raster order. Every earlier position must have been asked for, in order,
        and x must hold its final values there; what stands at later positions is not read.
        """
        row, column = divmod(position, self.size[1])
        if column == 0:
            self._begin(x, row, cache)
        seen = x[:, :, row : row + 1, max(column - 3, 0) : column]
        h = self.first_left(pad(seen, (3 - seen.shape[-1], 0)))
        h = h + self.place[1, :, row : row + 1, column : column + 1]
        for layer, columns, told in zip(self.layers, cache.columns, cache.told, strict=True):
            columns[..., layer.dilation + column] = h[..., 0]
            window = columns[..., column : column + layer.dilation + 1]
            h = layer.horizontal(window, told[..., column : column + 1])
        output: Tensor = self.head(h)
        return output[..., 0, 0]

    def _begin(self, x: Tensor, row: int, cache: ConvCache) -> None:
        """Compute the vertical features of a row; the rows above it are complete."""
        seen = x[:, :, max(row - 3, 0) : row]
        v = self.first_above(pad(seen, (2, 2, 3 - seen.shape[2], 0)))
        v = v + self.place[0, :, row : row + 1]
        for layer, rows, told in zip(self.layers, cache.rows, cache.told, strict=True):
            rows[:, :, layer.dilation + row] = v[:, :, 0]
            v, told[:] = layer.vertical(rows[:, :, row : row + layer.dilation + 1])
