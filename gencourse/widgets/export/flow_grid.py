"""What the carried grid takes from the checkpoint `flow-2d`: its weights file and its picture."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from gencourse import checkpoints
from gencourse.data import TwoMoons
from gencourse.families.flow import Flow
from gencourse.nn.transforms import Affine, Coupling, Sequence
from gencourse.widgets.export.networks import Tensors, layers_of
from gencourse.widgets.flow_grid import FlowGrid
from gencourse.widgets.weights import pack

__all__ = ["flow_grid", "flow_grid_picture", "write"]

POINTS, SEED = 400, 7
"""Points of the target that the figure can pull back, and the seed that draws them."""

EXTENT = 3.0
"""Half the width of both planes."""

SHADED = 0.16
"""The density, per unit of area, that is drawn 63 % dark, as in js/flow-grid/mesh.mjs."""

INK, RAISED = 35, 248
"""Grey levels of ink and of the ground around the picture; paper is white."""


def flow_grid(model: Flow) -> bytes:
    """The weights file of the carried grid: the couplings in the order in which noise becomes data,
    each with the coordinate it moves and its network, and points of the target."""
    couplings = []
    tensors: Tensors = {}
    transforms = cast(Sequence, model.transform).transforms
    for place, coupling in enumerate(cast(list[Coupling], list(transforms)[::-1])):
        layers, parameters = layers_of(f"couplings.{place}", coupling.network)
        tensors |= parameters
        moves = int((~coupling.kept).nonzero())
        couplings.append(
            {"moves": moves, "layers": layers, "limit": cast(Affine, coupling.curve).limit}
        )
    data = TwoMoons().sample(POINTS, torch.Generator().manual_seed(SEED))
    tensors["data"] = data.numpy().astype(np.float16)
    meta = {"couplings": couplings, "extent": EXTENT, "target": "two moons", "computed": ["data"]}
    return pack(meta, tensors)


def flow_grid_picture(model: Flow, z: Tensor, side: float = 0.5) -> Image.Image:
    """The figure in its starting state, ink on white, as it stands before the figure starts.

    It has the proportions of the figure's own layout, so that nothing moves when the figure takes
    its place. z (2,) is the point whose cell, `side` wide, is outlined.
    """
    picture = Image.new("L", (684, 408), RAISED)
    line = torch.linspace(-EXTENT, EXTENT, 121)
    across = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)
    edge = torch.linspace(-side / 2, side / 2, 21)
    half = torch.full_like(edge, side / 2)
    rim = [(edge, -half), (half, edge), (-edge, half), (-half, -edge)]
    cell = z + torch.cat([torch.stack(each, dim=-1) for each in rim])
    for left, width, after in ((22, 250, False), (314, 366, True)):
        scale = 2  # drawn twice as large, so that lines are smooth
        square = Image.fromarray(_shades(model, width * scale, after))
        pen = ImageDraw.Draw(square)
        with torch.no_grad():
            lines = [across[k] for k in range(0, 121, 10)]
            lines += [across[:, k] for k in range(0, 121, 10)]
            for points, shade, thick in [*((each, 170, 2) for each in lines), (cell, INK, 4)]:
                carried = model.transform.inverse(points)[0] if after else points
                place = (carried * torch.tensor([1, -1]) / EXTENT + 1) * width * scale / 2
                pen.line([(float(x), float(y)) for x, y in place], fill=shade, width=thick)
        picture.paste(square.resize((width, width), Image.Resampling.LANCZOS), (left, 24))
    return picture


def _shades(model: Flow, pixels: int, after: bool) -> NDArray[Any]:
    """The density over the plane as grey levels, white for 0, (pixels, pixels)."""
    centre = EXTENT * ((2 * torch.arange(pixels) + 1) / pixels - 1)
    plane = torch.cartesian_prod(-centre, centre).flip(1)  # the second coordinate falls
    with torch.no_grad():
        log_prob = model.log_prob(plane) if after else model.base.log_prob(plane)
    dark = 1 - torch.exp(-log_prob.exp() / SHADED)
    return (255 - 130 * dark).round().to(torch.uint8).reshape(pixels, pixels).numpy()


def write(weights: Path, picture: Path) -> None:
    """Write both files of the figure."""
    model = checkpoints.load("flow-2d")
    weights.write_bytes(flow_grid(model))
    drawn = flow_grid_picture(model, torch.tensor(FlowGrid().z))
    drawn.save(picture, quality=60, method=6)
