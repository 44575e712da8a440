"""One contract for every transform, and what is particular to some. A new one is tested by being
listed in TRANSFORMS."""

import pytest
import torch
import zuko
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gencourse.families.continuous_flow import Continuous, Velocity
from gencourse.kernels.rational_quadratic_spline.reference import knot_derivative, knots
from gencourse.nn import MLP, MaskedMLP
from gencourse.nn.multiscale import KNOTS, ConvConditioner, GreySpline, MultiScale, Scale
from gencourse.nn.transforms import (
    Affine,
    Autoregressive,
    Coupling,
    Inverse,
    Mixing,
    Sequence,
    Spline,
)

D = 6
KEPT = torch.tensor([True, False, True, True, False, False])


def masked(curve):
    return MaskedMLP(D, (16, 16), curve.size, order=[2, 0, 5, 3, 1, 4])


def coupling(curve):
    return Coupling(KEPT, MLP(3, 16, 3 * curve.size), curve)


def multiscale():
    """Pictures of 4 × 4, halved once; the last layers of its networks are made to say something."""
    curve = GreySpline()
    top = Autoregressive(MaskedMLP(4, (16,), curve.size), curve)
    scales = [Scale(side=2, hidden=8, blocks=1)]
    for conditioner in scales[0].conditioners:
        nn.init.normal_(conditioner.outlet[1].weight, std=0.3)
    return MultiScale(scales, top, side=4)


TRANSFORMS = {
    "affine coupling": lambda: coupling(Affine()),
    "spline coupling": lambda: coupling(Spline(bins=5)),
    "affine autoregressive": lambda: Autoregressive(masked(Affine()), Affine()),
    "spline autoregressive": lambda: Autoregressive(masked(Spline(5)), Spline(5)),
    "inverse autoregressive": lambda: Inverse(Autoregressive(masked(Affine()), Affine())),
    "mixing": lambda: Mixing(D, torch.eye(D) + 0.3 * torch.randn(D, D)),
    "sequence": lambda: Sequence([coupling(Affine()), Mixing(D), coupling(Spline(bins=4))]),
    "multi-scale": multiscale,
    "continuous": lambda: Continuous(Velocity(MLP(D + 1, 16, D)), steps=8),
}
GREY = {"multi-scale"}


@pytest.fixture(params=TRANSFORMS)
def named(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return request.param, TRANSFORMS[request.param]().eval()


def points(name, dtype=torch.float64, seed=0):
    """Points in and beyond the interval of the splines: for grey levels just beyond [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    if name in GREY:
        return 1.1 * torch.rand(7, 16, generator=generator, dtype=dtype) - 0.05
    x = 2 * torch.randn(7, D, generator=generator, dtype=dtype)
    x[0], x[1] = 5.0, -4.0
    return x


def jacobian(function, x):
    """∂f/∂x for one point, (D, D)."""
    return torch.autograd.functional.jacobian(lambda row: function(row[None])[0][0], x)


def test_inverse_both_ways(named):
    name, transform = named
    transform.double()
    for seed in (0, 1):
        x = points(name, seed=seed)
        with torch.no_grad():
            y, log_det = transform(x)
            back, log_det_back = transform.inverse(y)
            forth, _ = transform(transform.inverse(x)[0])
        close = {"rtol": 0, "atol": 1e-4 if name == "continuous" else 1e-8}
        torch.testing.assert_close(back, x, **close)
        torch.testing.assert_close(forth, x, **close)
        torch.testing.assert_close(log_det, -log_det_back, **close)
        assert y.shape == x.shape
        assert log_det.shape == (len(x),)


def test_log_determinant_is_that_of_autograds_jacobian(named):
    name, transform = named
    transform.double()
    x = points(name)[:4]
    for way in (transform, transform.inverse):
        with torch.no_grad():
            _, log_det = way(x)
        truth = torch.stack([torch.linalg.slogdet(jacobian(way, row)).logabsdet for row in x])
        # The sum over a solver's steps is the trace's integral: its error is the solver's.
        close = {"rtol": 0, "atol": 1e-4 if name == "continuous" else 1e-8}
        torch.testing.assert_close(log_det, truth, **close)


def test_single_precision_agrees_with_double(named):
    name, transform = named
    x = points(name, torch.float32)
    with torch.no_grad():
        y, log_det = transform(x)
        back, _ = transform.inverse(y)
        precise, precise_log_det = transform.double()(x.double())
    assert y.dtype == log_det.dtype == torch.float32
    torch.testing.assert_close(y.double(), precise, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_det.double(), precise_log_det, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-3)


def test_gradients_are_finite_everywhere(named):
    """Inside the interval, outside it, at its ends, at knots, at 0 and far away."""
    name, transform = named
    x = points(name, torch.float32)
    places = torch.tensor([0.0, 1.0, -1.0, 3.0, -3.0, 1e4, -1e4])
    if name in GREY:
        places = torch.tensor([*(k / 256 for k in KNOTS), -5.0, 5.0])
    if name == "continuous":  # a point a thousand units away would leave the network's float range
        places = places.clamp(-50, 50)
    x = torch.cat([x, places[:, None].expand(-1, x.shape[1])]).requires_grad_()
    for way in (transform, transform.inverse):
        y, log_det = way(x)
        wanted = [x, *transform.parameters()]
        gradients = torch.autograd.grad(
            y.sum() + log_det.sum(), wanted, allow_unused=True, materialize_grads=True
        )
        assert all(g.isfinite().all() for g in (y, log_det, *gradients))


def test_rows_of_a_batch_do_not_meet(named):
    name, transform = named
    transform.double()
    x = points(name)
    with torch.no_grad():
        y, log_det = transform(x)
        alone = [transform(row[None]) for row in x]
    torch.testing.assert_close(y, torch.cat([a for a, _ in alone]))
    torch.testing.assert_close(log_det, torch.cat([b for _, b in alone]))


def test_coupling_keeps_what_it_reads():
    x = points("affine coupling", torch.float32)
    y, _ = coupling(Affine())(x)
    assert torch.equal(y[:, KEPT], x[:, KEPT])
    assert (y[:, ~KEPT] != x[:, ~KEPT]).any()


def test_autoregressive_jacobian_is_triangular_in_its_ordering():
    curve = Affine()
    transform = Autoregressive(masked(curve), curve).double()
    order = transform.network.order
    j = jacobian(transform, points("affine autoregressive")[2])[order][:, order]
    assert torch.equal(j, j.tril())
    assert (j.tril(-1) != 0).any()


def test_inverse_autoregressive_is_one_pass_where_autoregressive_is_many():
    """The two directions of the two, counted in passes of the network."""
    curve = Affine()
    autoregressive = Autoregressive(masked(curve), curve)
    passes = []
    autoregressive.network.register_forward_hook(lambda *_: passes.append(1))
    x = points("affine autoregressive", torch.float32)

    def count(way):
        passes.clear()
        way(x)
        return len(passes)

    assert count(autoregressive) == count(Inverse(autoregressive).inverse) == 1
    assert count(autoregressive.inverse) == count(Inverse(autoregressive)) == D


def test_inverse_of_an_inverse_is_the_transform():
    transform = coupling(Spline(bins=5)).double()
    x = points("spline coupling")
    torch.testing.assert_close(Inverse(Inverse(transform))(x), transform(x))


def test_affine_scale_has_a_limit():
    curve = Affine(limit=2.0)
    x = torch.ones(1, 1)
    huge = torch.tensor([[[1e6, 0.0]]])
    torch.testing.assert_close(curve(x, huge)[1], torch.tensor([2.0]))
    small = torch.tensor([[[1e-3, 0.0]]])
    torch.testing.assert_close(curve(x, small)[1], torch.tensor([1e-3]), rtol=1e-5, atol=0)


numbers = st.floats(-30, 30, width=32)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=11, max_size=11), st.lists(numbers, min_size=1, max_size=8))
def test_no_spline_has_a_negative_discriminant(shape, heights):
    """Whatever a network says, the way back is there, stays in the interval and leads home."""
    curve = Spline(bins=4)
    y = torch.tensor(heights).clamp(-3, 3)[:, None]
    shapes = torch.tensor(shape).expand(len(y), 1, 11)
    x, log_det = curve(y, shapes, inverse=True)
    assert x.isfinite().all()
    assert log_det.isfinite().all()
    assert (x.abs() <= 3 + 1e-5).all()
    forth, _ = curve(curve(y.double(), shapes.double(), inverse=True)[0], shapes.double())
    torch.testing.assert_close(forth, y.double(), rtol=0, atol=1e-6)


def zukos(ours):
    """The same transform put together from zuko's parts and our network's numbers."""

    def curve(shape):
        if isinstance(ours.curve, Affine):
            log_scale = 3 * torch.tanh(shape[..., 0] / 3)
            theirs = torch.distributions.AffineTransform(shape[..., 1], log_scale.exp())
        else:
            widths, heights, slopes = shape.split([5, 5, 4], dim=-1)
            theirs = zuko.transforms.MonotonicRQSTransform(widths, heights, slopes, bound=3.0)
            theirs.horizontal, theirs.vertical = 6 * knots(widths) - 3, 6 * knots(heights) - 3
            theirs.derivatives = knot_derivative(nn.functional.pad(slopes, (1, 1)))
        return zuko.transforms.DependentTransform(theirs, 1)

    if isinstance(ours, Coupling):
        return zuko.transforms.CouplingTransform(
            lambda kept: curve(ours.network(kept).unflatten(-1, (-1, ours.curve.size))), ours.kept
        )
    return zuko.transforms.AutoregressiveTransform(lambda x: curve(ours.network(x)), passes=D)


@pytest.mark.parametrize(
    "name",
    ["affine coupling", "spline coupling", "affine autoregressive", "spline autoregressive"],
)
def test_layers_are_zukos_with_the_same_weights(name):
    ours = TRANSFORMS[name]().double()
    theirs, x = zukos(ours), points(name)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs.call_and_ladj(x))
        torch.testing.assert_close(ours.inverse(x)[0], theirs.inv(x))


@pytest.mark.parametrize("inverse", [False, True])
def test_mixing_is_a_one_by_one_convolution_of_channels(inverse):
    """Over the channels of every pixel of a picture: the log-determinant times the pixels."""
    mixing = Mixing(3).double()
    image = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pixels = image.permute(0, 2, 3, 1).reshape(-1, 3)
    y, log_det = (mixing.inverse if inverse else mixing)(pixels)
    kernel = torch.linalg.inv(mixing.weight) if inverse else mixing.weight
    expected = nn.functional.conv2d(image, kernel[:, :, None, None])
    torch.testing.assert_close(y.view(2, 4, 5, 3).permute(0, 3, 1, 2), expected)
    whole = torch.linalg.slogdet(kernel).logabsdet * 20
    torch.testing.assert_close(log_det.view(2, 20).sum(1), whole.expand(2))


@pytest.mark.parametrize(
    "weight",
    [torch.zeros(3, 3), torch.ones(3, 3), torch.tensor([[1.0, 2, 3], [2, 4, 6 + 1e-6], [0, 1, 1]])],
    ids=["zero", "equal rows", "nearly equal rows"],
)
def test_singular_mixing_is_refused(weight):
    with pytest.raises(ValueError, match=r"singular: its condition number is .* no density"):
        Mixing(3, weight)


def test_mixing_that_becomes_singular_is_refused_when_used():
    mixing = Mixing(2)
    mixing.weight.data.copy_(torch.ones(2, 2))
    for way in (mixing, mixing.inverse):
        with pytest.raises(ValueError, match="singular"):
            way(torch.zeros(1, 2))


def test_mixing_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"matrix \(3, 3\); got \(2, 2\)"):
        Mixing(3, torch.eye(2))


def test_ordering_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match=r"each of 0, \.\.\., 2 once; got \[0, 1, 1\]"):
        Autoregressive(MaskedMLP(3, (8,), 2, order=[0, 1, 1]), Affine())


@pytest.mark.parametrize(
    "kept", [torch.tensor([True, True]), torch.tensor([False, False]), torch.tensor([1, 0])]
)
def test_coupling_that_keeps_all_or_nothing_is_refused(kept):
    with pytest.raises(ValueError, match="keeps some coordinates and bends the others"):
        Coupling(kept, MLP(1, 2), Affine())


def test_grey_spline_starts_as_the_distribution_of_all_pixels():
    """A network that says 0: the curve climbs by each bin's share from knot to knot."""
    curve = GreySpline()
    edges = torch.tensor(KNOTS[1:-1]) / 256
    y, _ = curve(edges[:, None], torch.zeros(len(edges), 1, curve.size))
    climbed = y.flatten().diff() / (curve.high - curve.low)
    assert climbed[0] == pytest.approx(0.81, abs=0.01)  # paper
    assert climbed[-3] == pytest.approx(0.03, abs=0.005)  # ink of level 253
    assert (climbed > 0).all()
    assert float(climbed.sum()) == pytest.approx(1, abs=0.01)


def test_conditioner_of_images_starts_at_zero():
    network = ConvConditioner(channels=2, side=4, hidden=8, blocks=1, out=5)
    assert torch.equal(network(torch.rand(3, 2, 4, 4)), torch.zeros(3, 16, 5))


def test_scale_lets_one_pixel_of_four_pass():
    """And the pixel d depends on a alone, b on a and d, c on all: nothing else changes noise."""
    scale = multiscale().scales[0].eval()
    image = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    small, noise, _ = scale(image)
    assert torch.equal(small, image[:, :, ::2, ::2])
    corners = {"a": (0, 0), "b": (0, 1), "c": (1, 0), "d": (1, 1)}
    reads = {"d": "a", "b": "ad", "c": "adb"}
    for changed, (row, column) in corners.items():
        other = image.clone()
        other[:, :, row::2, column::2] = 0.5
        moved = (scale(other)[1] != noise).view(3, 4).any(dim=1)
        for bent, has_moved in zip("dbc", moved.tolist(), strict=True):
            assert has_moved == (changed == bent or changed in reads[bent])


def test_sequence_adds_up_log_determinants():
    parts = [coupling(Affine()).double(), Mixing(D).double()]
    x = points("sequence")
    y, first = parts[0](x)
    y, second = parts[1](y)
    total_y, total = Sequence(parts)(x)
    torch.testing.assert_close((total_y, total), (y, first + second))
