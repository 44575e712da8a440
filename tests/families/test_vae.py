"""Truths of the VAE, most of them on the linear-Gaussian model, where log p(x) is known.

There the integrand of the ELBO is quadratic in z, so that its expectation over the noise is exactly
its average over the 2d points ±√d e_i: what is said of expectations is tested without sampling.
"""

import math
from itertools import product

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence

from gencourse.families.linear_gaussian import LinearGaussian
from gencourse.families.vae import (
    VAE,
    BernoulliDecoder,
    Encoder,
    GaussianDecoder,
    elbo,
    elbo_terms,
    importance_weighted_bound,
    normal_log_prob,
)
from gencourse.nn import MLP

D, d, B = 6, 3, 5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def truth():
    return LinearGaussian.random(D, d, scale=0.7, generator=seeded())


@pytest.fixture
def x(truth):
    return truth.sample(B, seeded(1))


@pytest.fixture
def encoder():
    """Some linear encoder, far from the posterior."""
    network = nn.Linear(D, 2 * d, dtype=torch.float64)
    for parameter in network.parameters():
        parameter.data.normal_(0, 0.3, generator=seeded(2))
    return Encoder(network)


def orthogonal(scale=0.7):
    """A linear-Gaussian model whose posterior has a diagonal covariance."""
    columns = torch.linalg.qr(torch.randn(D, d, generator=seeded(), dtype=torch.float64)).Q
    lengths = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    return LinearGaussian(columns * lengths, torch.ones(D, dtype=torch.float64), scale)


def expected_elbo(x, encoder, decoder):
    """E over the noise of `elbo`, exact when log p(x|z) is quadratic in z."""
    points = math.sqrt(d) * torch.cat([torch.eye(d), -torch.eye(d)]).double()
    return torch.stack([elbo(x, encoder, decoder, p.expand(len(x), d)) for p in points]).mean(0)


def small_vae(decoder=None):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = decoder or BernoulliDecoder(MLP(d, 8, D))
        return VAE(Encoder(MLP(D, 8, 2 * d)), decoder, data_dim=D, latent_dim=d)


def images(n=B):
    return torch.bernoulli(torch.full((n, D), 0.5), generator=seeded(3))


def test_elbo_plus_gap_is_log_likelihood(truth, x, encoder):
    gap = truth.kl_to_posterior(x, *encoder(x))
    bound = expected_elbo(x, encoder, truth.decoder())
    assert (gap > 0.01).all()
    torch.testing.assert_close(bound + gap, truth.log_prob(x), rtol=0, atol=1e-10)


def test_elbo_is_tight_at_the_true_posterior():
    truth = orthogonal()
    x = truth.sample(B, seeded(1))
    bound = expected_elbo(x, truth.encoder(), truth.decoder())
    torch.testing.assert_close(bound, truth.log_prob(x), rtol=0, atol=1e-10)


def test_diagonal_encoder_cannot_close_the_gap_of_a_correlated_posterior(truth, x):
    precision = truth.precision()
    gap = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    bound = expected_elbo(x, truth.encoder(), truth.decoder())
    torch.testing.assert_close(truth.log_prob(x) - bound, gap.expand(B), rtol=0, atol=1e-10)


def test_gradient_of_the_elbo_vanishes_at_the_true_posterior_and_not_elsewhere(encoder):
    """The ELBO is concave in the mean and the log-variance, so that this point is its maximum."""
    truth = orthogonal()
    x = truth.sample(B, seeded(1))

    def steepness(encoder):
        bound = expected_elbo(x, encoder, truth.decoder()).mean()
        return max(g.abs().max() for g in torch.autograd.grad(bound, list(encoder.parameters())))

    assert steepness(truth.encoder()) < 1e-10
    assert steepness(encoder) > 1


def test_elbo_is_reconstruction_minus_kl(truth, x, encoder):
    noise = torch.randn(B, d, generator=seeded(), dtype=x.dtype)
    mean, log_var = encoder(x)
    z = mean + (log_var / 2).exp() * noise
    reconstruction, kl = elbo_terms(x, encoder, truth.decoder(), noise)
    q = Independent(Normal(mean, (log_var / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(kl, kl_divergence(q, prior))
    torch.testing.assert_close(reconstruction, truth.decoder().log_prob(x, z))
    torch.testing.assert_close(elbo(x, encoder, truth.decoder(), noise), reconstruction - kl)


def test_gradient_through_the_sample_is_the_gradient_of_the_expectation(truth, x, encoder):
    parameters = list(encoder.parameters())
    by_noise = torch.autograd.grad(expected_elbo(x, encoder, truth.decoder()).sum(), parameters)
    in_closed_form = torch.autograd.grad(truth.elbo(x, *encoder(x)).sum(), parameters)
    torch.testing.assert_close(by_noise, in_closed_form, rtol=1e-9, atol=1e-9)


def test_importance_weighted_bound_rises_with_k(truth, x, encoder):
    """Jensen's inequality, group by group: the bound of all samples is at least the average of
    the bounds of its parts, whatever the samples are. Their expectations inherit it."""
    noise = torch.randn(64, B, d, generator=seeded(), dtype=x.dtype)
    bounds = []
    for k in (1, 4, 16, 64):
        groups = [
            importance_weighted_bound(x, encoder, truth.decoder(), part) for part in noise.split(k)
        ]
        bounds.append(torch.stack(groups).mean(dim=0))
    rises = torch.stack(bounds).diff(dim=0)
    assert (rises > 0).all()


def test_importance_weighted_bound_tends_to_the_log_likelihood(truth, x):
    encoder = truth.encoder()
    errors = []
    for k in (10, 1000, 100_000):
        noise = torch.randn(k, B, d, generator=seeded(), dtype=x.dtype)
        bound = importance_weighted_bound(x, encoder, truth.decoder(), noise)
        errors.append((bound - truth.log_prob(x)).abs().max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_importance_weights_are_constant_at_the_true_posterior():
    truth = orthogonal()
    x = truth.sample(B, seeded(1))
    for k in (1, 7):
        noise = torch.randn(k, B, d, generator=seeded(), dtype=x.dtype)
        bound = importance_weighted_bound(x, truth.encoder(), truth.decoder(), noise)
        torch.testing.assert_close(bound, truth.log_prob(x), rtol=0, atol=1e-10)


def test_importance_weighted_bound_with_one_sample_is_an_elbo(truth, x, encoder):
    """Not sample by sample, because `elbo` has its KL in closed form, but in expectation."""
    noise = torch.randn(50_000, B, d, generator=seeded(), dtype=x.dtype)
    decoder = truth.decoder()
    with torch.no_grad():
        singles = torch.stack(
            [importance_weighted_bound(x[i : i + 1], encoder, decoder, noise[:1, i : i + 1])
             for i in range(B)]
        )  # fmt: skip
        mean, log_var = encoder(x)
        z = mean + (log_var / 2).exp() * noise
        weights = (
            decoder.log_prob(x, z)
            + normal_log_prob(z, torch.zeros_like(z), torch.zeros_like(z))
            - normal_log_prob(z, mean, log_var)
        )
    torch.testing.assert_close(singles[:, 0], weights[0])
    error = weights.std(dim=0) / math.sqrt(len(weights))
    assert ((weights.mean(dim=0) - truth.elbo(x, mean, log_var)).abs() < 4 * error).all()


def test_bernoulli_probabilities_of_all_images_sum_to_one():
    every_image = torch.tensor(list(product([0.0, 1.0], repeat=D)), dtype=torch.float64)
    decoder = BernoulliDecoder(nn.Linear(d, D, dtype=torch.float64))
    z = torch.randn(1, d, generator=seeded(), dtype=torch.float64)
    total = decoder.log_prob(every_image, z.expand(len(every_image), d)).logsumexp(dim=0)
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-12)


def test_gaussian_density_integrates_to_one():
    decoder = GaussianDecoder(nn.Linear(d, 2), scale=0.3).double()
    axis = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis)
    z = torch.randn(1, d, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        density = decoder.log_prob(plane, z.expand(len(plane), d)).exp()
    assert abs(density.sum() * 0.01**2 - 1) < 1e-9


@pytest.mark.parametrize("kind", [BernoulliDecoder, GaussianDecoder])
def test_log_prob_and_mean_agree_with_torch_distributions(kind):
    decoder = kind(MLP(d, 8, D))
    z, x = torch.randn(4, B, d, generator=seeded()), images()
    output = decoder.network(z)
    if kind is BernoulliDecoder:
        peer = Independent(Bernoulli(logits=output), 1)
    else:
        peer = Independent(Normal(output, decoder.log_scale.exp()), 1)
    torch.testing.assert_close(decoder.log_prob(x, z), peer.log_prob(x))
    torch.testing.assert_close(decoder.mean(z), peer.mean)


@pytest.mark.parametrize("kind", [BernoulliDecoder, GaussianDecoder])
def test_samples_have_the_decoders_mean(kind):
    decoder = kind(MLP(d, 8, D))
    z = torch.randn(1, d, generator=seeded()).expand(40_000, d)
    with torch.no_grad():
        draws = decoder.sample(z, seeded(1))
        error = draws.std(dim=0) / math.sqrt(len(draws))
        assert ((draws.mean(dim=0) - decoder.mean(z)[0]).abs() < 4 * error).all()


def test_log_prob_is_finite_for_a_confident_mistake():
    decoder = BernoulliDecoder(nn.Identity())
    logits = torch.tensor([[200.0, -200.0]])
    assert decoder.log_prob(torch.tensor([[0.0, 1.0]]), logits).item() == -400


def test_gaussian_scale_learns_the_noise_of_the_data():
    """At the optimum σ² is the mean square residual: the constant Kingma's loss leaves out."""
    decoder = GaussianDecoder(nn.Identity())
    x, z = 0.2 * torch.randn(500, D, generator=seeded()), torch.zeros(500, D)
    optimizer = torch.optim.LBFGS([decoder.log_scale], line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = -decoder.log_prob(x, z).mean()
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(decoder.log_scale.exp() ** 2, (x**2).mean())


def test_normal_log_prob_agrees_with_torch_distributions():
    z, mean, log_var = torch.randn(3, B, d, generator=seeded())
    peer = MultivariateNormal(mean, torch.diag_embed(log_var.exp())).log_prob(z)
    torch.testing.assert_close(normal_log_prob(z, mean, log_var), peer)


def test_loss_is_the_negative_mean_elbo():
    model, x = small_vae(), images()
    noise = torch.randn(B, d, generator=seeded())
    expected = -elbo(x, model.encoder, model.decoder, noise).mean()
    torch.testing.assert_close(model.loss(x, generator=seeded()), expected)


def test_log_prob_is_the_importance_weighted_bound():
    model, x = small_vae(), images()
    noise = torch.randn(16, B, d, generator=seeded())
    expected = importance_weighted_bound(x, model.encoder, model.decoder, noise)
    torch.testing.assert_close(model.log_prob(x, k=16, generator=seeded()), expected)
    assert model.likelihood == "bound"


def test_log_prob_stays_below_the_log_likelihood():
    """On average over the noise, and on six binary pixels, where p(x) can be summed up."""
    model = small_vae()
    every_image = torch.tensor(list(product([0.0, 1.0], repeat=D)))
    z = torch.randn(20_000, 1, d, generator=seeded()).expand(-1, 64, -1)
    with torch.no_grad():
        log_p = model.decoder.log_prob(every_image, z).logsumexp(dim=0) - math.log(len(z))
        bounds = torch.stack(
            [model.log_prob(every_image, k=4, generator=seeded(i)) for i in range(200)]
        )
    assert abs(log_p.logsumexp(dim=0)) < 1e-4  # probabilities of all images
    assert (bounds.mean(dim=0) < log_p + 4 * bounds.std(dim=0) / math.sqrt(200)).all()


@pytest.mark.parametrize("kind", [BernoulliDecoder, GaussianDecoder])
def test_samples_depend_on_the_generator_alone(kind):
    model = small_vae(kind(MLP(d, 8, D)))
    draws = model.sample(7, generator=seeded())
    assert draws.shape == (7, D)
    assert not draws.requires_grad
    assert torch.equal(draws, model.sample(7, generator=seeded()))
    assert not torch.equal(draws, model.sample(7, generator=seeded(1)))
    if kind is BernoulliDecoder:
        assert set(draws.unique().tolist()) <= {0.0, 1.0}


def test_interpolation_begins_and_ends_at_the_reconstructions():
    model, x = small_vae(), images(4)
    path = model.interpolate(x[:2], x[2:], steps=5)
    assert path.shape == (5, 2, D)
    torch.testing.assert_close(path[0], model.reconstruct(x[:2]))
    torch.testing.assert_close(path[-1], model.reconstruct(x[2:]))


def test_works_in_double_precision():
    model = small_vae().double()
    assert model.loss(images().double(), generator=seeded()).dtype == torch.float64
    assert model.sample(2, generator=seeded()).dtype == torch.float64


BAD_BATCHES = {
    "square images": (torch.zeros(B, 2, 3), ValueError, r"\(B, 6\); got \(5, 2, 3\).*flatten"),
    "one row": (torch.zeros(D), ValueError, r"x\[None\]"),
    "other size": (torch.zeros(B, D + 1), ValueError, r"got \(5, 7\)"),
    "empty": (torch.zeros(0, D), ValueError, "empty"),
    "bytes": (torch.zeros(B, D, dtype=torch.uint8), TypeError, "uint8.*binarize"),
    "0 to 255": (torch.full((B, D), 255.0), ValueError, "values from 255 to 255.*binarize"),
    "grey": (torch.full((B, D), 0.5), ValueError, "0 or 1.*grey"),
    "not a number": (torch.full((B, D), math.nan), ValueError, "30 values that are NaN"),
}


@pytest.mark.parametrize(("batch", "error", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES)
@pytest.mark.parametrize("method", ["loss", "log_prob", "encode", "reconstruct"])
def test_bad_batch_is_refused_with_its_likely_cause(method, batch, error, message):
    with pytest.raises(error, match=message):
        getattr(small_vae(), method)(batch)


def test_gaussian_decoder_takes_any_real_data():
    model = small_vae(GaussianDecoder(MLP(d, 8, D)))
    assert model.loss(torch.full((B, D), 255.0), generator=seeded()).isfinite()


def test_scale_that_is_no_standard_deviation_is_refused():
    with pytest.raises(ValueError, match="above 0; got 0"):
        GaussianDecoder(MLP(d, 8, D), scale=0)


def test_condition_is_refused_because_the_model_has_none():
    with pytest.raises(ValueError, match="never saw a label"):
        small_vae().loss(images(), condition=torch.zeros(B))
    with pytest.raises(ValueError, match="Got a condition of type int"):
        small_vae().sample(3, condition=7)


def test_no_samples_average_to_no_bound():
    with pytest.raises(ValueError, match="k = 0"):
        small_vae().log_prob(images(), k=0)
