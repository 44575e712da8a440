"""Truths of masks: who sees whom."""

import pytest
import torch

from gencourse.nn.masked import MaskedLinear, MaskedMLP, as_ordering, hidden_degrees


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def depends(network, features):
    """Which output group depends on which input, (D, D), by the Jacobian at a random point."""
    x = torch.randn(features, generator=seeded(), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(network.double(), x)
    return (jacobian != 0).any(dim=1)


@pytest.mark.parametrize("features", [1, 2, 7])
@pytest.mark.parametrize("hidden", [(16,), (3, 40), (9, 9, 9)])
def test_an_output_sees_earlier_inputs_and_no_others(features, hidden):
    order = torch.randperm(features, generator=seeded(1))
    network = MaskedMLP(features, hidden, 2, order)
    earlier = network.rank[None, :] < network.rank[:, None]
    assert not (depends(network, features) & ~earlier).any()


@pytest.mark.parametrize("hidden", [(16,), (16, 40), (6, 6)])
def test_with_units_enough_an_output_sees_every_earlier_input(hidden):
    order = torch.randperm(7, generator=seeded(2))
    network = MaskedMLP(7, hidden, 3, order)
    assert depends(network, 7).equal(network.rank[None, :] < network.rank[:, None])


def test_degrees_cover_every_limit_once_there_are_units_enough():
    for features in (2, 5, 9):
        for width in (features - 1, 3 * features + 1):
            degrees = hidden_degrees(width, features)
            assert degrees.unique().equal(torch.arange(1, features))
            counts = degrees.bincount()[1:]
            assert counts.max() - counts.min() <= 1


def test_few_units_are_spread_over_the_whole_ordering():
    degrees = hidden_degrees(4, features=101)
    assert degrees.equal(torch.tensor([1, 26, 51, 76]))


def test_order_and_rank_are_inverse_permutations():
    network = MaskedMLP(6, (8,), 1, [3, 1, 5, 0, 2, 4])
    assert network.order[network.rank].equal(torch.arange(6))
    assert network.order.tolist() == [3, 1, 5, 0, 2, 4]


def test_leading_dimensions_are_carried_through():
    network = MaskedMLP(3, (8,), 5)
    assert network(torch.zeros(2, 4, 3)).shape == (2, 4, 3, 5)


def test_a_masked_weight_never_learns():
    layer = MaskedLinear(torch.tensor([[True, False], [True, True]]))
    layer(torch.ones(4, 2)).sum().backward()
    assert layer.weight.grad[0, 1] == 0
    assert (layer.weight.grad[layer.mask == 1] != 0).all()


def test_masks_are_not_stored():
    assert not [key for key in MaskedMLP(3, (4,), 1).state_dict() if "mask" in key or "rank" in key]


@pytest.mark.parametrize("order", [[0, 1, 1], [0, 1], [1, 2, 3], [0, 1, 2, 3]])
def test_what_is_no_permutation_is_refused(order):
    with pytest.raises(ValueError, match=r"each of 0, \.\.\., 2 once; got"):
        as_ordering(order, 3)


def test_a_long_ordering_is_not_printed_whole():
    with pytest.raises(ValueError, match="784 values") as error:
        as_ordering([0] * 784, 784)
    assert len(str(error.value)) < 300


def test_hidden_layers_need_units():
    with pytest.raises(ValueError, match="one unit or more"):
        MaskedMLP(3, (), 1)
    with pytest.raises(ValueError, match="one unit or more"):
        MaskedMLP(3, (8, 0), 1)
