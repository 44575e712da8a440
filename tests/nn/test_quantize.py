"""Truths of the vector quantiser: nearest code, straight-through gradient, two one-sided pulls."""

import pytest
import torch

from gencourse.nn import VectorQuantizer


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def quantizer():
    quantizer = VectorQuantizer(codes=8, dim=3, commitment=0.25)
    quantizer.codebook.data = torch.randn(8, 3, generator=seeded())
    return quantizer


@pytest.fixture
def z():
    return torch.randn(4, 5, 3, generator=seeded(1)).requires_grad_()


def test_every_vector_becomes_its_nearest_code(quantizer, z):
    quantized, codes, _ = quantizer(z)
    distances = ((z[..., None, :] - quantizer.codebook) ** 2).sum(dim=-1)
    assert codes.shape == (4, 5)
    assert torch.equal(codes, distances.argmin(dim=-1))
    torch.testing.assert_close(quantized, quantizer.codebook[codes])


def test_codes_quantise_to_themselves_at_no_loss(quantizer):
    quantized, codes, loss = quantizer(quantizer.codebook.detach())
    assert torch.equal(codes, torch.arange(8))
    torch.testing.assert_close(quantized, quantizer.codebook)
    assert loss == 0


def test_gradient_passes_straight_through(quantizer, z):
    quantized, _, _ = quantizer(z)
    upstream = torch.randn(quantized.shape, generator=seeded(2))
    (gradient,) = torch.autograd.grad((quantized * upstream).sum(), z)
    assert torch.equal(gradient, upstream)


def test_reconstruction_does_not_move_the_codebook(quantizer, z):
    quantized, _, _ = quantizer(z)
    (gradient,) = torch.autograd.grad(quantized.sum(), quantizer.codebook, allow_unused=True)
    assert gradient is None or not gradient.any()


def test_loss_pulls_codes_fully_and_vectors_by_the_commitment(quantizer, z):
    _, codes, loss = quantizer(z)
    by_z, by_code = torch.autograd.grad(loss, (z, quantizer.codebook))
    residual = (z - quantizer.codebook[codes]).detach() * 2 / codes.numel()
    torch.testing.assert_close(by_z, 0.25 * residual)
    expected = torch.zeros(8, 3).index_add(0, codes.flatten(), -residual.flatten(end_dim=1))
    torch.testing.assert_close(by_code, expected)


def test_unused_codes_get_no_gradient(quantizer, z):
    _, codes, loss = quantizer(z)
    (gradient,) = torch.autograd.grad(loss, quantizer.codebook)
    unused = torch.tensor([k not in codes for k in range(8)])
    assert unused.any()
    assert not gradient[unused].any()


def test_minimising_the_loss_over_codes_is_k_means(quantizer, z):
    """At a stationary codebook every code in use is the mean of the vectors it stands for."""
    vectors = z.detach().flatten(end_dim=1)
    for _ in range(500):
        _, codes, loss = quantizer(vectors)
        (gradient,) = torch.autograd.grad(loss, quantizer.codebook)
        quantizer.codebook.data -= 1.0 * gradient
    for k in codes.unique():
        mean = vectors[codes == k].mean(dim=0)
        torch.testing.assert_close(quantizer.codebook[k].detach(), mean, rtol=0, atol=1e-4)
