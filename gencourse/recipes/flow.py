"""The flows: one of grey digits, two of points in the plane, and what is measured on them."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gencourse.data import Pinwheel, Target, TwoMoons, mnist
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


def fresh_points(target: Target) -> Callable[[int], Tensor]:
    """A new draw from the target for every epoch, (50000, 2)."""
    return lambda epoch: target.sample(POINTS, torch.Generator().manual_seed(epoch))


def measure_in_the_plane(target: Target) -> Callable[[Flow], dict[str, Any]]:
    """The mean of log p on 10,000 points that no epoch saw, in nats, beside the target's own."""

    def measure(model: Flow) -> dict[str, Any]:
        x = target.sample(10_000, torch.Generator().manual_seed(10**6))
        with torch.no_grad():
            log_prob = float(model.log_prob(x).mean())
        truth = float(target.log_prob(x).mean())
        return {"test": {"points": len(x), "log_prob": log_prob, "target_log_prob": truth}}

    return measure


def divergence_from(target: Target) -> Callable[[Flow], dict[str, float]]:
    """KL(target ‖ model) in nats, by quadrature over the square."""

    def subset(model: Flow) -> dict[str, float]:
        with torch.no_grad():
            divergence = kl_divergence(
                target.log_prob, lambda x: model.log_prob(x.float()).double(), points=160
            )
        return {"kl": float(divergence)}

    return subset


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
        data=fresh_points(TwoMoons()),
        data_description="Two moons, 50,000 points, drawn afresh every epoch",
        measure=measure_in_the_plane(TwoMoons()),
        subset=divergence_from(TwoMoons()),
        epochs=30,
        batch_size=250,
        learning_rate=5e-3,
        max_grad_norm=5.0,
    ),
    "flow-ode": Recipe(
        description="A continuous flow that carries a pinwheel to a Gaussian",
        data=fresh_points(Pinwheel()),
        data_description="The pinwheel, 50,000 points, drawn afresh every epoch",
        measure=measure_in_the_plane(Pinwheel()),
        subset=divergence_from(Pinwheel()),
        epochs=20,
        batch_size=250,
        learning_rate=5e-3,
        max_grad_norm=5.0,
    ),
}
