"""Averages over a data set are averages of the bounds, whatever the batches."""

import pytest
import torch

from gencourse.evaluation.bounds import mean_bound, mean_elbo_terms
from gencourse.families.vae import VAE, BernoulliDecoder, Encoder
from gencourse.nn import MLP

D, d = 6, 2


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(Encoder(MLP(D, 8, 2 * d)), BernoulliDecoder(MLP(d, 8, D)), D, d)


@pytest.fixture
def x():
    return torch.bernoulli(torch.full((50, D), 0.5), generator=torch.Generator().manual_seed(0))


def test_elbo_terms_average_to_minus_the_loss(model, x):
    reconstruction, kl = mean_elbo_terms(model, x, seed=0, samples=1000)
    losses = torch.stack(
        [model.loss(x, generator=torch.Generator().manual_seed(i)) for i in range(1, 201)]
    ).detach()
    error = losses.std() / 200**0.5
    assert abs(reconstruction - kl + losses.mean()) < 4 * error


def test_kl_needs_no_sampling_and_no_particular_batch(model, x):
    _, kl = mean_elbo_terms(model, x, seed=0)
    _, other = mean_elbo_terms(model, x, seed=1, samples=3, batch_size=7)
    assert kl == pytest.approx(other, abs=1e-5)


def test_bound_is_the_average_of_log_prob(model, x):
    average = model.log_prob(x, 5, torch.Generator().manual_seed(0)).mean().detach()
    assert mean_bound(model, x, 5, seed=0, batch_size=50) == pytest.approx(float(average), abs=1e-5)


def test_bound_repeats_for_a_seed(model, x):
    assert mean_bound(model, x, 5, seed=0) == mean_bound(model, x, 5, seed=0)
    assert mean_bound(model, x, 5, seed=0) != mean_bound(model, x, 5, seed=1)
