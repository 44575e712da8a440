"""Truths of autoregressive models, on images so small that all of them can be listed."""

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.nn.functional import cross_entropy

from gencourse.evaluation.quadrature import grid
from gencourse.families.autoregressive import (
    MADE,
    Autoregressive,
    CellModel,
    MixtureMADE,
    PixelCNN,
    PixelTransformer,
    bit_logits,
)
from gencourse.families.order_agnostic import OrderAgnostic, draw_orderings
from gencourse.kernels import logistic_mixture_nll
from gencourse.nn import CausalTransformer, GatedCausalConv, MaskedMLP, ResidualConv


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randomised(model, seed=0, scale=0.5):
    """Every weight and bias random, so that no path is closed by a zero."""
    generator = seeded(seed)
    for parameter in model.parameters():
        parameter.data.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return model.double().eval()


SHUFFLED = torch.randperm(9, generator=seeded(5))

BUILD = {
    "MADE": lambda: MADE(MaskedMLP(9, (24, 24), 1)),
    "MADE, shuffled": lambda: MADE(MaskedMLP(9, (24, 24), 1, SHUFFLED)),
    "PixelCNN": lambda: PixelCNN(GatedCausalConv(1, 6, 2, (3, 3), (1, 2))),
    "PixelCNN, cells": lambda: PixelCNN(GatedCausalConv(4, 6, 16, (2, 1), (1,)), block=2),
    "transformer": lambda: PixelTransformer(CausalTransformer(9, 2, 8, 2, 2), (3, 3)),
    "transformer, cells": lambda: PixelTransformer(
        CausalTransformer(2, 16, 8, 2, 2), (1, 2), block=2
    ),
}
CELLS = [name for name in BUILD if "MADE" not in name]


@pytest.fixture(params=BUILD)
def model(request):
    return randomised(BUILD[request.param]())


@pytest.fixture(params=CELLS)
def cell_model(request):
    return randomised(BUILD[request.param]())


def every_image(pixels):
    """All 2^D binary images, (2^D, D)."""
    return ((torch.arange(2**pixels)[:, None] >> torch.arange(pixels)) & 1).double()


def test_probabilities_of_all_images_sum_to_one(model):
    total = model.log_prob(every_image(len(model.order))).exp().sum()
    assert abs(total.item() - 1) < 1e-12


def test_a_mask_that_leaks_makes_no_distribution():
    """The same test, failing where it should: a network that sees the pixel it predicts."""
    network = MaskedMLP(9, (24,), 1)
    for layer in (network.network[0], network.network[2]):
        layer.mask.fill_(1)
    leaking = randomised(MADE(network))
    assert abs(leaking.log_prob(every_image(9)).exp().sum().item() - 1) > 0.1


def test_a_pixel_moves_no_conditional_up_to_its_own(model):
    images = every_image(len(model.order))
    x = images[37 % len(images)].expand(len(model.order), -1)
    # Row k is the same image with the k-th pixel of the ordering turned over.
    turned = x.clone()
    turned[torch.arange(len(model.order)), model.order] = (
        1 - turned[torch.arange(len(model.order)), model.order]
    )
    with torch.no_grad():
        moved = (model.logits(turned) - model.logits(x)).abs()[:, model.order] > 1e-12
    assert not moved.tril().any()
    assert moved[:-1, -1].all(), "the last conditional should see every other pixel"


def test_likelihood_is_the_sum_of_the_conditionals_shown(model):
    x = every_image(len(model.order))[:50]
    assert torch.allclose(model.log_prob(x), model.conditional_log_probs(x).sum(dim=1))
    assert torch.allclose(model.loss(x), -model.log_prob(x).mean())
    ink = torch.sigmoid(model.logits(x))
    assert torch.allclose(
        model.conditional_log_probs(x), torch.where(x == 1, ink, 1 - ink).log(), atol=1e-10
    )


def test_samples_come_as_often_as_the_likelihood_says(model):
    """Frequencies of the images of four pixels against their probabilities, by a chi-square."""
    n = 1000
    x = model.sample(n, generator=seeded(1))
    assert x.shape == (n, len(model.order))
    first = model.order[:4]
    images = every_image(len(model.order))
    probability = model.log_prob(images).exp()
    code = (2 ** torch.arange(4)).double()
    expected = torch.zeros(16, dtype=torch.float64)
    expected.index_add_(0, (images[:, first] @ code).long(), probability.detach())
    observed = (x[:, first] @ code).long().bincount(minlength=16)
    usual = expected * n > 5
    squares = (observed - n * expected) ** 2 / (n * expected)
    # Beyond this in one of ten thousand draws, with at most 15 degrees of freedom.
    assert squares[usual].sum() < 45


def test_the_cache_changes_no_sample(cell_model):
    with_cache = cell_model.sample(50, generator=seeded(2))
    without = cell_model.sample(50, generator=seeded(2), cached=False)
    assert with_cache.equal(without)
    assert 0 < with_cache.mean() < 1


def test_the_cache_changes_no_table(cell_model):
    bits = cell_model.bits(every_image(len(cell_model.order))[:64])
    cache = cell_model.start(64)
    with torch.no_grad():
        cells = range(cell_model.cells[0] * cell_model.cells[1])
        stepwise = torch.stack([cell_model.table_at(bits, c, cache) for c in cells], dim=2)
        whole = cell_model.tables(bits).flatten(2)
    assert torch.allclose(stepwise, whole, atol=1e-12, rtol=0)


def test_pixel_by_pixel_from_whole_passes_gives_the_same_samples(cell_model):
    """`Autoregressive.sample` knows no cells and no cache: D passes, one for each pixel."""
    plain = Autoregressive.sample(cell_model, 40, generator=seeded(3))
    assert plain.equal(cell_model.sample(40, generator=seeded(3)))


def test_cells_are_read_cell_by_cell_and_pixel_by_pixel():
    order = PixelCNN(GatedCausalConv(4, 4, 16, (2, 2), (1,)), block=2).order
    assert order.tolist() == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]


def test_the_bits_of_a_code_share_its_probability():
    """Σ_j log p(bit j | bits before) = log softmax at the code; the first bit is the highest."""
    tables = torch.randn(16, 16, generator=seeded(), dtype=torch.float64)
    codes = torch.arange(16)
    bits = ((codes[:, None] >> torch.arange(3, -1, -1)) & 1).double()
    logits = bit_logits(tables, bits)
    log_prob = torch.where(bits == 1, logits, -logits).sigmoid().log().sum(dim=1)
    assert torch.allclose(log_prob, -cross_entropy(tables, codes, reduction="none"))


def test_made_is_an_order_of_its_own_for_each_ordering():
    weights = MaskedMLP(9, (24, 24), 1).state_dict()
    values = []
    for order in (None, SHUFFLED):
        network = MaskedMLP(9, (24, 24), 1, order)
        network.load_state_dict(weights)
        values.append(MADE(network).log_prob(every_image(9).float()))
    assert not torch.allclose(*values)


@pytest.mark.parametrize("scale", [1e-4, 0.05, 3.0])
def test_grey_levels_share_all_probability(scale):
    """However narrow, broad or far outside the components lie, the 256 levels sum to 1."""
    x = torch.arange(256, dtype=torch.float64)
    logits = torch.tensor([0.3, -0.2, 1.0]).double().expand(256, -1)
    means = torch.tensor([-1.4, 0.1, 0.9]).double().expand(256, -1)
    nll = logistic_mixture_nll(x, logits, means, torch.full_like(means, scale).log())
    assert abs(torch.exp(-nll).sum().item() - 1) < 1e-9


def test_lower_precision_is_for_training_only():
    network = GatedCausalConv(1, 6, 2, (3, 3), (1,))
    model = PixelCNN(network, training_dtype=torch.bfloat16)
    plain = PixelCNN(network)
    x = every_image(9).float()
    assert model.eval().log_prob(x).equal(plain.log_prob(x))
    coarse = model.train().loss(x)
    assert coarse.dtype == torch.float32
    assert coarse != plain.loss(x)
    assert torch.allclose(coarse, plain.loss(x), rtol=0.02)


class TestMixtureMADE:
    @pytest.fixture
    def mixture(self):
        return randomised(
            MixtureMADE(MaskedMLP(2, (16, 16), 3 * 4, order=[1, 0])), seed=3, scale=0.2
        )

    def test_density_integrates_to_one(self, mixture):
        with torch.no_grad():
            density = mixture.log_prob(grid(2, extent=20.0, points=400)).exp()
        assert abs(float(density.sum()) * (40 / 400) ** 2 - 1) < 1e-3

    def test_conditionals_are_mixtures_of_gaussians(self, mixture):
        x = torch.randn(7, 2, generator=seeded(), dtype=torch.float64)
        log_weights, means, log_scales = mixture.mixtures(x)
        peer = MixtureSameFamily(Categorical(logits=log_weights), Normal(means, log_scales.exp()))
        assert torch.allclose(mixture.conditional_log_probs(x), peer.log_prob(x))

    def test_first_in_the_ordering_depends_on_nothing(self, mixture):
        x = torch.randn(7, 2, generator=seeded(), dtype=torch.float64)
        first = mixture.mixtures(x)[1][:, 1]
        assert first.equal(first[:1].expand_as(first))

    def test_samples_have_the_moments_of_the_density(self, mixture):
        x = mixture.sample(20_000, generator=seeded(1))
        points = grid(2, extent=20.0, points=400)
        with torch.no_grad():
            weight = mixture.log_prob(points).exp()
        mean = (weight[:, None] * points).sum(0) / weight.sum()
        spread = (weight[:, None] * (points - mean) ** 2).sum(0) / weight.sum()
        assert torch.allclose(x.mean(0), mean, atol=5 * float(spread.max() / 20_000) ** 0.5)
        assert torch.allclose(x.var(0), spread, rtol=0.1)

    def test_a_mixture_takes_three_numbers_a_component(self):
        with pytest.raises(ValueError, match=r"3M numbers.*out_per_feature = 4"):
            MixtureMADE(MaskedMLP(2, (8,), 4))

    def test_refuses_what_is_no_batch_of_points(self, mixture):
        with pytest.raises(ValueError, match=r"batch of shape \(B, 2\); got \(2,\)"):
            mixture.log_prob(torch.zeros(2, dtype=torch.float64))
        with pytest.raises(ValueError, match="NaN"):
            mixture.loss(torch.full((1, 2), float("nan"), dtype=torch.float64))
        with pytest.raises(ValueError, match="never saw a label"):
            mixture.sample(2, condition=torch.zeros(2))


class TestBadInput:
    def test_grey_levels(self, model):
        x = torch.full((2, len(model.order)), 0.5, dtype=torch.float64)
        with pytest.raises(ValueError, match=r"0 or 1; got values from 0\.5 to 0\.5.*binarize"):
            model.loss(x)

    def test_bytes(self, model):
        with pytest.raises(TypeError, match="floating-point"):
            model.log_prob(torch.zeros(2, len(model.order), dtype=torch.uint8))

    def test_images_that_are_not_flat(self):
        made = MADE(MaskedMLP(9, (8,), 1))
        with pytest.raises(ValueError, match=r"\(B, 9\); got \(2, 3, 3\).*flatten"):
            made.log_prob(torch.zeros(2, 3, 3))

    def test_nothing_at_all(self, model):
        with pytest.raises(ValueError, match="empty"):
            model.loss(torch.zeros(0, len(model.order), dtype=torch.float64))

    def test_not_a_number(self, model):
        x = torch.full((1, len(model.order)), float("nan"), dtype=torch.float64)
        with pytest.raises(ValueError, match="NaN"):
            model.log_prob(x)

    def test_a_condition(self, model):
        with pytest.raises(ValueError, match="never saw a label"):
            model.sample(1, condition=torch.zeros(1))
        with pytest.raises(ValueError, match="never saw a label"):
            model.loss(torch.zeros(1, len(model.order)).double(), condition=torch.zeros(1))

    def test_an_ordering_that_is_no_permutation(self):
        with pytest.raises(ValueError, match="each of 0"):
            MADE(MaskedMLP(3, (8,), 1, order=[0, 1, 1]))

    def test_a_cell_of_too_many_pixels(self):
        with pytest.raises(ValueError, match=r"2\^16 codes"):
            CellModel((2, 2), block=4)

    def test_a_transformer_of_another_length(self):
        with pytest.raises(ValueError, match="sequence of 6 codes; the network was built for 5"):
            PixelTransformer(CausalTransformer(5, 2, 4, 1, 1), cells=(2, 3))


class TestOrderAgnostic:
    @pytest.fixture
    def agnostic(self):
        return randomised(OrderAgnostic(ResidualConv(2, 5, 1, (2, 4), 2, (1, 1)), (2, 4)))

    def test_every_ordering_is_a_distribution(self, agnostic):
        images = every_image(8)
        values = []
        for order in (None, torch.randperm(8, generator=seeded(1))):
            values.append(agnostic.log_prob(images, order))
            assert abs(float(values[-1].exp().sum()) - 1) < 1e-12
        assert not torch.allclose(*values), "nothing makes two orderings agree"

    def test_hidden_pixels_are_not_read(self, agnostic):
        visible = torch.tensor([[1, 0, 1, 0, 0, 1, 0, 1]]).double()
        x = torch.zeros(1, 8).double()
        assert agnostic.logits(x, visible).equal(agnostic.logits(1 - visible, visible))

    def test_estimate_is_one_term_of_the_chain_for_a_uniform_position(self, agnostic):
        order = torch.randperm(8, generator=seeded(2))
        x = every_image(8)[37:38]
        visible = torch.zeros(8, 8).double()
        for k in range(8):
            visible[k, order[:k]] = 1
        with torch.no_grad():
            logits = agnostic.logits(x.expand(8, -1), visible)
            surprise = -torch.where(x == 1, logits, -logits).sigmoid().log()
            terms = ((1 - visible) * surprise).sum(1) * 8 / (1 - visible).sum(1)
            drawn = agnostic.estimate(x.expand(500, -1), order.expand(500, -1), seeded(3))
        # Every estimate is one of the eight terms, and each of them turns up.
        distance = (drawn[:, None] - terms).abs()
        assert distance.min(dim=1).values.max() < 1e-12
        assert distance.min(dim=0).values.max() < 1e-12

    def test_loss_is_the_mean_estimate_over_drawn_orderings(self, agnostic):
        x, generator = every_image(8)[:20], seeded(6)
        expected = agnostic.estimate(x, draw_orderings(20, (2, 4), generator), generator).mean()
        assert torch.allclose(agnostic.loss(x, generator=seeded(6)), expected)

    def test_average_over_all_orderings_is_what_is_estimated(self):
        """On three pixels all six orderings and all masks are listed, and the two sums agree."""
        agnostic = randomised(OrderAgnostic(ResidualConv(2, 4, 1, (1, 3), 1, (1,)), (1, 3)))
        x = every_image(3)
        orders = torch.cartesian_prod(*[torch.arange(3)] * 3)
        orders = [o for o in orders if len(o.unique()) == 3]
        exact = -sum(agnostic.log_prob(x, order).mean() for order in orders) / 6
        total = 0.0
        with torch.no_grad():
            for order in orders:
                for k in range(3):
                    visible = torch.zeros_like(x)
                    visible[:, order[:k]] = 1
                    logits = agnostic.logits(x, visible)
                    surprise = -torch.where(x == 1, logits, -logits).sigmoid().log()
                    total += ((1 - visible) * surprise).sum(1).mean() / (3 - k) / 6
        assert torch.allclose(torch.as_tensor(total), exact)

    def test_infilling_keeps_what_is_visible(self, agnostic):
        x = every_image(8)[100:130]
        visible = (torch.rand(30, 8, generator=seeded()) < 0.5).double()
        filled = agnostic.infill(x, visible, seeded(1))
        assert (filled * visible).equal(x * visible)
        assert ((filled == 0) | (filled == 1)).all()

    def test_sampling_is_infilling_of_nothing(self, agnostic):
        nothing = torch.zeros(20, 8).double()
        expected = agnostic.infill(nothing, nothing, seeded(4))
        assert agnostic.sample(20, generator=seeded(4)).equal(expected)

    def test_orderings_are_permutations_of_every_kind(self):
        orders = draw_orderings(400, (3, 5), seeded())
        assert orders.sort(dim=1).values.equal(torch.arange(15).expand(400, -1))
        raster = (orders == torch.arange(15)).all(dim=1)
        backwards = (orders == torch.arange(14, -1, -1)).all(dim=1)
        assert raster.any()
        assert backwards.any()
        assert len(orders.unique(dim=0)) > 200

    def test_refuses_grey_levels_and_orderings_that_are_none(self, agnostic):
        with pytest.raises(ValueError, match=r"0 or 1; got values from 0\.5"):
            agnostic.loss(torch.full((1, 8), 0.5).double())
        with pytest.raises(ValueError, match="each of 0"):
            agnostic.log_prob(torch.zeros(1, 8).double(), [0] * 8)
        with pytest.raises(ValueError, match="never saw a label"):
            agnostic.sample(1, condition=torch.zeros(1))
