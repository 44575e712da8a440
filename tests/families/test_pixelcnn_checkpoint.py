"""The shipped PixelCNN on the whole test set, exactly."""

import math

import torch

from gencourse import checkpoints
from gencourse.data import binarize, mnist


def test_the_likelihood_of_the_whole_test_set_is_what_the_card_says():
    model, stated = checkpoints.load("pixelcnn"), checkpoints.card("pixelcnn")["test"]
    x = binarize(mnist("test").images, seed=stated["binarisation_seed"])
    with torch.no_grad():
        nll = -torch.cat([model.log_prob(batch) for batch in x.split(250)])
    assert len(nll) == stated["images"] == 10_000
    assert math.isclose(nll.mean().item(), stated["nll"], abs_tol=0.01)
    assert nll.mean() + 3 * stated["standard_error"] < 86.6, (
        "the best MADE's, Germain et al. (2015)"
    )
    assert math.isclose(
        stated["bits_per_dimension"], stated["nll"] / (784 * math.log(2)), rel_tol=1e-9
    )


def test_its_samples_are_as_surprising_as_its_own_likelihood_expects():
    """-log p of its samples averages to its entropy, near but below the cross-entropy of data."""
    model = checkpoints.load("pixelcnn")
    x = model.sample(24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = -model.log_prob(x)
    expected = checkpoints.card("pixelcnn")["test"]["nll"]
    assert abs(own.mean().item() - expected) < 4 * own.std().item() / math.sqrt(24)
