"""Train a checkpoint that the course ships, measure it on the test set, and write its card.

Ctrl-C stops after the step in progress and saves everything; the same command with --resume goes
on from there, and ends with the weights that an uninterrupted run would have given.
"""

import argparse
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gencourse import checkpoints
from gencourse.checkpoints.architectures import ARCHITECTURES
from gencourse.recipes import autoregressive, features, flow, gan, vae
from gencourse.recipes.recipe import Recipe
from gencourse.training import History, Interrupted, fit

__all__ = ["RECIPES", "Recipe", "configure", "run"]

RECIPES: dict[str, Recipe] = {
    **autoregressive.RECIPES,
    **features.RECIPES,
    **flow.RECIPES,
    **gan.RECIPES,
    **vae.RECIPES,
}
"""Every checkpoint that the course ships, by name."""


def _card(name: str, recipe: Recipe, model: torch.nn.Module, history: History) -> dict[str, Any]:
    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    return {
        "description": recipe.description,
        "recipe": {
            "command": f"gencourse train {name}",
            "data": recipe.data_description,
            "architecture": f"gencourse.checkpoints.architectures.{ARCHITECTURES[name].__name__}",
            "optimizer": "Adam, no weight decay",
            "schedule": "cosine to zero, no warm-up",
            **recipe.settings(),
        },
        "parameters": {
            **{part: count(module) for part, module in model.named_children() if count(module)},
            "total": count(model),
        },
        "training": {
            "minutes": round(history.seconds / 60, 1),
            "machine": f"one core of a {os.cpu_count()}-core CPU, {platform.machine()}",
            "torch": torch.__version__,
            "first_loss": history.losses[0],
            "last_loss": history.losses[-1],
        },
        **recipe.measure(model),
        "subset": recipe.subset(model),
    }


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gencourse train`."""
    parser.add_argument("name", choices=sorted(RECIPES), help="which checkpoint")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs"),
        help="folder for the state, the weights and the card (default: runs)",
    )
    parser.add_argument("--epochs", type=int, help="fewer or more than the recipe's")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the state in the folder, if there is one"
    )


def run(args: argparse.Namespace) -> int:
    """Train, measure, save; the exit status is 0, 130 after Ctrl-C, 2 if the state does not fit."""
    recipe = RECIPES[args.name]
    if args.epochs is not None:
        recipe = replace(recipe, epochs=args.epochs)
    torch.set_num_threads(1)  # so that the weights do not depend on how many cores there are
    args.out.mkdir(parents=True, exist_ok=True)
    state = args.out / f"{args.name}.state"
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = ARCHITECTURES[args.name]()
    try:
        history = fit(model, recipe.data, **recipe.settings(), state=state, resume=args.resume)
    except Interrupted as stop:
        print(f"{stop}. The same command with --resume goes on from there.", file=sys.stderr)
        return 130
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("Measuring on the test set: some minutes.", file=sys.stderr)
    model.half().float()  # the figures are those of the weights as stored
    checkpoints.save(args.name, model, _card(args.name, recipe, model, history), args.out)
    print(f"Wrote {args.name}.safetensors and {args.name}.json to {args.out}.", file=sys.stderr)
    return 0
