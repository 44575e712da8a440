"""Truths of the errors of a chain's conditionals."""

import torch

from gencourse.evaluation.prefixes import conditional_kl, every_image

D = 5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_distribution(seed):
    return torch.randn(2**D, generator=seeded(seed), dtype=torch.float64).softmax(dim=0)


def conditionals(q):
    """q(x_k = 1 | x_<k) of every image, (2^D, D), by summing over all that agree before k."""
    images = every_image(D)
    ink = torch.zeros(2**D, D, dtype=torch.float64)
    for n, image in enumerate(images):
        for k in range(D):
            agree = (images[:, :k] == image[:k]).all(dim=1)
            ink[n, k] = q[agree & (images[:, k] == 1)].sum() / q[agree].sum()
    return ink


def test_every_image_is_there_once():
    images = every_image(D)
    assert images.shape == (2**D, D)
    assert len(images.unique(dim=0)) == 2**D


def test_on_the_datas_prefixes_the_errors_add_up_to_the_divergence():
    p, q = some_distribution(1), some_distribution(2)
    errors = conditional_kl(p, conditionals(q), prefixes=p)
    assert torch.allclose(errors.sum(), (p * (p / q).log()).sum())
    assert (errors >= 0).all()


def test_the_right_conditionals_have_no_error_whatever_the_prefixes():
    p = some_distribution(1)
    errors = conditional_kl(p, conditionals(p), prefixes=some_distribution(3))
    assert errors.abs().max() < 1e-12


def test_prefixes_matter_from_the_second_value_on():
    p, q = some_distribution(1), some_distribution(2)
    ink = conditionals(q)
    own, data = conditional_kl(p, ink, prefixes=q), conditional_kl(p, ink, prefixes=p)
    assert torch.allclose(own[0], data[0])
    assert not torch.allclose(own[1:], data[1:])
