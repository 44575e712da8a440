"""What tames the game: norms of one, a deviation that gives collapse away, a penalty that damps."""

import math

import pytest
import torch
from torch import nn

from gencourse.families.dirac_gan import eigenvalues, path, velocity
from gencourse.families.gan import GAN
from gencourse.nn.adversarial import ImageGenerator, MinibatchDeviation, spectrally_normalised


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def settle(network, x, passes=100):
    """Power iteration takes one step at each forward pass."""
    for _ in range(passes):
        network(x)
    return network.eval()


@pytest.mark.parametrize(("fan_in", "fan_out"), [(3, 7), (8, 8), (9, 2)])
def test_one_spectrally_normalised_layer_has_norm_one(fan_in, fan_out):
    layer = spectrally_normalised(nn.Linear(fan_in, fan_out))
    settle(layer, torch.randn(4, fan_in, generator=seeded()))
    assert torch.linalg.matrix_norm(layer.weight, ord=2).item() == pytest.approx(1, abs=1e-4)


def test_convolution_is_normalised_as_a_matrix_with_a_row_for_each_channel():
    layer = spectrally_normalised(nn.Conv2d(2, 5, kernel_size=3))
    settle(layer, torch.randn(1, 2, 6, 6, generator=seeded()))
    norm = torch.linalg.matrix_norm(layer.weight.flatten(start_dim=1), ord=2)
    assert norm.item() == pytest.approx(1, abs=1e-4)


def test_spectrally_normalised_network_stretches_nothing():
    """ReLU has slope at most 1, so the critic's numbers differ no more than its points do."""
    network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(),
                            nn.Linear(16, 1))  # fmt: skip
    for layer in network.parameters():
        layer.data.mul_(5)
    x, y = torch.randn(2, 500, 4, generator=seeded())
    before = ((network(x) - network(y)).abs() / (x - y).norm(dim=1, keepdim=True)).max()
    settle(spectrally_normalised(network), x)
    after = ((network(x) - network(y)).abs() / (x - y).norm(dim=1, keepdim=True)).max()
    assert before > 1
    assert after <= 1 + 1e-4


def test_deviation_is_zero_for_a_collapsed_batch_and_the_data_s_for_another():
    spread = torch.randn(1000, 5, generator=seeded()) * 2
    varied, collapsed = MinibatchDeviation()(spread), MinibatchDeviation()(spread[:1].expand(9, 5))
    assert torch.equal(varied[:, :5], spread)
    assert varied[0, 5].item() == pytest.approx(2, abs=0.1)
    assert collapsed[:, 5].max() < 1e-3
    assert (varied[:, 5] == varied[0, 5]).all()


def test_deviation_can_be_differentiated_at_a_collapse():
    x = torch.zeros(4, 3, requires_grad=True)
    MinibatchDeviation()(x).sum().backward()
    assert x.grad.isfinite().all()


def test_image_generator_draws_grey_images():
    images = ImageGenerator(8, (4, 4)).eval()(torch.randn(3, 8, generator=seeded()))
    assert images.shape == (3, 784)
    assert ((images > 0) & (images < 1)).all()


def game_of_two_numbers(theta, psi, **settings):
    """The Dirac-GAN as a `GAN` of two one-weight networks: G(z) = θ, C(x) = ψ x."""

    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

        def forward(self, z):
            return self.theta.expand(len(z), 1)

    critic = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    critic.weight.data.fill_(psi)
    return GAN(Point(), critic, data_dim=1, latent_dim=1, **settings)


@pytest.mark.parametrize("r1_weight", [0.0, 0.3, 2.0])
def test_velocity_is_the_gradient_of_the_players_losses(r1_weight):
    """The two formulas are what the package's own minimax game does to its two weights."""
    model = game_of_two_numbers(0.7, -1.3, objective="minimax", r1_weight=r1_weight)
    data = torch.zeros(1, 1, dtype=torch.float64)
    critic, generator = model.players()
    (down_psi,) = torch.autograd.grad(critic.loss(data), critic.parameters)
    (down_theta,) = torch.autograd.grad(generator.loss(data), generator.parameters)
    expected = velocity(torch.tensor([0.7, -1.3], dtype=torch.float64), r1_weight)
    torch.testing.assert_close(torch.stack([-down_theta, -down_psi.squeeze()]), expected)


@pytest.mark.parametrize("r1_weight", [0.0, 0.5, 1.0, 3.0])
def test_eigenvalues_are_those_of_the_linearised_game(r1_weight):
    jacobian = torch.func.jacrev(velocity)(torch.zeros(2, dtype=torch.float64), r1_weight)
    found = torch.linalg.eigvals(jacobian)
    expected = eigenvalues(r1_weight)
    gap = (found[:, None] - expected[None]).abs().min(dim=1).values
    assert gap.max() < 1e-7
    if r1_weight == 0:
        assert (expected.real == 0).all()
    else:
        assert (expected.real < 0).all()


def test_the_game_without_a_penalty_keeps_its_distance_and_steps_increase_it():
    states = torch.randn(50, 2, generator=seeded(), dtype=torch.float64)
    assert (states * velocity(states)).sum(dim=1).abs().max() < 1e-15
    distance = path((1.0, 0.0), rate=0.2, steps=200).norm(dim=1)
    assert (distance.diff() > 0).all()


def test_the_penalty_brings_the_game_to_rest():
    for alternating in (False, True):
        distance = path((1.0, 0.0), 0.2, 200, r1_weight=0.5, alternating=alternating).norm(dim=1)
        assert distance[-1] < 1e-3
    rate = -eigenvalues(0.5).real.max().item()
    fine = path((1e-3, 0.0), rate=0.01, steps=4000, r1_weight=0.5).norm(dim=1)
    assert math.log(fine[0] / fine[-1]) / 40 == pytest.approx(rate, rel=0.1)
