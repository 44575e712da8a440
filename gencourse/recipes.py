"""Train a checkpoint that the course ships, measure it on the test set, and write its card.

Ctrl-C stops after the step in progress and saves everything; the same command with --resume goes
on from there, and ends with the weights that an uninterrupted run would have given.
"""

import argparse
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gencourse import checkpoints
from gencourse.checkpoints.architectures import ARCHITECTURES
from gencourse.data import binarize, mnist
from gencourse.evaluation.bounds import mean_bound, mean_elbo_terms
from gencourse.evaluation.latents import active_units, aggregate_posterior_kl, mutual_information
from gencourse.families.vae import VAE
from gencourse.training import History, Interrupted, fit

__all__ = ["RECIPES", "Recipe", "configure", "measure", "run"]

# The statically binarised test set of the cards, and the part of it that tests measure again.
TEST_SEED = 0
SUBSET = 500


@dataclass(frozen=True)
class Recipe:
    """What is needed, besides the architecture of the same name, to train a checkpoint again."""

    description: str
    epochs: int
    batch_size: int
    learning_rate: float
    max_grad_norm: float | None = None
    seed: int = 0


RECIPES = {
    "vae-2d": Recipe(
        description="A VAE on binarised MNIST whose latent space is a plane",
        epochs=100,
        batch_size=128,
        learning_rate=2e-3,
        max_grad_norm=200.0,  # above the usual norm: it stops the rare step that ends a run
    ),
    "vae": Recipe(
        description="A convolutional VAE on binarised MNIST with twenty latent dimensions",
        epochs=100,
        batch_size=128,
        learning_rate=2e-3,
    ),
}


def measure(model: VAE, k: int = 500) -> dict[str, Any]:
    """The figures of a card: bounds in nats and latent statistics on MNIST's test set.

    The test set is binarised once, with seed 0. The ELBO is averaged over ten draws of the noise,
    the importance-weighted bound uses K = k.
    """
    x = binarize(mnist("test").images, seed=TEST_SEED)
    reconstruction, kl = mean_elbo_terms(model, x, seed=0, samples=10)
    mean, log_var = model.encode(x)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    subset_reconstruction, subset_kl = mean_elbo_terms(model, x[:SUBSET], seed=0, samples=10)
    return {
        "test": {
            "images": len(x),
            "binarisation_seed": TEST_SEED,
            "elbo": reconstruction - kl,
            "elbo_samples": 10,
            "reconstruction": reconstruction,
            "kl": kl,
            "iw_bound": mean_bound(model, x, k, seed=0),
            "iw_k": k,
            "active_units": int(active_units(mean).sum()),
            "mutual_information": mutual_information(mean, log_var, noise),
            "aggregate_posterior_kl": aggregate_posterior_kl(mean, log_var, noise),
        },
        "subset": {
            "images": SUBSET,
            "elbo": subset_reconstruction - subset_kl,
            "reconstruction": subset_reconstruction,
            "kl": subset_kl,
        },
    }


def _card(name: str, recipe: Recipe, model: VAE, history: History) -> dict[str, Any]:
    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    return {
        "description": recipe.description,
        "recipe": {
            "command": f"gencourse train {name}",
            "data": "MNIST, 60,000 training images, a fresh binarisation every epoch",
            "architecture": f"gencourse.checkpoints.architectures.{ARCHITECTURES[name].__name__}",
            "latent_dim": model.latent_dim,
            "optimizer": "Adam, betas 0.9 and 0.999, no weight decay",
            "schedule": "cosine to zero, no warm-up",
            **{k: v for k, v in asdict(recipe).items() if k != "description"},
        },
        "parameters": {
            "encoder": count(model.encoder),
            "decoder": count(model.decoder),
            "total": count(model),
        },
        "training": {
            "minutes": round(history.seconds / 60, 1),
            "machine": f"one core of a {os.cpu_count()}-core CPU, {platform.machine()}",
            "torch": torch.__version__,
            "first_loss": history.losses[0],
            "last_loss": history.losses[-1],
        },
        **measure(model),
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
    epochs = recipe.epochs if args.epochs is None else args.epochs
    recipe = Recipe(**{**asdict(recipe), "epochs": epochs})
    torch.set_num_threads(1)  # so that the weights do not depend on how many cores there are
    args.out.mkdir(parents=True, exist_ok=True)
    state = args.out / f"{args.name}.state"
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = ARCHITECTURES[args.name]()
    images = mnist("train").images
    try:
        history = fit(
            model,
            lambda epoch: binarize(images, seed=epoch),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            seed=recipe.seed,
            max_grad_norm=recipe.max_grad_norm,
            state=state,
            resume=args.resume,
        )
    except Interrupted as stop:
        print(f"{stop}. The same command with --resume goes on from there.", file=sys.stderr)
        return 130
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print("Measuring on the test set: two or three minutes.", file=sys.stderr)
    model.half().float()  # the figures are those of the weights as stored
    checkpoints.save(args.name, model, _card(args.name, recipe, model, history), args.out)
    print(f"Wrote {args.name}.safetensors and {args.name}.json to {args.out}.", file=sys.stderr)
    return 0
