"""The causal transformer: attention in which a position looks back, and never ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

__all__ = ["Block", "CausalTransformer", "KeyValueCache"]


@dataclass
class KeyValueCache:
    """Keys and values of the positions so far, for each layer (B, heads, T, width/heads)."""

    keys: list[Tensor]
    values: list[Tensor]


class Block(nn.Module):
    """Attention, then a two-layer perceptron; each reads a normalised copy and adds its result."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of h (B, T, width), each (B, heads, T, width/heads)."""
        mixed = self.query_key_value(self.attention_norm(h))
        query, key, value = mixed.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value

    def finish(self, h: Tensor, read: Tensor) -> Tensor:
        """h (B, T, width) with what attention read, (B, heads, T, width/heads), worked in."""
        h = h + self.attention_out(read.transpose(1, 2).flatten(2))
        new: Tensor = self.mlp(h)
        return h + new

    def forward(self, h: Tensor) -> Tensor:
        """(B, T, width) to (B, T, width); position t reads positions 0, ..., t."""
        query, key, value = self.split(h)
        return self.finish(h, scaled_dot_product_attention(query, key, value, is_causal=True))


class CausalTransformer(nn.Module):
    """Codes (B, T) to scores (B, T, codes) of which code comes at t, given those before t.

    length is T, codes how many there are, width a multiple of heads. The codes enter one position
    late, behind a learned start, so that position t never reads the code that it predicts.

    `start` and then `at`, position by position, give the same scores: a position's keys and values
    never change once they are computed, so each step computes those of one position only.
    """

    def __init__(self, length: int, codes: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"Each head gets width / heads channels; {heads} heads do not divide {width}."
            )
        self.length = length
        # One more than there are codes: the start, which is no code and stands before the first.
        self.embed = nn.Embedding(codes + 1, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.blocks = cast("Sequence[Block]", blocks)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, codes))

    def forward(self, codes: Tensor) -> Tensor:
        """(B, T) int64 to (B, T, codes)."""
        start = self.embed.num_embeddings - 1
        h = self.embed(pad(codes[:, :-1], (1, 0), value=start)) + self.place
        for block in self.blocks:
            h = block(h)
        scores: Tensor = self.head(h)
        return scores

    def start(self, batch: int) -> KeyValueCache:
        """A cache for `batch` sequences of which nothing is known yet."""
        width, heads = self.place.shape[1], self.blocks[0].heads
        shape = batch, heads, self.length, width // heads
        return KeyValueCache(
            [self.place.new_zeros(shape) for _ in self.blocks],
            [self.place.new_zeros(shape) for _ in self.blocks],
        )

    def at(self, codes: Tensor, position: int, cache: KeyValueCache) -> Tensor:
        """The scores at one position, (B, codes), from codes (B, T).

        Every earlier position must have been asked for, in order, and `codes` must hold its final
        value there; what stands at later positions is not read.
        """
        start = codes.new_full((len(codes), 1), self.embed.num_embeddings - 1)
        before = codes[:, position - 1 : position] if position else start
        h = self.embed(before) + self.place[position]
        for block, keys, values in zip(self.blocks, cache.keys, cache.values, strict=True):
            query, keys[:, :, position : position + 1], values[:, :, position : position + 1] = (
                block.split(h)
            )
            seen = slice(position + 1)
            read = scaled_dot_product_attention(query, keys[:, :, seen], values[:, :, seen])
            h = block.finish(h, read)
        scores: Tensor = self.head(h)
        return scores[:, 0]
