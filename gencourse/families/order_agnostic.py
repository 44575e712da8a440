"""One network for every ordering: p(x_i | any set of visible pixels).

An autoregressive model fixes its ordering when it is built. Hand the network the visible pixels and
a mask that says which they are, train it on random masks, and it learns the conditionals of every
ordering at once (Uria, Murray and Larochelle, 2014; Hoogeboom et al., 2022). For an ordering o,

    log p_o(x) = Σ_k log p(x_{o(k)} | x_{o(1)}, ..., x_{o(k-1)}),

and for a uniform position k = 1, ..., D the sum is D times the average of one term. Under uniformly
random orderings whichever pixel is hidden may be the next one, so that one pass serves them all:

    -E_o[log p_o(x)] = E_o E_k [ D/(D-k+1) Σ_{i hidden} -log p(x_i | the k-1 visible pixels) ].

The price: an exact likelihood takes D passes, one for each mask, and nothing makes the p_o agree.
Each ordering is a distribution of its own.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gencourse.families.inputs import check_batch, refuse_condition
from gencourse.nn import ResidualConv
from gencourse.nn.masked import as_ordering

__all__ = ["OrderAgnostic", "draw_orderings"]


class OrderAgnostic(nn.Module):
    """Binary images, each pixel a Bernoulli given any set of visible pixels.

    network: a `ResidualConv` with two channels in, the pixels with the hidden ones set to 0 and the
    mask, 1 where a pixel is visible; and one channel out, a logit for every pixel. size is (H, W);
    images are flat rows, (B, D). Every method that takes images raises `ValueError` or `TypeError`,
    with the likely cause, when they are not binary rows.
    """

    likelihood = "exact"

    def __init__(self, network: ResidualConv, size: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.size = size

    def logits(self, x: Tensor, visible: Tensor) -> Tensor:
        """The logit of p(x_i = 1 | the visible pixels), (B, D), for x and a 0/1 mask, both (B, D).

        What x holds where the mask is 0 is not read. Only the logits of hidden pixels were trained.
        """
        channels = torch.stack([x * visible, visible], dim=1).unflatten(2, self.size)
        logits: Tensor = self.network(channels)
        return logits.flatten(1)

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """What hidden pixels cost, `estimate` for orderings by `draw_orderings`: a scalar in nats.

        It trains all conditionals, and is no likelihood: not all of those orderings are uniform.
        """
        refuse_condition(condition, self)
        self._check(x)
        orderings = draw_orderings(len(x), self.size, generator)
        return self.estimate(x, orderings, generator).mean()

    def estimate(self, x: Tensor, orderings: Tensor, generator: Generator | None = None) -> Tensor:
        """D/(D-k+1) Σ_{i hidden} -log p(x_i | the first k-1 pixels), k uniform in 1, ..., D: (B,).

        orderings (B, D) holds one ordering for each image of x (B, D). In nats, from one pass. If
        the orderings are drawn uniformly from all, its expectation is -E_o[log p_o(x)].
        """
        count = torch.randint(x.shape[1], (len(x), 1), generator=generator)
        visible = (orderings.argsort(dim=1) < count).to(x)
        surprise = binary_cross_entropy_with_logits(self.logits(x, visible), x, reduction="none")
        hidden = 1 - visible
        return (hidden * surprise).sum(dim=1) * x.shape[1] / hidden.sum(dim=1)

    def conditional_log_probs(
        self, x: Tensor, order: Sequence[int] | Tensor | None = None
    ) -> Tensor:
        """log p(x_i | the pixels before i in the ordering) in nats, (B, D): D passes.

        order[k] is the pixel that comes k-th, raster order if left out.
        """
        self._check(x)
        visible, result = torch.zeros_like(x), torch.zeros_like(x)
        for pixel in as_ordering(order, x.shape[1]):
            logit = self.logits(x, visible)[:, pixel]
            result[:, pixel] = -binary_cross_entropy_with_logits(
                logit, x[:, pixel], reduction="none"
            )
            visible[:, pixel] = 1
        return result

    @torch.no_grad()
    def log_prob(self, x: Tensor, order: Sequence[int] | Tensor | None = None) -> Tensor:
        """log p_o(x) in nats, exactly, (B,), for one ordering o: D passes, with no gradient."""
        return self.conditional_log_probs(x, order).sum(dim=1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        condition: None = None,
        generator: Generator | None = None,
        order: Sequence[int] | Tensor | None = None,
    ) -> Tensor:
        """n draws from p_o(x), (n, D), in the ordering o, raster order if left out: D passes."""
        refuse_condition(condition, self)
        like = next(self.parameters())
        x = torch.zeros(n, self.size[0] * self.size[1], dtype=like.dtype, device=like.device)
        return self.infill(x, torch.zeros_like(x), generator, order)

    @torch.no_grad()
    def infill(
        self,
        x: Tensor,
        visible: Tensor,
        generator: Generator | None = None,
        order: Sequence[int] | Tensor | None = None,
    ) -> Tensor:
        """x with its hidden pixels drawn given the visible ones, one after another: (B, D).

        x and the 0/1 mask `visible` are (B, D). The hidden pixels come in the order that they have
        in `order`, raster order if left out.
        """
        self._check(x)
        x, visible = x * visible, visible.clone()
        for pixel in as_ordering(order, x.shape[1]):
            hidden = visible[:, pixel] == 0
            if hidden.any():
                ink = torch.sigmoid(self.logits(x, visible)[:, pixel])
                drawn = torch.bernoulli(ink, generator=generator)
                x[:, pixel] = torch.where(hidden, drawn, x[:, pixel])
                visible[:, pixel] = 1
        return x

    def _check(self, x: Tensor) -> None:
        check_batch(x, (self.size[0] * self.size[1],), self)
        if not ((x == 0) | (x == 1)).all():
            low, high = float(x.min()), float(x.max())
            raise ValueError(
                "This OrderAgnostic gives probability to pixels that are 0 or 1; got values from "
                f"{low:g} to {high:g}. Use gencourse.data.binarize(images, seed) on the bytes."
            )


def draw_orderings(n: int, size: tuple[int, int], generator: Generator | None = None) -> Tensor:
    """n random orderings of the pixels of an H × W image: int64 (n, D), entry k the k-th pixel.

    Half of them are uniform over all orderings. A quarter go line by line, rows or columns, from
    one of the corners; a quarter by distance from a random point, inside the image or outside it,
    outwards or inwards. Under uniform orderings alone a network would never see a large hole.
    """
    height, width = size
    kind = torch.randint(4, (n, 1), generator=generator)
    up, left, turn = (torch.rand(3, n, 1, generator=generator) < 0.5).unbind()
    row, column = (
        axis.flatten().float()
        for axis in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    )
    row_from_corner = torch.where(up, height - 1 - row, row)
    column_from_corner = torch.where(left, width - 1 - column, column)
    lines = torch.where(
        turn,
        column_from_corner * height + row_from_corner,
        row_from_corner * width + column_from_corner,
    )
    # With the image's size as its standard deviation, the point is outside about as often as not.
    point = torch.randn(2, n, 1, generator=generator) * max(size)
    distance = torch.hypot(row - height / 2 - point[0], column - width / 2 - point[1])
    distance = torch.where(turn, -distance, distance)
    uniform = torch.rand(n, height * width, generator=generator)
    keys = torch.where(kind < 2, uniform, torch.where(kind == 2, lines, distance))
    return keys.argsort(dim=1)
