"""An invertible transform of images that halves the picture again and again.

At each scale the picture is cut into squares of 2 × 2 pixels. One pixel of each square goes on to
the next scale; the other three are bent by a coupling each, which reads the pixels that are not yet
bent, and leave as noise. Big shapes are so decided by few pixels at the top, details by many below
them (Dinh, Sohl-Dickstein and Bengio, 2017, whose scales also factor out what they have finished).

At every scale the layer's input is what the data were, grey levels and no half-made noise, and so
one curve serves all layers: `GreySpline`, whose knots stand where grey levels of pen strokes do.
"""

from collections.abc import Sequence as Many

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from gencourse.kernels import rational_quadratic_spline
from gencourse.kernels.rational_quadratic_spline.reference import MIN_DERIVATIVE, MIN_SHARE, UNIT
from gencourse.nn.transforms import Curve, Transform

__all__ = ["ConvConditioner", "GreySpline", "MultiScale", "Scale"]

LEVELS = 256
KNOTS = (-8, 0, 1, 2, 32, 64, 96, 128, 160, 192, 224, 248, 252, 253, 254, 255, 256, 264)
"""Knots in grey levels. Paper and saturated ink are single levels that many pixels share: they have
a bin of their own, one level wide. The outermost bins hold no pixel and let the curve be steep at
0 and 256, as its slope at the ends of the interval is 1."""
SHARES = (
    # The share of MNIST's training pixels in each bin (0 is written as the least a bin may have).
    *(0.001, 0.809, 0.001, 0.020, 0.014, 0.013, 0.012, 0.013, 0.013),
    *(0.015, 0.016, 0.005, 0.014, 0.032, 0.017, 0.007, 0.001),
)


class GreySpline(Curve):
    """A rational-quadratic curve of dequantised grey levels in [0, 1] with knots at fixed levels.

    The knots stand still; a network gives K heights and K-1 slopes for each pixel, 2K-1 numbers,
    added to those of the curve that turns the pixels of all of MNIST's images together into a
    uniform distribution. So a network that says 0 starts there. The interval is [low, high], a
    little more than [0, 1]; outside it the curve is y = x.
    """

    def __init__(self) -> None:
        super().__init__()
        edges = torch.tensor(KNOTS, dtype=torch.float64) / LEVELS
        self.low, self.high = float(edges[0]), float(edges[-1])
        self.bins = len(SHARES)
        self.size = 2 * self.bins - 1
        widths = edges.diff() / (self.high - self.low)
        heights = torch.tensor(SHARES, dtype=torch.float64)
        heights = heights / heights.sum()
        slopes = heights / widths
        # At a knot, the geometric mean of the slopes beside it.
        at_knots = (slopes[1:] * slopes[:-1]).sqrt()
        start = torch.cat([_before_softmax(heights), _before_softplus(at_knots)])
        # Numbers and no buffers: rounded to half precision, as weights are stored, a knot at level
        # 253 would miss it by half a level.
        self.knots: list[float] = _before_softmax(widths).tolist()
        self.start: list[float] = start.tolist()

    def forward(self, x: Tensor, shape: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        half = (self.high - self.low) / 2
        shape = shape + shape.new_tensor(self.start)
        heights, slopes = shape.split([self.bins, self.bins - 1], dim=-1)
        widths = shape.new_tensor(self.knots).expand_as(heights)
        centred = (x - self.low) / half - 1
        y, log_det = rational_quadratic_spline(
            centred, widths, heights, slopes, inverse=inverse, bound=1.0
        )
        return (y + 1) * half + self.low, log_det


def _before_softmax(shares: Tensor) -> Tensor:
    """The numbers that the kernel turns into these shares; the least it can, into a little more."""
    return ((shares - MIN_SHARE) / (1 - len(shares) * MIN_SHARE)).clamp(min=1e-4).log()


def _before_softplus(slopes: Tensor) -> Tensor:
    """The numbers that the kernel turns into these slopes at the knots."""
    return torch.log(torch.expm1(slopes - MIN_DERIVATIVE)) - UNIT


class ConvConditioner(nn.Module):
    """Images (B, C, s, s) to the shape of a curve for each pixel, (B, s², out).

    A 5 × 5 convolution with a bias for each place, since digits stand in the middle of the picture;
    then `blocks` residual blocks of a 3 × 3 and a 1 × 1 convolution. The last layer starts at zero.
    """

    def __init__(self, channels: int, side: int, hidden: int, blocks: int, out: int) -> None:
        super().__init__()
        self.inlet = nn.Conv2d(channels, hidden, kernel_size=5, padding=2)
        self.place = nn.Parameter(torch.zeros(hidden, side, side))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(),
                nn.Conv2d(hidden, hidden, kernel_size=3, padding=1),
                nn.SiLU(),
                nn.Conv2d(hidden, hidden, kernel_size=1),
            )
            for _ in range(blocks)
        )
        last = nn.Conv2d(hidden, out, kernel_size=1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.outlet = nn.Sequential(nn.SiLU(), last)

    def forward(self, image: Tensor) -> Tensor:
        # Channels last: faster on a CPU, and the order in which the curve wants its numbers.
        features = self.inlet((2 * image - 0.5).contiguous(memory_format=torch.channels_last))
        features = features + self.place
        for block in self.blocks:
            features = features + block(features)
        shape: Tensor = self.outlet(features).permute(0, 2, 3, 1).flatten(1, 2)
        return shape


class Scale(nn.Module):
    """One halving: of the pixels (a b / c d) of a square, a goes on, and d, b, c leave as noise.

    d reads a; b reads a and d; c reads a, d and b. side is that of the smaller picture, s.
    """

    ORDER = (0, 3, 1, 2)
    BACK = (0, 2, 3, 1)

    def __init__(self, side: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.curve = GreySpline()
        self.conditioners = nn.ModuleList(
            ConvConditioner(known, side, hidden, blocks, self.curve.size) for known in (1, 2, 3)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, 2s, 2s) to the smaller image (B, 1, s, s), noise (B, 3s²), and log-det (B,)."""
        pixels = pixel_unshuffle(image, 2)[:, self.ORDER]
        noise, total = [], image.new_zeros(len(image))
        for known, conditioner in enumerate(self.conditioners, start=1):
            shape = conditioner(pixels[:, :known])
            y, log_det = self.curve(pixels[:, known].flatten(1), shape)
            noise.append(y)
            total = total + log_det
        return pixels[:, :1], torch.cat(noise, dim=1), total

    def inverse(self, small: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The image (B, 1, 2s, 2s) and the log-det (B,) of the way back."""
        pixels, total = small, small.new_zeros(len(small))
        for conditioner, part in zip(self.conditioners, noise.chunk(3, dim=1), strict=True):
            x, log_det = self.curve(part, conditioner(pixels), inverse=True)
            pixels = torch.cat([pixels, x.view_as(small)], dim=1)
            total = total + log_det
        return pixel_shuffle(pixels[:, self.BACK], 2), total


class MultiScale(Transform):
    """Flat images (B, D) through scales of falling size, then `top` for the pixels that are left.

    The noise comes back in the order in which it left: three quarters from the first scale, and so
    on; the last entries are the top's.
    """

    def __init__(self, scales: Many[Scale], top: Transform, side: int = 28) -> None:
        super().__init__()
        self.scales = nn.ModuleList(scales)
        self.top = top
        self.side = side

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        image, noise, total = x.view(-1, 1, self.side, self.side), [], x.new_zeros(len(x))
        for scale in self.scales:
            image, left, log_det = scale(image)
            noise.append(left)
            total = total + log_det
        left, log_det = self.top(image.flatten(1))
        return torch.cat([*noise, left], dim=1), total + log_det

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        sides = [self.side // 2**k for k in range(1, len(self.scales) + 1)]
        *noise, rest = y.split([*(3 * side**2 for side in sides), sides[-1] ** 2], dim=1)
        rest, total = self.top.inverse(rest)
        image = rest.view(-1, 1, sides[-1], sides[-1])
        scales: list[Scale] = list(self.scales)  # type: ignore[arg-type]
        for scale, part in zip(reversed(scales), reversed(noise), strict=True):
            image, log_det = scale.inverse(image, part)
            total = total + log_det
        return image.flatten(1), total
