"""The two flows: one of grey digits, one small enough for a web page, and what is measured."""

import math
from typing import Any

import torch
from torch import Tensor

from gencourse.data import TwoMoons, mnist
from gencourse.evaluation.quadrature import kl_divergence
from gencourse.families.flow import Dequantized, Flow, bits_per_dimension
from gencourse.recipes.recipe import Recipe

__all__ = ["RECIPES"]

TEST_SEED = 0
"""The seed of the noise that spreads out the test set's grey levels, drawn once."""
SUBSET = 500
"""How many test images the tests measure again."""
DRAWS = 16
"""How many draws of that noise are averaged inside the logarithm, for the tighter bound."""
POINTS = 50_000


def grey_levels(split: str) -> Tensor:
    """Images as the model takes them: whole grey levels 0 to 255, (N, 784) float32."""
    return mnist(split).images.flatten(start_dim=1).float()


def bounds(model: Dequantized, x: Tensor, draws: int) -> Tensor:
    """log P(x) bounded by `draws` draws of the noise, one by one, (draws, N) in nats."""
    generator = torch.Generator().manual_seed(TEST_SEED)
    with torch.no_grad():
        rows = [
            torch.cat([model.log_prob(batch, generator) for batch in x.split(250)])
            for _ in range(draws)
        ]
    return torch.stack(rows)


def measure_digits(model: Dequantized) -> dict[str, Any]:
    """Bits per dimension on MNIST's test set: one draw of the noise, and on a part sixteen."""
    x = grey_levels("test")
    features = x.shape[1]
    nats = bounds(model, x, 1)[0]
    bits = bits_per_dimension(nats, features)
    several = bounds(model, x[:SUBSET], DRAWS)
    tighter = several.logsumexp(dim=0) - math.log(DRAWS)
    return {
        "test": {
            "images": len(x),
            "dequantisation_seed": TEST_SEED,
            "bits_per_dimension": float(bits.mean()),
            "standard_error": float(bits.std() / len(x) ** 0.5),
            "nats": float(nats.mean()),
        },
        "dequantisation": {
            "images": SUBSET,
            "draws": DRAWS,
            "one_draw": float(bits_per_dimension(several.mean(), features)),
            "all_draws": float(bits_per_dimension(tighter.mean(), features)),
        },
    }


def subset_digits(model: Dequantized) -> dict[str, float]:
    """Bits per dimension of the first 500 test images."""
    nats = bounds(model, grey_levels("test")[:SUBSET], 1)[0]
    return {"bits_per_dimension": float(bits_per_dimension(nats.mean(), 784))}


def moons(epoch: int) -> Tensor:
    """A fresh draw of the two moons for every epoch, (50000, 2)."""
    return TwoMoons().sample(POINTS, torch.Generator().manual_seed(epoch))


def measure_moons(model: Flow) -> dict[str, Any]:
    """The divergence from the two moons to the model, in nats, by quadrature, and a test set's."""
    target = TwoMoons()
    x = target.sample(10_000, torch.Generator().manual_seed(10**6))
    with torch.no_grad():
        return {
            "test": {
                "points": len(x),
                "log_prob": float(model.log_prob(x).mean()),
                "target_log_prob": float(target.log_prob(x).mean()),
            }
        }


def subset_moons(model: Flow) -> dict[str, float]:
    """KL(two moons ‖ model) in nats, by quadrature over the square."""
    with torch.no_grad():
        model.double()
        divergence = kl_divergence(TwoMoons().log_prob, model.log_prob)
        model.float()
    return {"kl": float(divergence)}


RECIPES = {
    "flow": Recipe(
        description="A multi-scale spline flow of MNIST's grey levels",
        data=lambda epoch: grey_levels("train"),
        data_description=(
            "MNIST, 60,000 training images as grey levels, dequantised afresh at every step"
        ),
        measure=measure_digits,
        subset=subset_digits,
        epochs=5,
        batch_size=64,
        learning_rate=3e-3,
        max_grad_norm=500.0,  # above the usual norm: it stops the rare step that ends a run
    ),
    "flow-2d": Recipe(
        description="Six affine couplings that fold a Gaussian into two moons",
        data=moons,
        data_description="Two moons, 50,000 points, drawn afresh every epoch",
        measure=measure_moons,
        subset=subset_moons,
        epochs=30,
        batch_size=250,
        learning_rate=5e-3,
        max_grad_norm=5.0,
    ),
}
