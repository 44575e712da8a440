"""What is written down about a checkpoint so that anyone can make it again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gencourse.training import Data

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """What is needed, besides the architecture of the same name, to train a checkpoint again.

    data(epoch): what that epoch trains on, and `data_description`, the same in words. After
    training, measure(model) returns the figures of the card: "test", those on the test set, and
    whatever else belongs there. subset(model) returns some of them on a part of the test set, by
    name, cheap enough for a test to compute again from the shipped weights.
    """

    description: str
    data: Callable[[int], Data]
    data_description: str
    measure: Callable[[Any], dict[str, Any]]
    subset: Callable[[Any], dict[str, float]]
    epochs: int
    batch_size: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float | None = None
    ema_decay: float | None = None
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """The arguments of `gencourse.training.fit`."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "betas": self.betas,
            "max_grad_norm": self.max_grad_norm,
            "ema_decay": self.ema_decay,
            "seed": self.seed,
        }
