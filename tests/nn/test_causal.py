"""Truths of the causal networks: what a position sees, and that a cache changes nothing."""

import pytest
import torch
from torch import nn

from gencourse.nn import CausalTransformer, GatedCausalConv
from gencourse.nn.gated_conv import gate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randomised(network, seed=0):
    """Every weight and bias random, so that no path is closed by a zero."""
    generator = seeded(seed)
    for parameter in network.parameters():
        parameter.data.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return network.double().eval()


def conv(size=(5, 6), dilations=(1, 2)):
    return randomised(GatedCausalConv(2, 5, 3, size, dilations))


def test_a_position_sees_every_earlier_one_within_reach_and_no_other():
    network = conv()
    x = torch.randn(1, 2, 5, 6, generator=seeded(1), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x)[0].flatten(1).sum(0), x)
    sees = (jacobian != 0).any(dim=2)[:, 0].flatten(1)
    # The reach, 3 + 1 + 2 rows up and 2 + 1 + 2 columns to the side, is the whole image here but
    # for the far corner of a wide row.
    rows, columns = torch.arange(30) // 6, torch.arange(30) % 6
    within = ((columns[:, None] - columns).abs() <= 5) | (rows[:, None] == rows)
    earlier = torch.ones(30, 30, dtype=torch.bool).tril(-1)
    assert sees.equal(earlier & within)


def test_there_is_no_blind_spot():
    """Plain masked kernels of three columns miss the pixel two to the right in the row above."""
    network = conv(size=(2, 5), dilations=(1,))
    x = torch.randn(1, 2, 2, 5, generator=seeded(2), dtype=torch.float64).requires_grad_()
    network(x)[..., 1, 2].sum().backward()
    assert (x.grad[0, :, 0] != 0).all()


def test_the_gate_is_a_product():
    x = torch.randn(2, 6, 3, generator=seeded())
    assert torch.allclose(gate(x), x[:, :3].tanh() * x[:, 3:].sigmoid())


@pytest.mark.parametrize("dilations", [(1,), (1, 2, 1), (3,)])
def test_convolutions_position_by_position_are_the_convolutions(dilations):
    network = conv(dilations=dilations)
    x = torch.randn(3, 2, 5, 6, generator=seeded(3), dtype=torch.float64)
    cache = network.start(3)
    with torch.no_grad():
        stepwise = torch.stack([network.at(x, position, cache) for position in range(30)], dim=2)
        assert torch.allclose(stepwise, network(x).flatten(2), atol=1e-12, rtol=0)


def test_nothing_later_is_read_by_a_step():
    network = conv()
    x = torch.randn(1, 2, 5, 6, generator=seeded(4), dtype=torch.float64)
    cache, blind = network.start(1), network.start(1)
    later = torch.arange(30).view(5, 6)
    with torch.no_grad():
        for position in range(30):
            spoilt = torch.where(later >= position, float("nan"), x)
            assert network.at(spoilt, position, blind).equal(network.at(x, position, cache))


def transformer(length=7):
    return randomised(CausalTransformer(length, codes=5, width=8, heads=2, layers=2))


def test_attention_looks_back_and_never_ahead():
    network = transformer()
    codes = torch.randint(5, (1, 7), generator=seeded())
    with torch.no_grad():
        before = network(codes)
        for t in range(7):
            changed = codes.clone()
            changed[0, t] = (changed[0, t] + 1) % 5
            moved = (network(changed) != before).any(dim=2)[0]
            assert moved.tolist() == [s > t for s in range(7)]


def test_attention_with_cached_keys_and_values_is_attention():
    network = transformer()
    codes = torch.randint(5, (3, 7), generator=seeded(1))
    cache = network.start(3)
    with torch.no_grad():
        stepwise = torch.stack([network.at(codes, t, cache) for t in range(7)], dim=1)
        assert torch.allclose(stepwise, network(codes), atol=1e-12, rtol=0)


def test_causal_attention_is_pytorchs_masked_encoder_layer():
    """Parity with nn.TransformerEncoderLayer, pre-norm, under the usual upper-triangular mask."""
    block = randomised(CausalTransformer(6, 3, width=8, heads=2, layers=1)).blocks[0]
    peer = nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    with torch.no_grad():
        peer.self_attn.in_proj_weight.copy_(block.query_key_value.weight)
        peer.self_attn.in_proj_bias.copy_(block.query_key_value.bias)
        peer.self_attn.out_proj.load_state_dict(block.attention_out.state_dict())
        peer.norm1.load_state_dict(block.attention_norm.state_dict())
        peer.norm2.load_state_dict(block.mlp[0].state_dict())
        peer.linear1.load_state_dict(block.mlp[1].state_dict())
        peer.linear2.load_state_dict(block.mlp[3].state_dict())
        h = torch.randn(2, 6, 8, generator=seeded(), dtype=torch.float64)
        mask = nn.Transformer.generate_square_subsequent_mask(6, dtype=torch.float64)
        assert torch.allclose(block(h), peer(h, src_mask=mask), atol=1e-12)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="3 heads do not divide 8"):
        CausalTransformer(4, 2, width=8, heads=3, layers=1)
