"""Truths of all pairs; then the operations, whose kernels' tests are elsewhere as for the others.

Tiles are made small here, so that few points fill many of them.
"""

import math
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from closeness import assert_close
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from traffic import Operators

from gencourse.kernels import (
    count_within,
    distance_sum,
    kth_neighbour_distance,
    nearest,
    rbf_sum,
)
from gencourse.kernels.pairwise import op, reference
from gencourse.kernels.pairwise.op import fused_rbf_sum

SIDE = 8
BANDWIDTHS = [0.5, 1.0, 2.5]
# One point, fewer than a tile, exactly a tile, one more, several tiles; no x at all.
SIZES = [(1, 1, 1), (5, 3, 2), (8, 8, 3), (9, 17, 5), (31, 20, 64), (0, 4, 2)]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "SIDE", SIDE)


def points(n: int, m: int, d: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + m + d)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = torch.randn(m, d, generator=generator, dtype=torch.float64)
    return x.to(dtype), y.to(dtype)


def table(x: Tensor, y: Tensor) -> Tensor:
    """All distances, by subtraction."""
    return (x.double()[:, None] - y.double()).square().sum(-1).sqrt()


sizes = pytest.mark.parametrize(("n", "m", "d"), SIZES)
precisions = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


class TestKernelSum:
    @precisions
    @sizes
    def test_tiles_add_up_to_the_table(self, n: int, m: int, d: int, dtype: torch.dtype) -> None:
        x, y = points(n, m, d, dtype)
        truth = reference.rbf_table(x.double(), y.double(), BANDWIDTHS)
        torch.testing.assert_close(rbf_sum(x, y, BANDWIDTHS), truth.to(dtype))

    def test_sum_over_a_normal_sample_is_a_normal_density_but_for_its_constant(self) -> None:
        """E exp(-(x - Y)²/2σ²) = √(σ²/(σ² + 1)) exp(-x²/2(σ² + 1)) for Y ~ N(0, 1)."""
        m, sigma = 4000, 0.7
        y = torch.special.ndtri((torch.arange(m, dtype=torch.float64) + 0.5) / m)[:, None]
        x = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
        variance = sigma**2 + 1
        exact = math.sqrt(sigma**2 / variance) * torch.exp(-x[:, 0].square() / (2 * variance))
        torch.testing.assert_close(rbf_sum(x, y, [sigma]) / m, exact, rtol=1e-3, atol=1e-4)

    def test_a_point_gives_each_bandwidth_one_for_itself(self) -> None:
        x = 1000.0 * torch.arange(20.0)[:, None]  # too far apart for anything else
        assert torch.equal(rbf_sum(x, x, BANDWIDTHS), torch.full((20,), 3.0))

    @pytest.mark.parametrize("factor", [2.0, math.sqrt(2), 4.0, 32.0, 1.7])
    def test_a_ladder_of_bandwidths_is_its_rungs(self, factor: float) -> None:
        """However the narrower kernels are made from the wider."""
        x, y = points(9, 17, 5)
        ladder = [factor**i for i in (0, 2, 1)]
        rungs = torch.stack([rbf_sum(x, y, [sigma]) for sigma in ladder]).sum(0)
        torch.testing.assert_close(rbf_sum(x, y, ladder), rungs)
        singles = rbf_sum(x.float(), y.float(), ladder)
        torch.testing.assert_close(singles, rungs.float())

    @precisions
    def test_half_of_the_tiles_is_enough_when_both_sets_are_one(self, dtype: torch.dtype) -> None:
        x, _ = points(31, 1, 5, dtype)
        with Tiles() as half:
            once = rbf_sum(x, x, BANDWIDTHS)
        with Tiles() as all_of_them:
            twice = rbf_sum(x, x.clone(), BANDWIDTHS)
        torch.testing.assert_close(once, twice)
        assert (half.products, all_of_them.products) == (10, 16)

    def test_moving_both_sets_far_away_changes_nothing(self) -> None:
        """In float32 ‖x‖² is then 10⁸ with a spacing of 8, and the distances are still right."""
        x, y = ((64 * tensor).round() / 64 for tensor in points(9, 17, 5, torch.float32))
        torch.testing.assert_close(
            rbf_sum(x + 4096, y + 4096, BANDWIDTHS), rbf_sum(x, y, BANDWIDTHS)
        )


class Tiles(TorchDispatchMode):
    """Counts matrix products, and remembers the largest tensor that was made."""

    def __init__(self) -> None:
        super().__init__()
        self.products = 0
        self.largest = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.products += func._opname == "mm"
        made = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.largest = max(self.largest, *made, 0)
        return out


class TestComparisons:
    @precisions
    @sizes
    def test_all_agree_with_the_table(self, n: int, m: int, d: int, dtype: torch.dtype) -> None:
        x, y = points(n, m, d, dtype)
        distances = table(x, y)
        torch.testing.assert_close(distance_sum(x, y), distances.sum(1).to(dtype))
        if n > 0:
            assert torch.equal(nearest(x, y), distances.argmin(1))
        for k in (1, m):
            kth = distances.sort(dim=1).values[:, k - 1]
            torch.testing.assert_close(kth_neighbour_distance(x, y, k), kth.to(dtype))
        radii = torch.linspace(0.2, 2 * d, m, dtype=dtype)
        assert torch.equal(count_within(x, y, radii), (distances <= radii.double()).sum(1))

    @precisions
    def test_a_copy_is_at_distance_zero(self, dtype: torch.dtype) -> None:
        """Even far from the origin, where the squares are large and all but cancel."""
        x = (5 * points(31, 1, 64)[0] + 1000).to(dtype)
        assert not kth_neighbour_distance(x, x.clone(), 1).any()
        assert torch.equal(nearest(x, x), torch.arange(31))
        assert torch.equal(count_within(x, x, torch.zeros(31, dtype=dtype)), torch.ones(31))

    @precisions
    def test_a_ball_holds_the_neighbour_that_set_its_radius(self, dtype: torch.dtype) -> None:
        x, _ = points(31, 1, 20, dtype)
        for k in (1, 2, 5):
            held = count_within(x, x, kth_neighbour_distance(x, x, k))
            assert held.sum() == 31 * k

    @precisions
    def test_the_first_of_equals_is_the_nearest(self, dtype: torch.dtype) -> None:
        y = torch.tensor([[2.0], [1.0], [-1.0], [1.0]], dtype=dtype).repeat(5, 1)
        x = torch.tensor([[1.0], [0.0], [3.0], [-9.0]], dtype=dtype)
        assert nearest(x, y).tolist() == [1, 1, 0, 2]

    def test_farther_neighbours_are_farther(self) -> None:
        x, y = points(9, 17, 5)
        distances = torch.stack([kth_neighbour_distance(x, y, k) for k in range(1, 18)])
        assert (distances.diff(dim=0) >= 0).all()
        torch.testing.assert_close(distances.sum(0), distance_sum(x, y))

    def test_distances_on_a_line_are_known(self) -> None:
        x = torch.arange(20.0, dtype=torch.float64)[:, None]
        i = torch.arange(20, dtype=torch.float64)
        torch.testing.assert_close(
            distance_sum(x, x), (i * (i + 1) + (19 - i) * (20 - i)) / 2
        )  # i steps down and 19 - i steps up
        torch.testing.assert_close(
            kth_neighbour_distance(x, x, 3), torch.tensor([2.0] + [1.0] * 18 + [2.0]).double()
        )

    @precisions
    def test_what_is_nowhere_is_near_nothing(self, dtype: torch.dtype) -> None:
        x, y = points(9, 17, 5, dtype)
        y[3] = x[4] = float("nan")
        held = count_within(x, y, torch.full((17,), 1e6, dtype=dtype))
        assert held.tolist() == [16] * 4 + [0] + [16] * 4
        assert 3 not in nearest(x, y)
        assert (
            kth_neighbour_distance(x, y, 16).isfinite().tolist()
            == [True] * 4 + [False] + [True] * 4
        )
        assert kth_neighbour_distance(x, y, 17).isposinf().all()


class TestMemory:
    """The largest tensor that is ever made is the points or a tile, never N × M."""

    @pytest.mark.parametrize(
        "call",
        [
            lambda x, y, r: rbf_sum(x, y, BANDWIDTHS),
            lambda x, y, r: distance_sum(x, y),
            lambda x, y, r: nearest(x, y),
            lambda x, y, r: kth_neighbour_distance(x, y, 3),
            lambda x, y, r: count_within(x, y, r),
        ],
    )
    def test_forward(self, call: Callable[..., Tensor]) -> None:
        x, y = points(300, 200, 3, torch.float32)
        with Tiles() as tiles:
            call(x, y, torch.ones(200))
        assert tiles.largest <= 300 * (3 + 2)

    def test_the_way_back_keeps_no_tiles(self) -> None:
        x, y = points(300, 200, 3, torch.float32)
        x.requires_grad_()
        kept: list[int] = []

        def pack(tensor: Tensor) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        with Tiles() as tiles, torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            rbf_sum(x, y, BANDWIDTHS).sum().backward()
        assert tiles.largest <= 300 * (3 + 2)
        assert sorted(kept) == [200 * 3, 300 * 3]


class TestGradient:
    @precisions
    @sizes
    def test_gradients_are_those_of_the_table(
        self, n: int, m: int, d: int, dtype: torch.dtype
    ) -> None:
        x, y = points(n, m, d, dtype)
        grad = torch.linspace(-1, 2, n, dtype=dtype)
        leaves = [x.double().requires_grad_(), y.double().requires_grad_()]
        sums = reference.rbf_table(*leaves, BANDWIDTHS)
        exact = torch.autograd.grad(sums, leaves, grad.double())
        for answer, truth in zip(reference.gradients(grad, x, y, BANDWIDTHS), exact, strict=True):
            torch.testing.assert_close(answer, truth.to(dtype), atol=1e-5, rtol=1e-5)

    def test_forces_cancel(self) -> None:
        """What draws one point draws the other back: moving all together changes nothing."""
        x, y = (tensor.requires_grad_() for tensor in points(9, 17, 5))
        grads = torch.autograd.grad(rbf_sum(x, y, BANDWIDTHS).sum(), (x, y))
        torch.testing.assert_close(grads[0].sum(0), -grads[1].sum(0))

    def test_one_tensor_in_both_places_gets_both_gradients(self) -> None:
        x, _ = points(9, 1, 5)
        (once,) = torch.autograd.grad(rbf_sum(x.requires_grad_(), x, BANDWIDTHS).sum(), x)
        (exact,) = torch.autograd.grad(reference.rbf_table(x, x, BANDWIDTHS).sum(), x)
        torch.testing.assert_close(once, exact)

    def test_first_derivatives_in_both_modes(self) -> None:
        x, y = (tensor.requires_grad_() for tensor in points(9, 3, 2))
        assert torch.autograd.gradcheck(
            lambda x, y: fused_rbf_sum(x, y, BANDWIDTHS),
            (x, y),
            check_forward_ad=True,
            check_batched_grad=True,
            check_batched_forward_grad=True,
        )

    def test_second_derivatives_in_both_modes(self) -> None:
        x, y = (tensor.requires_grad_() for tensor in points(9, 3, 2))
        assert torch.autograd.gradgradcheck(
            lambda x, y: fused_rbf_sum(x, y, BANDWIDTHS),
            (x, y),
            check_fwd_over_rev=True,
            check_batched_grad=True,
        )

    def test_each_operator_runs_once_and_only_where_it_can(self) -> None:
        x, y = points(9, 17, 5)
        x.requires_grad_()
        with Operators() as operators:
            fused_rbf_sum(x, y, BANDWIDTHS).sum().backward()
        assert operators.ours == ["rbf_sum", "rbf_sum_backward"]
        total = fused_rbf_sum(x, y, BANDWIDTHS).sum()
        with Operators() as operators:
            torch.autograd.grad(total, x, create_graph=True)
        assert operators.ours == []

    def test_measures_let_no_gradient_through(self) -> None:
        x, y = points(9, 17, 5)
        x.requires_grad_()
        assert not nearest(x, y).requires_grad
        assert not count_within(x, y, torch.ones(17)).requires_grad


Function = Callable[[Tensor, Tensor], Tensor]


def loss(function: Function) -> Function:
    return lambda x, y: (lambda sums: (sums.sin() + sums.square()).sum())(function(x, y))


TRANSFORMS: dict[str, Callable[[Function], Callable[..., Any]]] = {
    "grad": lambda f: torch.func.grad(loss(f), argnums=(0, 1)),
    "vjp": lambda f: lambda x, y: torch.func.vjp(f, x, y)[1](f(x, y)),
    "jvp": lambda f: lambda x, y: torch.func.jvp(f, (x, y), (x, y)),
    "jacrev": lambda f: torch.func.jacrev(f, argnums=(0, 1)),
    "jacfwd": lambda f: torch.func.jacfwd(f, argnums=(0, 1)),
    "hessian": lambda f: torch.func.hessian(loss(f), argnums=(0, 1)),
    "linearize": lambda f: lambda x, y: torch.func.linearize(f, x, y)[1](x, y),
    "vmap": lambda f: (
        lambda x, y: torch.func.vmap(f)(torch.stack([x, 2 * x]), torch.stack([y, y + 1]))
    ),
    "vmap over x alone": lambda f: (
        lambda x, y: torch.func.vmap(f, (0, None))(torch.stack([x, 2 * x]), y)
    ),
    "gradients per set": lambda f: (
        lambda x, y: torch.func.vmap(torch.func.grad(loss(f), argnums=(0, 1)))(
            torch.stack([x, 2 * x]), torch.stack([y, y + 1])
        )
    ),
}


class TestTransforms:
    @pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
    def test_transform_of_the_fused_operation_is_that_of_the_table(
        self, transform: Callable[[Function], Callable[..., Any]]
    ) -> None:
        x, y = points(9, 3, 2)
        torch.testing.assert_close(
            transform(lambda x, y: fused_rbf_sum(x, y, BANDWIDTHS))(x, y),
            transform(lambda x, y: reference.rbf_table(x, y, BANDWIDTHS))(x, y),
        )

    def test_the_measures_can_be_mapped(self) -> None:
        x, y = torch.stack(points(9, 9, 2)), torch.stack(points(5, 5, 2))
        for measure in (nearest, distance_sum, lambda x, y: kth_neighbour_distance(x, y, 2)):
            one_by_one = torch.stack([measure(*pair) for pair in zip(x, y, strict=True)])
            torch.testing.assert_close(torch.func.vmap(measure)(x, y), one_by_one)


OPERATORS: dict[str, tuple[Any, Callable[[Tensor, Tensor], tuple[Any, ...]]]] = {
    "rbf_sum": (op._rbf_sum, lambda x, y: (x, y, BANDWIDTHS)),
    "rbf_sum_backward": (op._rbf_sum_backward, lambda x, y: (x.sum(1).float(), x, y, BANDWIDTHS)),
    "distance_sum": (op._distance_sum, lambda x, y: (x, y)),
    "nearest": (op._nearest, lambda x, y: (x, y)),
    "kth_neighbour_distance": (op._kth_neighbour_distance, lambda x, y: (x, y, 2)),
    "count_within": (op._count_within, lambda x, y: (x, y, y.square().sum(1))),
}


class TestOperators:
    @pytest.mark.parametrize(("operator", "arguments"), OPERATORS.values(), ids=OPERATORS)
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
    def test_opcheck(
        self, operator: Any, arguments: Callable[..., tuple[Any, ...]], dtype: torch.dtype
    ) -> None:
        x, y = points(9, 3, 2, dtype)
        torch.library.opcheck(operator, arguments(x, y))
        # Any strides, and no x at all.
        for x_, y_ in ((x.mT.contiguous().mT, y.expand(3, 2)), (x[:0], y)):
            torch.library.opcheck(
                operator, arguments(x_, y_), test_utils=("test_schema", "test_faketensor")
            )

    def test_the_fused_sum_compiles_to_one_graph(self) -> None:
        x, y = points(9, 3, 2)
        x.requires_grad_()
        for function in (
            lambda x, y: fused_rbf_sum(x, y, BANDWIDTHS),
            lambda x, y: rbf_sum(x, y, BANDWIDTHS),
        ):
            compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
            sums = compiled(x, y)
            truth = reference.rbf_table(x, y, BANDWIDTHS)
            torch.testing.assert_close(sums, truth)
            torch.testing.assert_close(
                torch.autograd.grad(sums.sum(), x), torch.autograd.grad(truth.sum(), x)
            )

    @pytest.mark.parametrize("impl", ["auto", "reference", "compile"])
    def test_the_measures_compile_to_one_graph(self, impl: Any) -> None:
        x, y = points(9, 3, 2)

        def measure(x: Tensor, y: Tensor, impl: Any) -> Tensor:
            radii = kth_neighbour_distance(y, y, 2, impl=impl)
            return count_within(x, y, radii, impl=impl) + nearest(x, y, impl=impl)

        compiled = torch.compile(measure, fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(x, y, impl), measure(x, y, "reference"))


class TestPublicFunctions:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_half_types_are_computed_in_float32(self, dtype: torch.dtype) -> None:
        x, y = points(9, 17, 5, dtype)
        singles = x.float(), y.float()
        sums = rbf_sum(x, y, BANDWIDTHS)
        assert sums.dtype == torch.float32
        assert torch.equal(sums, rbf_sum(*singles, BANDWIDTHS))
        radii = kth_neighbour_distance(y, y, 2)
        assert torch.equal(radii, kth_neighbour_distance(singles[1], singles[1], 2))
        assert torch.equal(count_within(x, y, radii), count_within(*singles, radii))
        assert torch.equal(nearest(x, y), nearest(*singles))

    @pytest.mark.slow
    @pytest.mark.skipif(
        not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))), reason="no C++ compiler"
    )
    def test_compile_agrees_with_the_reference(self) -> None:
        x, y = points(5, 3, 2, torch.float32)
        sums = rbf_sum(x, y, BANDWIDTHS, impl="compile")
        assert_close(sums, reference.rbf_table(x.double(), y.double(), BANDWIDTHS))

    def test_a_nan_is_not_hidden_in_a_sum(self) -> None:
        x, y = points(4, 3, 2)
        x[2, 1] = float("nan")
        assert rbf_sum(x, y, BANDWIDTHS).isnan().tolist() == [False, False, True, False]
        assert distance_sum(x, y).isnan().tolist() == [False, False, True, False]


class TestErrors:
    x, y = torch.zeros(8, 4), torch.zeros(5, 4)

    def test_images_that_are_no_rows(self) -> None:
        with pytest.raises(ValueError, match=r"x has shape \(8, 28, 28\).*flatten\(start_dim=1\)"):
            nearest(torch.zeros(8, 28, 28), torch.zeros(5, 784))

    def test_spaces_that_differ(self) -> None:
        with pytest.raises(ValueError, match=r"4 and 64 columns.*two different networks"):
            distance_sum(self.x, torch.zeros(5, 64))
        with pytest.raises(ValueError, match=r"4 and 5 columns.*transposed"):
            distance_sum(torch.zeros(5, 4), torch.zeros(4, 5))

    def test_dtypes_that_differ(self) -> None:
        with pytest.raises(TypeError, match=r"x and y must have one dtype.*NumPy are float64"):
            rbf_sum(self.x, self.y.double(), [1.0])

    def test_bytes(self) -> None:
        with pytest.raises(TypeError, match=r"x has dtype torch\.uint8"):
            nearest(self.x.byte(), self.y)

    def test_devices_that_differ(self) -> None:
        with pytest.raises(ValueError, match=r"one device; got cpu and meta"):
            nearest(self.x, self.y.to("meta"))

    def test_something_that_is_no_tensor(self) -> None:
        with pytest.raises(TypeError, match=r"y is a list; expected a torch\.Tensor"):
            nearest(self.x, [[0.0] * 4])  # type: ignore[arg-type]

    @pytest.mark.parametrize("bandwidths", [[0.0], [1.0, -1.0], [math.nan], [math.inf]])
    def test_bandwidths_that_are_not_positive(self, bandwidths: list[float]) -> None:
        with pytest.raises(ValueError, match=r"must be positive.*copies of each other"):
            rbf_sum(self.x, self.y, bandwidths)

    def test_bandwidths_that_are_none_or_no_sequence(self) -> None:
        with pytest.raises(ValueError, match="bandwidths is empty"):
            rbf_sum(self.x, self.y, [])
        with pytest.raises(TypeError, match=r"one number; expected a sequence: \[2\.0\]"):
            rbf_sum(self.x, self.y, 2.0)  # type: ignore[arg-type]

    def test_more_neighbours_than_points(self) -> None:
        with pytest.raises(ValueError, match=r"y has 5 rows and needs at least 6"):
            kth_neighbour_distance(self.x, self.y, 6)
        with pytest.raises(ValueError, match=r"k is 0; neighbours are counted from 1"):
            kth_neighbour_distance(self.x, self.y, 0)

    def test_no_points_to_choose_from(self) -> None:
        with pytest.raises(ValueError, match="no nearest of none"):
            nearest(self.x, self.y[:0])

    def test_radii_of_the_other_set(self) -> None:
        with pytest.raises(ValueError, match=r"\(8,\); expected.*5 rows of y.*the other set"):
            count_within(self.x, self.y, torch.ones(8))

    def test_the_kernel_asked_for_on_a_cpu(self) -> None:
        with pytest.raises(RuntimeError, match="cannot run here"):
            nearest(self.x, self.y, impl="triton")
