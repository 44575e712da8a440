"""What the game of generator and critic takes along: a game under way, and its picture.

The opening is played here, in PyTorch and float64, with the draws that the browser would make, so
that it is a position of the browser's own game: seed 0, a number of steps.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gencourse.data import EightGaussians, Ring
from gencourse.evaluation.coverage import modes_covered
from gencourse.families.gan import OBJECTIVES, input_gradient
from gencourse.nn import MLP
from gencourse.widgets.export.networks import Tensors
from gencourse.widgets.gan_game import GanGame
from gencourse.widgets.weights import pack

__all__ = ["Game", "gan_game", "gan_game_picture", "normals", "uniforms", "write"]

BATCH, MADE, SHOWN_NOISE, SHOWN_DATA = 128, 400, 2024, 7
"""Points of a batch, made points that are shown, and the seeds of what is shown."""

RATE, BETAS, R1, UNIT_SLOPE = 2e-3, (0.5, 0.99), 0.1, 1.0
"""Adam's learning rate and decays; the weights of the two penalties."""

EVERY = 4
"""Steps between two points of the charts."""

EXTENT = 3.0
INK, RAISED = 35, 248

Uniforms = npt.NDArray[np.float64]


def uniforms(seed: int, n: int, start: int = 0) -> Uniforms:
    """Draws number `start` to `start + n` in [0, 1) of js/lib/random.mjs (mulberry32)."""
    count = np.arange(start + 1, start + n + 1, dtype=np.uint64)
    state = (np.uint64(seed % 2**32) + count * np.uint64(0x6D2B79F5)).astype(np.uint32)
    t = (state ^ (state >> 15)) * (state | 1)
    t ^= t + (t ^ (t >> 7)) * (t | 61)
    return np.asarray((t ^ (t >> 14)) / 2**32, dtype=np.float64)


def normals(u: Uniforms) -> Uniforms:
    """Standard normal draws from pairs of uniform ones, (..., 2) to (...) (Box and Muller)."""
    return np.asarray(np.sqrt(-2 * np.log(1 - u[..., 0])) * np.cos(2 * np.pi * u[..., 1]))


class Game:
    """The game of js/gan-game/game.mjs, draw by draw the same, in PyTorch and float64."""

    def __init__(self, seed: int, data: str = "eight") -> None:
        self.seed, self.data, self.steps = seed, data, 0
        self.generator = MLP(2, 32, 32, 2).double()
        self.critic = MLP(2, 32, 32, 1).double()
        at = 0
        for network in (self.generator, self.critic):
            for layer in network:
                if isinstance(layer, nn.Linear):
                    for values in (layer.weight, layer.bias):
                        draws = torch.from_numpy(uniforms(seed, values.numel(), at))
                        at += values.numel()
                        bound = layer.in_features**-0.5
                        values.data = bound * (2 * draws.reshape(values.shape) - 1)
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), RATE, BETAS),
            "critic": torch.optim.Adam(self.critic.parameters(), RATE, BETAS),
        }
        self.losses: dict[str, float] = {}

    def criticise(self, x: Tensor) -> Tensor:
        """The critic's numbers at x: (B, 2) to (B,)."""
        c: Tensor = self.critic(x).squeeze(1)
        return c

    def draws(self, turn: int, *counts: int) -> Iterator[Uniforms]:
        """The uniform draws of one turn of this step, in groups of the given sizes."""
        seed = ((self.seed + 1) * 0x9E3779B1) ^ ((16 * self.steps + turn) * 0x85EBCA6B)
        at = 0
        for count in counts:
            yield uniforms(seed, count, at)
            at += count

    def make(self, u: Uniforms) -> Tensor:
        """Made points (n, 2) from 4 n uniform draws."""
        x: Tensor = self.generator(torch.from_numpy(normals(u.reshape(-1, 2, 2))))
        return x

    def step(self, loss: str = "non-saturating", penalty: bool = False, turns: int = 1) -> None:
        """The critic's turn, then the generator's `turns`."""
        critic_loss, generator_loss = OBJECTIVES[loss]
        draws = self.draws(0, 5 * BATCH, 4 * BATCH, BATCH)
        real = data_points(self.data, BATCH, next(draws))
        fake = self.make(next(draws)).detach()
        value = critic_loss(self.criticise(real), self.criticise(fake))
        if penalty and loss == "wasserstein":
            between = torch.lerp(fake, real, torch.from_numpy(next(draws))[:, None])
            slope = input_gradient(self.criticise, between).norm(dim=1)
            value = value + UNIT_SLOPE * (slope - 1).square().mean()
        elif penalty:
            slope = input_gradient(self.criticise, real).norm(dim=1)
            value = value + R1 / 2 * slope.square().mean()
        self._move("critic", value)
        for turn in range(turns):
            made = self.make(next(self.draws(1 + turn, 4 * BATCH)))
            self._move("generator", generator_loss(self.criticise(made)))
        self.steps += 1

    def _move(self, player: str, value: Tensor) -> None:
        optimiser = self.optimisers[player]
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        self.losses[player] = value.item()

    def shown(self) -> Tensor:
        """The made points that the figure shows, (MADE, 2)."""
        with torch.no_grad():
            return self.make(uniforms(SHOWN_NOISE, 4 * MADE))

    def state(self, player: str) -> Tensors:
        """A player's parameters and both moments of its optimiser, flat, by their names."""
        network: nn.Module = getattr(self, player)
        moments = [self.optimisers[player].state[each] for each in network.parameters()]
        return {
            player: parameters_to_vector(network.parameters()).detach().numpy(),
            f"{player}.first": torch.cat([m["exp_avg"].flatten() for m in moments]).numpy(),
            f"{player}.second": torch.cat([m["exp_avg_sq"].flatten() for m in moments]).numpy(),
        }


def data_points(data: str, n: int, u: Uniforms) -> Tensor:
    """n points of the "eight" Gaussians or the "ring", (n, 2), from 5 n uniform draws."""
    u = u.reshape(n, 5)
    if data == "ring":
        angle = 2 * np.pi * u[:, 0]
        clean, noise = Ring.radius * np.stack([np.cos(angle), np.sin(angle)], 1), Ring.noise
    else:
        eight = EightGaussians()
        clean, noise = eight.means.numpy()[(8 * u[:, 0]).astype(int)], eight.noise
    return torch.from_numpy(clean + noise * normals(u[:, 1:].reshape(n, 2, 2)))


def parts_covered(x: Tensor) -> int:
    """Modes of the eight Gaussians that hold a tenth of their fair share of x, (N, 2)."""
    return modes_covered(x, EightGaussians().means, EightGaussians.noise)


def gan_game() -> tuple[bytes, Game]:
    """The weights file of the game, its opening position with how it came there; and that game."""
    # An instance would read the file that is being made.
    start = {name: trait.default_value for name, trait in GanGame.class_traits(state=True).items()}
    settings: dict[str, Any] = {name: start[name] for name in ("loss", "penalty", "turns")}
    game = Game(start["seed"], start["data"])
    past: list[list[float]] = []
    while game.steps < start["steps"]:
        game.step(**settings)
        if game.steps % EVERY == 0:
            losses = [round(game.losses[player], 4) for player in ("critic", "generator")]
            past.append([game.steps, *losses, parts_covered(game.shown())])
    opening = {
        "seed": game.seed,
        "data": game.data,
        **settings,
        "steps": game.steps,
        "losses": dict(game.losses),
    }
    tensors = {
        name: values.astype(np.float32)
        for player in ("generator", "critic")
        for name, values in game.state(player).items()
    }
    for player in ("generator", "critic"):  # from here on the game is the one in the browser
        rounded = torch.from_numpy(tensors[player].astype(np.float64))
        vector_to_parameters(rounded, getattr(game, player).parameters())
    return pack({"opening": opening, "past": past, "computed": list(tensors)}, tensors), game


def gan_game_picture(game: Game) -> Image.Image:
    """The opening, ink on white, as it stands before the figure starts, in its proportions."""
    side, left, scale = 354, 22, 2  # drawn twice as large, so that lines are smooth
    pixels = side * scale
    cells = 48
    centre = EXTENT * ((2 * torch.arange(cells, dtype=torch.float64) + 1) / cells - 1)
    grid = torch.cartesian_prod(-centre, centre).flip(1)
    made = game.shown().requires_grad_()
    loss = OBJECTIVES["non-saturating"][1]
    (slope,) = torch.autograd.grad(len(made) * loss(game.criticise(made)), made)
    with torch.no_grad():
        lean = 2 * torch.sigmoid(game.criticise(grid)) - 1
    # Darker for data, paler for made, about a middle grey: the picture has one colour.
    shade = (228 - 40 * lean).round().to(torch.uint8).reshape(cells, cells).numpy()
    plane = Image.fromarray(shade).resize((pixels, pixels), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(plane)

    def place(x: Tensor) -> list[tuple[float, float]]:
        at = (x.detach() * torch.tensor([1, -1]) / EXTENT + 1) * pixels / 2
        return [(float(a), float(b)) for a, b in at]

    for a, b in place(data_points("eight", MADE, uniforms(SHOWN_DATA, 5 * MADE))):
        pen.circle((a, b), 3, fill=120)
    for (a, b), push in zip(place(made)[::4], -slope[::4], strict=True):
        length = pixels / (2 * EXTENT) * min(0.45 * float(push.norm()), 0.75) / float(push.norm())
        pen.line((a, b, a + length * float(push[0]), b - length * float(push[1])), INK, 2)
    for a, b in place(made):
        pen.polygon(((a, b - 6), (a + 5, b + 4), (a - 5, b + 4)), fill=INK, outline=255)
    picture = Image.new("L", (684, 380), RAISED)
    picture.paste(plane.resize((side, side), Image.Resampling.LANCZOS), (left, 0))
    return picture


def write(weights: Path, picture: Path) -> None:
    """Write the weights file and the picture of the starting state."""
    content, game = gan_game()
    weights.write_bytes(content)
    gan_game_picture(game).save(picture, quality=60, method=6)
