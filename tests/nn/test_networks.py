"""Networks keep the shapes they promise, and treat every row alike."""

import pytest
import torch
from torch import nn

from gencourse.nn import MLP, ConvDecoder, ConvEncoder

NETWORKS = {
    "MLP": (MLP(5, 7, 3), 5, 3),
    "ConvEncoder": (ConvEncoder(channels=(2, 3), hidden=8, out=6), 784, 6),
    "ConvDecoder": (ConvDecoder(latent_dim=4, hidden=8, channels=(2, 3)), 4, 784),
}
every_network = pytest.mark.parametrize(
    ("network", "fan_in", "fan_out"), NETWORKS.values(), ids=NETWORKS
)


@every_network
def test_leading_dimensions_are_carried_through(network, fan_in, fan_out):
    x = torch.randn(2, 3, fan_in, generator=torch.Generator().manual_seed(0))
    y = network(x)
    assert y.shape == (2, 3, fan_out)
    rows = torch.stack([network(row[None])[0] for row in x.flatten(end_dim=1)])
    torch.testing.assert_close(y.flatten(end_dim=1), rows, rtol=1e-4, atol=1e-6)


@every_network
def test_every_parameter_is_used(network, fan_in, fan_out):
    x = torch.randn(4, fan_in, generator=torch.Generator().manual_seed(0))
    network.zero_grad()
    network(x).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_mlp_of_two_sizes_is_linear():
    network = MLP(5, 3)
    assert [type(layer) for layer in network] == [nn.Linear]


def test_mlp_ends_without_an_activation():
    assert [type(layer) for layer in MLP(5, 7, 3)] == [nn.Linear, nn.SiLU, nn.Linear]


def test_mlp_of_one_size_is_refused():
    with pytest.raises(ValueError, match="at least an input and an output"):
        MLP(5)
