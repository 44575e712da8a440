"""Truths of the flow: mass is kept, samples and density agree, and grey levels have a bound."""

import math
from itertools import product

import pytest
import torch
from torch import nn

from gencourse.data import EightGaussians, Ring
from gencourse.evaluation.quadrature import grid, kl_divergence, log_normaliser
from gencourse.families.flow import (
    Dequantized,
    Flow,
    StandardNormal,
    Uniform,
    bits_per_dimension,
)
from gencourse.nn import MLP, MaskedMLP
from gencourse.nn.multiscale import GreySpline
from gencourse.nn.transforms import (
    Affine,
    Autoregressive,
    Coupling,
    Inverse,
    Mixing,
    Sequence,
    Spline,
)

FIRST = torch.tensor([True, False])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def couplings(curve):
    return [Coupling(kept, MLP(1, 16, curve.size), curve) for kept in (FIRST, ~FIRST)]


def in_the_plane(kind):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        affine, spline = Affine(), Spline(bins=6)
        layers = {
            "affine couplings": couplings(affine),
            "spline couplings": couplings(spline),
            "autoregressive": [Autoregressive(MaskedMLP(2, (16,), spline.size), spline)],
            "inverse autoregressive": [
                Inverse(Autoregressive(MaskedMLP(2, (16,), affine.size), affine))
            ],
            "with mixing": [Mixing(2, torch.tensor([[1.0, 0.6], [0.1, 0.7]])), *couplings(spline)],
        }[kind]
        for module in Sequence(layers).modules():
            if isinstance(module, nn.Linear):  # wilder than networks start
                nn.init.normal_(module.weight, std=0.35)
        return Flow(Sequence(layers), StandardNormal(2)).double()


@pytest.fixture(
    params=[
        "affine couplings",
        "spline couplings",
        "autoregressive",
        "inverse autoregressive",
        "with mixing",
    ]
)
def flow(request):
    return in_the_plane(request.param)


def grey_flow(pixels):
    """A random flow of `pixels` grey levels, its layers in both orders."""
    curve = GreySpline()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MaskedMLP(pixels, (16,), curve.size)
    transform = Autoregressive(network, curve)
    return Dequantized(Flow(transform, Uniform(pixels, curve.low, curve.high)))


def test_density_integrates_to_one(flow):
    """However the layers bend the plane, they lose no mass and make none."""
    with torch.no_grad():
        log_mass = log_normaliser(lambda x: -flow.log_prob(x), 2, extent=10.0, points=500)
    assert float(log_mass) == pytest.approx(0, abs=3e-3)


def test_samples_have_the_density(flow):
    """The share of samples in each of 36 cells is the density's integral over the cell."""
    n, cells, points, extent = 20_000, 6, 40, 3.0
    x = flow.sample(n, generator=seeded())
    width = 2 * extent / cells
    inside = (x.abs() < extent).all(dim=1)
    place = ((x[inside] + extent) / width).long()
    counts = torch.bincount(place[:, 0] * cells + place[:, 1], minlength=cells**2) / n
    fine = grid(2, extent, cells * points)
    with torch.no_grad():
        density = flow.log_prob(fine).exp() * (width / points) ** 2
    masses = density.view(cells, points, cells, points).sum(dim=(1, 3)).flatten()
    spread = (masses * (1 - masses) / n).sqrt()
    assert ((counts - masses).abs() < 4.5 * spread + 1e-4).all()


def test_a_linear_flow_is_a_gaussian():
    """z = W x with z normal: x is N(0, W⁻¹ W⁻ᵀ)."""
    weight = torch.tensor([[1.0, 0.5], [-0.3, 2.0]], dtype=torch.float64)
    flow = Flow(Mixing(2, weight), StandardNormal(2))
    inverse = torch.linalg.inv(weight)
    truth = torch.distributions.MultivariateNormal(
        torch.zeros(2, dtype=torch.float64), inverse @ inverse.T
    )
    x = torch.randn(9, 2, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(flow.log_prob(x), truth.log_prob(x))


def test_density_is_divided_by_the_stretch():
    """A map that stretches the line twofold halves the density: mass is density times length."""
    flow = Flow(Mixing(1, torch.tensor([[0.5]])), StandardNormal(1))  # data twice as wide as noise
    narrow = StandardNormal(1)
    x = torch.linspace(-3, 3, 7)[:, None]
    torch.testing.assert_close(flow.log_prob(x).exp(), narrow.log_prob(x / 2).exp() / 2)


def test_loss_is_at_least_the_entropy_of_the_data(flow):
    """Cross-entropy minus entropy is KL(data ‖ flow), which is never negative."""
    target = EightGaussians()
    x = target.sample(4000, seeded()).double()
    with torch.no_grad():
        divergence = float(kl_divergence(target.log_prob, flow.log_prob, points=120))
        gained = flow.loss(x) + target.log_prob(x).mean()
    assert divergence > 0.1
    assert float(gained) == pytest.approx(divergence, rel=0.1)


def test_loss_is_the_mean_of_log_prob_and_not_random(flow):
    x = EightGaussians().sample(50, seeded()).double()
    assert flow.likelihood == "exact"
    torch.testing.assert_close(flow.loss(x), -flow.log_prob(x).mean())
    assert torch.equal(flow.loss(x, generator=seeded(1)), flow.loss(x, generator=seeded(2)))


def test_sampling_repeats_with_its_generator(flow):
    x = flow.sample(5, generator=seeded(3))
    assert x.shape == (5, 2)
    assert torch.equal(x, flow.sample(5, generator=seeded(3)))
    assert not torch.equal(x, flow.sample(5, generator=seeded(4)))


def test_samples_of_a_ring_leave_mass_in_its_hole():
    """A map with a continuous inverse keeps the plane in one piece: no ring without a trace."""
    flow = in_the_plane("spline couplings")
    optimizer = torch.optim.Adam(flow.parameters(), 1e-2)
    generator, ring = seeded(), Ring()
    for _ in range(100):
        loss = flow.loss(ring.sample(200, generator).double())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x = grid(2, 3.0, 120)
    hole = x.norm(dim=1) < 1.0
    with torch.no_grad():
        log_density = flow.log_prob(x)
    assert log_density.isfinite().all()
    assert log_density[hole].exp().sum() > 100 * ring.log_prob(x)[hole].exp().sum()


def test_uniform_base_is_a_density():
    base = Uniform(2, -0.5, 1.5)
    inside = torch.tensor([[0.0, 1.0], [-0.5, 1.5]])
    torch.testing.assert_close(base.log_prob(inside).exp() * 2.0**2, torch.ones(2))
    assert base.log_prob(torch.tensor([[0.0, 1.6]])) == -math.inf
    z = base.sample(1000, torch.zeros(1), seeded())
    assert base.log_prob(z).isfinite().all()
    assert z.min() < -0.45
    assert z.max() > 1.45


class TestGreyLevels:
    def test_log_probability_of_a_level_is_the_densitys_integral_over_it(self):
        """And the bound, averaged over the noise, is below it (Jensen)."""
        model = grey_flow(1)
        u = (torch.arange(400) + 0.5) / 400
        for level in (0.0, 1.0, 100.0, 253.0, 255.0):
            y = ((level + u) / 256)[:, None]
            with torch.no_grad():
                log_density = model.flow.log_prob(y) - math.log(256)
            log_probability = log_density.exp().mean().log()
            assert log_density.mean() <= log_probability + 1e-6
            x = torch.full((4000, 1), level)
            with torch.no_grad():
                bound = model.log_prob(x, seeded()).mean()
            torch.testing.assert_close(bound, log_density.mean(), rtol=0.02, atol=0.02)

    def test_probabilities_of_all_levels_sum_to_no_more_than_one(self):
        """All but what the curve's two outermost bins keep, a thousandth each."""
        model = grey_flow(1)
        y = ((torch.arange(256 * 50) + 0.5) / (256 * 50))[:, None]
        with torch.no_grad():
            mass = model.flow.log_prob(y).exp().mean()
        assert 0.97 < float(mass) <= 1.001

    def test_bound_is_tight_where_the_density_is_level(self):
        """The same density all over a cell: every draw of the noise says the same."""
        flow = Flow(Mixing(2, torch.eye(2)), Uniform(2, 0.0, 1.0))
        model = Dequantized(flow)
        x = torch.tensor([[0.0, 255.0], [17.0, 3.0]])
        both = model.log_prob(x, seeded(1)), model.log_prob(x, seeded(2))
        for bound in both:
            torch.testing.assert_close(bound, torch.full((2,), -2 * math.log(256)))

    def test_uniform_levels_cost_eight_bits(self):
        log_prob = torch.tensor([-784 * math.log(256)])
        torch.testing.assert_close(bits_per_dimension(log_prob, 784), torch.tensor([8.0]))

    def test_bits_per_dimension_is_the_shortest_code(self):
        """Bits of a code for one pixel: the entropy of a fair coin is 1, of a known pixel 0."""
        coin = torch.tensor([0.5]).log().repeat(3)
        torch.testing.assert_close(bits_per_dimension(coin, 1), torch.ones(3))
        torch.testing.assert_close(bits_per_dimension(torch.zeros(3), 5), torch.zeros(3))

    def test_samples_are_grey_levels(self):
        x = grey_flow(4).sample(500, generator=seeded())
        assert x.shape == (500, 4)
        assert torch.equal(x, x.floor())
        assert x.min() >= 0
        assert x.max() <= 255
        assert (x == 0).float().mean() > 0.5  # as in MNIST, where the curve starts

    def test_loss_uses_the_generator(self):
        model, x = grey_flow(4), torch.tensor([[0.0, 3.0, 100.0, 255.0]])
        assert model.likelihood == "bound"
        assert torch.equal(model.loss(x, generator=seeded(1)), model.loss(x, generator=seeded(1)))
        assert model.loss(x, generator=seeded(1)) != model.loss(x, generator=seeded(2))


GOOD = torch.tensor([[0.0, 3.0, 100.0, 255.0]])


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (
            GOOD / 255,
            ValueError,
            r"whole grey levels 0, \.\.\., 255; got fractions, such as 0\.011",
        ),
        (GOOD / 255 * 2 - 1, ValueError, r"values from 0 to 255; got values from -1 to 1\. Give"),
        (GOOD * 2, ValueError, r"values from 0 to 255; got values from 0 to 510"),
        (GOOD.byte(), TypeError, r"floating-point data; got torch\.uint8"),
        (GOOD.view(1, 2, 2), ValueError, r"shape \(B, 4\); got \(1, 2, 2\)\. Images are flat rows"),
        (GOOD[0], ValueError, r"got \(4,\)\. For a single row, x\[None\]"),
        (GOOD[:0], ValueError, "batch is empty"),
        (GOOD / 0, ValueError, r"NaN or infinite"),
    ],
    ids=["0 to 1", "-1 to 1", "too large", "bytes", "shape", "one row", "empty", "nan"],
)
def test_wrong_grey_levels_are_refused(x, error, says):
    model = grey_flow(4)
    for method in (model.log_prob, model.loss):
        with pytest.raises(error, match=says):
            method(x)


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (torch.zeros(3, 5), ValueError, r"This Flow takes a batch of shape \(B, 2\); got \(3, 5\)"),
        (torch.zeros(0, 2), ValueError, "batch is empty"),
        (torch.zeros(3, 2).long(), TypeError, r"floating-point data; got torch\.int64"),
        (torch.full((3, 2), math.nan), ValueError, "6 values that are NaN or infinite"),
    ],
)
def test_wrong_points_are_refused(x, error, says):
    flow = in_the_plane("affine couplings")
    for method in (flow.log_prob, flow.loss):
        with pytest.raises(error, match=says):
            method(x)


def test_condition_is_refused():
    labels = torch.zeros(3)
    for model in (in_the_plane("affine couplings"), grey_flow(4)):
        with pytest.raises(ValueError, match=r"models p\(x\), not p\(x\|condition\)"):
            model.sample(3, condition=labels)


def test_shift_of_dtype_is_refused_by_the_layers():
    """A float64 batch for a float32 flow: the layers say which of the two to convert."""
    flow = in_the_plane("spline couplings").float()
    with pytest.raises((TypeError, RuntimeError), match=r"dtype"):
        flow.log_prob(torch.zeros(3, 2, dtype=torch.float64))


def test_every_level_of_a_pair_of_pixels_is_counted_once():
    """Σ over all pairs of levels of P is the mass of the unit square: on a coarse model of 4."""
    flow = Flow(Sequence(couplings(Spline(bins=4, bound=1.5))), Uniform(2, -1.5, 1.5))
    model = Dequantized(flow, levels=4)
    u = (torch.arange(30) + 0.5) / 30
    noise = torch.cartesian_prod(u, u)
    total = 0.0
    with torch.no_grad():
        for pair in product(range(4), repeat=2):
            y = (torch.tensor(pair) + noise) / model.levels
            total += float(flow.log_prob(y).exp().mean()) / model.levels**2
        fine = (torch.arange(120) + 0.5) / 120
        square = flow.log_prob(torch.cartesian_prod(fine, fine)).exp().mean()
    assert total == pytest.approx(float(square), rel=1e-5)
    assert total < 1
