"""What a live figure takes from a checkpoint: its weights file, and the picture that stands in.

`python -m tools.widgets` writes both into static/. Weights go out as float16; everything else in
the file (codes, their means) is computed from the weights so rounded, which the browser uses.
"""

from collections.abc import Callable
from pathlib import Path

from gencourse.widgets.export import (
    flow_grid,
    gan_game,
    latent_plane,
    pixel_chain,
    ring_race,
    sampling_bill,
)

__all__ = ["EXPORTS"]

EXPORTS: dict[str, Callable[[Path, Path], None]] = {
    "flow-grid": flow_grid.write,
    "gan-game": gan_game.write,
    "latent-plane": latent_plane.write,
    "pixel-chain": pixel_chain.write,
    "ring-race": ring_race.write,
    "sampling-bill": sampling_bill.write,
}
"""For each figure, what writes its weights file and its picture."""
