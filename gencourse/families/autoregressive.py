r"""Autoregressive models: one conditional after another.

The chain rule writes any distribution of D values, in any ordering o, as

    log p(x) = Σ_k log p(x_{o(k)} | x_{o(1)}, ..., x_{o(k-1)}).

Nothing is left out and nothing is bounded. A network whose k-th output sees the first k-1 values
only, and gives the parameters of the k-th conditional, has an exact likelihood in one pass; and it
draws in D passes, because the k-th conditional must wait for the (k-1)-th value.

    MADE          masked perceptron, any ordering       (Germain et al., 2015)
    MixtureMADE   the same for real values              (Uria, Murray and Larochelle, 2013)
    PixelCNN      gated causal convolutions             (Van den Oord et al., 2016)
    PixelTransformer  causal attention                  (Vaswani et al., 2017; Chen et al., 2020)

Everything is in nats. Shapes: B images in a batch, D pixels, T cells of k pixels, D = k T.
"""

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, pixel_shuffle, pixel_unshuffle

from gencourse.families.inputs import check_batch, refuse_condition
from gencourse.nn import CausalTransformer, GatedCausalConv, MaskedMLP
from gencourse.nn.masked import as_ordering

__all__ = [
    "MADE",
    "Autoregressive",
    "CellModel",
    "MixtureMADE",
    "PixelCNN",
    "PixelTransformer",
    "bit_logits",
]


class Autoregressive(nn.Module):
    """Binary data, a Bernoulli for each pixel given the earlier ones: p(x) = Π_k p(x_o(k) | ...).

    order[k] is the pixel that comes k-th, a permutation of 0, ..., D-1 (`ValueError` if it is
    none). A model is this and `logits`. Images are flat rows, (B, D); every method that takes them
    raises `ValueError` or `TypeError`, with the likely cause, when they are not binary rows.
    """

    likelihood = "exact"
    order: Tensor

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", as_ordering(order, len(order)), persistent=False)

    def logits(self, x: Tensor) -> Tensor:
        """The logit of p(x_i = 1 | the pixels before i in the ordering), (B, D), for x (B, D)."""
        raise NotImplementedError

    def conditional_log_probs(self, x: Tensor) -> Tensor:
        """log p(x_i | the pixels before i in the ordering) in nats, (B, D), for x (B, D)."""
        self._check(x)
        return -binary_cross_entropy_with_logits(self.logits(x), x, reduction="none")

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, exactly, (B,): the sum of the D conditionals, all from one pass."""
        return self.conditional_log_probs(x).sum(dim=1)

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """-log p(x) averaged over the batch, a scalar in nats. Nothing in it is random."""
        refuse_condition(condition, self)
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n draws from p(x), (n, D): one pass for each pixel, in the ordering."""
        refuse_condition(condition, self)
        like = next(self.parameters())
        x = torch.zeros(n, len(self.order), dtype=like.dtype, device=like.device)
        for pixel in self.order:
            ink = torch.sigmoid(self.logits(x)[:, pixel])
            x[:, pixel] = torch.bernoulli(ink, generator=generator)
        return x

    def _check(self, x: Tensor) -> None:
        check_batch(x, (len(self.order),), self)
        if not ((x == 0) | (x == 1)).all():
            low, high = float(x.min()), float(x.max())
            raise ValueError(
                f"This {type(self).__name__} gives probability to pixels that are 0 or 1; got "
                f"values from {low:g} to {high:g}. Use gencourse.data.binarize(images, seed) on "
                "the bytes: grey levels need a conditional with as many outcomes."
            )


class MADE(Autoregressive):
    """The masked autoencoder: one perceptron, all D conditionals, in the ordering of its masks.

    network: a `MaskedMLP` with one output for each pixel, the logit.
    """

    def __init__(self, network: MaskedMLP) -> None:
        super().__init__(network.order)
        self.network = network

    def logits(self, x: Tensor) -> Tensor:
        """The logit of every pixel given the earlier ones, (B, D), for x (B, D)."""
        logits: Tensor = self.network(x)
        return logits.squeeze(-1)


class CellModel(Autoregressive):
    """Images in cells of block × block pixels, one softmax for each cell: 2^k codes, k = block².

    One cell after another in raster order, and in a cell one pixel after another: a table of 2^k
    scores holds every conditional of its k pixels. With block = 1 a cell is a pixel. Fewer and
    larger cells make a cheaper pass and fewer of them; the table grows as 2^k.

    cells is the shape of the grid of cells. A model is this, `tables`, `start` and `table_at`.
    """

    def __init__(self, cells: tuple[int, int], block: int) -> None:
        if not 1 <= block <= 3:
            raise ValueError(
                f"A cell of {block} × {block} pixels would have 2^{block**2} codes, each with a "
                "score of its own; block is 1, 2 or 3."
            )
        height, width = block * cells[0], block * cells[1]
        pixels = torch.arange(height * width).view(1, 1, height, width)
        super().__init__(pixel_unshuffle(pixels, block).flatten(2)[0].T.flatten())
        self.block = block
        self.cells = cells

    def tables(self, bits: Tensor) -> Tensor:
        """Unnormalised log p(code | earlier cells), (B, 2^k, H, W), for bits (B, k, H, W).

        The first bit of a cell is the most significant of its code.
        """
        raise NotImplementedError

    def table_at(self, bits: Tensor, cell: int, cache: Any) -> Tensor:
        """The table of one cell, (B, 2^k), from the `cache` that earlier calls have filled."""
        raise NotImplementedError

    def start(self, batch: int) -> Any:
        """An empty cache for a batch of images of which nothing is known yet."""
        raise NotImplementedError

    def bits(self, x: Tensor) -> Tensor:
        """Flat images (B, D) as bits of cells, (B, k, H, W)."""
        shape = 1, self.block * self.cells[0], self.block * self.cells[1]
        return pixel_unshuffle(x.unflatten(1, shape), self.block)

    def logits(self, x: Tensor) -> Tensor:
        """The logit of every pixel given the earlier ones, (B, D), for x (B, D)."""
        bits = self.bits(x)
        return pixel_shuffle(bit_logits(self.tables(bits), bits), self.block).flatten(1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        condition: None = None,
        generator: Generator | None = None,
        cached: bool = True,
    ) -> Tensor:
        """n draws from p(x), (n, D): T steps, one for each cell.

        `cached=False` computes the whole image again for every cell. Both ways the same generator
        gives the same images, as far as rounding lets two ways of computing one number agree.
        """
        refuse_condition(condition, self)
        like = next(self.parameters())
        k, (height, width) = self.block**2, self.cells
        bits = torch.zeros(n, k, height, width, dtype=like.dtype, device=like.device)
        cache = self.start(n) if cached else None
        for cell in range(height * width):
            row, column = divmod(cell, width)
            if cached:
                table = self.table_at(bits, cell, cache)
            else:
                table = self.tables(bits)[:, :, row, column]
            for j in range(k):
                logit = bit_logits(table, bits[:, : j + 1, row, column])[:, j]
                bits[:, j, row, column] = torch.bernoulli(torch.sigmoid(logit), generator=generator)
        return pixel_shuffle(bits, self.block).flatten(1)


def bit_logits(tables: Tensor, bits: Tensor) -> Tensor:
    """Logits of the bits of a code, one after the other, from a score for every code.

    tables (B, 2^k, ...) holds unnormalised log p(code), the first bit the most significant; bits
    (B, j, ...) the first j ≤ k bits. Entry i of the result, (B, j, ...), is the logit of bit i
    given the bits before it. With j = k the conditionals add up to log softmax(tables) at the code:
    the chain rule, inside a cell.
    """
    logits = []
    for bit in bits.unbind(dim=1):
        # Halve the table: codes whose next bit is 0, and those whose next bit is 1.
        halves = tables.unflatten(1, (2, -1))
        zero, one = halves.logsumexp(dim=2).unbind(dim=1)
        logits.append(one - zero)
        tables = torch.where(bit[:, None] == 1, halves[:, 1], halves[:, 0])
    return torch.stack(logits, dim=1)


class PixelCNN(CellModel):
    """The gated PixelCNN: causal convolutions over the cells of an image.

    network: a `GatedCausalConv` with block² channels in and 2^(block²) out. While training,
    it computes in `training_dtype`: bfloat16 halves the time on processors that have it.
    """

    def __init__(
        self,
        network: GatedCausalConv,
        block: int = 1,
        training_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(network.size, block)
        self.network = network
        self.training_dtype = training_dtype

    def tables(self, bits: Tensor) -> Tensor:
        """Unnormalised log p(code | earlier cells), (B, 2^k, H, W), for bits (B, k, H, W)."""
        lower = self.training and self.training_dtype != bits.dtype
        with torch.autocast(bits.device.type, self.training_dtype, enabled=lower):
            tables: Tensor = self.network(bits)
        return tables.to(bits.dtype)

    def start(self, batch: int) -> Any:
        """An empty cache for a batch of images."""
        return self.network.start(batch)

    def table_at(self, bits: Tensor, cell: int, cache: Any) -> Tensor:
        """The table of one cell, (B, 2^k), computing only what is new."""
        return self.network.at(bits, cell, cache)


class PixelTransformer(CellModel):
    """Causal attention over the cells of an image, read in raster order as a sequence of codes.

    network: a `CausalTransformer` of length H·W with 2^(block²) codes. cells is (H, W).
    """

    def __init__(self, network: CausalTransformer, cells: tuple[int, int], block: int = 1) -> None:
        super().__init__(cells, block)
        if network.length != cells[0] * cells[1]:
            raise ValueError(
                f"A grid of {cells[0]} × {cells[1]} cells is a sequence of {cells[0] * cells[1]} "
                f"codes; the network was built for {network.length}."
            )
        self.network = network

    def codes(self, bits: Tensor) -> Tensor:
        """The code of every cell, int64 (B, T), for bits (B, k, H, W)."""
        weights = 2 ** torch.arange(bits.shape[1], device=bits.device).flip(0)
        return (bits.long() * weights[:, None, None]).sum(dim=1).flatten(1)

    def tables(self, bits: Tensor) -> Tensor:
        """Unnormalised log p(code | earlier cells), (B, 2^k, H, W), for bits (B, k, H, W)."""
        tables: Tensor = self.network(self.codes(bits)).transpose(1, 2).unflatten(2, self.cells)
        return tables

    def start(self, batch: int) -> Any:
        """An empty cache of keys and values for a batch of images."""
        return self.network.start(batch)

    def table_at(self, bits: Tensor, cell: int, cache: Any) -> Tensor:
        """The table of one cell, (B, 2^k), from the keys and values of the earlier cells."""
        return self.network.at(self.codes(bits), cell, cache)


class MixtureMADE(nn.Module):
    """Real data, a mixture of Gaussians for each coordinate given the earlier ones.

        p(x_i | earlier) = Σ_m π_m N(x_i; μ_m, σ_m²)

    network: a `MaskedMLP` with 3M outputs for each coordinate: M logits of π, means, log σ.
    """

    likelihood = "exact"

    def __init__(self, network: MaskedMLP) -> None:
        super().__init__()
        if network.out_per_feature % 3:
            raise ValueError(
                "A mixture of M Gaussians takes 3M numbers: weights, means and log-widths; got "
                f"out_per_feature = {network.out_per_feature}."
            )
        self.network = network

    def mixtures(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log π, μ and log σ of every conditional, each (B, D, M), for x (B, D)."""
        logits, means, log_scales = self.network(x).chunk(3, dim=-1)
        return logits.log_softmax(dim=-1), means, log_scales

    def conditional_log_probs(self, x: Tensor) -> Tensor:
        """log p(x_i | the coordinates before i in the ordering), (B, D) nats, for x (B, D)."""
        check_batch(x, (len(self.network.order),), self)
        log_weights, means, log_scales = self.mixtures(x)
        z = (x[..., None] - means) * torch.exp(-log_scales)
        log_normal = -0.5 * z**2 - log_scales - 0.5 * math.log(2 * math.pi)
        return torch.logsumexp(log_weights + log_normal, dim=-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, exactly, (B,), for x (B, D)."""
        return self.conditional_log_probs(x).sum(dim=1)

    def loss(self, x: Tensor, condition: None = None, generator: Generator | None = None) -> Tensor:
        """-log p(x) averaged over the batch, a scalar in nats. Nothing in it is random."""
        refuse_condition(condition, self)
        return -self.log_prob(x).mean()

    @torch.no_grad()
    def sample(self, n: int, condition: None = None, generator: Generator | None = None) -> Tensor:
        """n draws from p(x), (n, D): for each coordinate a component, and a point from it."""
        refuse_condition(condition, self)
        like = next(self.parameters())
        x = torch.zeros(n, len(self.network.order), dtype=like.dtype, device=like.device)
        for i in self.network.order:
            log_weights, means, log_scales = (part[:, i] for part in self.mixtures(x))
            component = torch.multinomial(log_weights.exp(), 1, generator=generator)
            noise = torch.randn(n, 1, generator=generator, dtype=x.dtype, device=x.device)
            drawn = means.gather(1, component) + log_scales.gather(1, component).exp() * noise
            x[:, i] = drawn[:, 0]
        return x
