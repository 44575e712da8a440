"""Trained weights, and the card of each: how it was made and how good it is.

`load("vae-2d")` returns a model ready for use, `card("vae-2d")` what the book says about it. Beside
NAME.safetensors lies NAME.json, the card; both are written by `gencourse train NAME`.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as bytes_from_tensors

from gencourse.checkpoints.architectures import ARCHITECTURES

__all__ = ["card", "load", "save"]

SHIPPED = Path(__file__).parent


def load(name: str, directory: Path = SHIPPED) -> Any:
    """The trained model `name`, in float32 and in evaluation mode.

    Raises `ValueError` for a name that does not exist and `RuntimeError` when the weights are
    missing, are not those that the card describes, or do not fit the architecture.
    """
    expected = card(name, directory)["weights"]["sha256"]
    path = directory / f"{name}.safetensors"
    if not path.exists():
        raise RuntimeError(
            f"{path} is missing, though its card is there. Install gencourse again, or make the "
            f"weights with `gencourse train {name}`."
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise RuntimeError(
            f"{path.name} is not the file its card describes: expected SHA-256 {expected}, got "
            f"{digest} ({len(content):,} bytes at {path}). A download or a copy was probably cut "
            "short, or the weights and the card come from different runs; install gencourse again."
        )
    weights = {
        key: value.float() if value.is_floating_point() else value
        for key, value in tensors_from_bytes(content).items()
    }
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and thrown away
        model = ARCHITECTURES[name]()
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weights.items()}
    if found != wanted:
        key = next(k for k in {**wanted, **found} if wanted.get(k) != found.get(k))
        raise RuntimeError(
            f"{path.name} holds another architecture than gencourse.checkpoints.architectures "
            f"builds for {name!r}. First difference: {key}, expected {wanted.get(key, 'nothing')}, "
            f"got {found.get(key, 'nothing')}. The weights are older or newer than this gencourse."
        )
    model.load_state_dict(weights)
    return model.eval()


def card(name: str, directory: Path = SHIPPED) -> dict[str, Any]:
    """The card of the checkpoint `name`: recipe, seed, time, machine, and figures on the test set.

    Raises `ValueError` for a name that does not exist and `RuntimeError` when the card is missing.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"There is no checkpoint {name!r}; there are {sorted(ARCHITECTURES)}.")
    path = directory / f"{name}.json"
    if not path.exists():
        raise RuntimeError(f"{path} is missing. Make it with `gencourse train {name}`.")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def save(name: str, model: torch.nn.Module, details: dict[str, Any], directory: Path) -> None:
    """Write NAME.safetensors, in float16, and NAME.json, the `details` with the weights' digest.

    Both are written aside and renamed, weights first: a card never describes weights to come.
    """
    content = bytes_from_tensors(
        {
            key: (value.half() if value.is_floating_point() else value).contiguous()
            for key, value in model.state_dict().items()
        }
    )
    weights = {
        "dtype": "float16",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    text = json.dumps({"name": name, **details, "weights": weights}, indent=2) + "\n"
    directory.mkdir(parents=True, exist_ok=True)
    for file, data in ((f"{name}.safetensors", content), (f"{name}.json", text.encode())):
        aside = directory / f"{file}.writing"
        aside.write_bytes(data)
        os.replace(aside, directory / file)
