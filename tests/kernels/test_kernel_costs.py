"""The cost models say what PyTorch really does."""

from collections.abc import Callable

import pytest
import torch
from operations import Operation, pixels, spline, three_alike, weights_for
from traffic import Traffic

from gencourse.kernels.affine_coupling import cost as affine_coupling
from gencourse.kernels.logistic_mixture_nll import cost as logistic_mixture_nll
from gencourse.kernels.rational_quadratic_spline import cost as rational_quadratic_spline
from gencourse.kernels.reparameterize_kl import cost as reparameterize_kl
from gencourse.kernels.roofline import Cost

BOTH = (False, True)
SHAPES = [(128, 20), (7, 2), (3, 300)]


def moved(
    operation: Operation, shape: tuple[int, int], *, fused: bool, backward: bool
) -> tuple[int, int]:
    """The bytes that move and the launches that move them, counted as it runs in float32."""
    function = operation.fused if fused else operation.reference
    inputs = operation.inputs(*shape, dtype=torch.float32)
    weights = weights_for(operation.reference(*inputs))
    # The last of three alike is noise, or a shift whose gradient is at hand.
    leaves = operation.leaves(inputs)[: 2 if operation.draw is three_alike else None]
    if operation.kernel == "reparameterize_kl":
        inputs = (*leaves, inputs[-1].detach())
    with Traffic() as traffic:
        outputs = function(*inputs)
        if backward:
            torch.autograd.grad(outputs, leaves, weights)
    return traffic.bytes, traffic.launches


def agrees(cost: Cost, counted: tuple[int, int]) -> bool:
    return (cost.bytes, cost.launches) == counted


@pytest.mark.parametrize("backward", BOTH, ids=["forward", "forward and backward"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("model", "operation"),
    [
        (reparameterize_kl, Operation("reparameterize_kl", three_alike)),
        (affine_coupling, Operation("affine_coupling", three_alike, {"inverse": False})),
    ],
    ids=["reparameterize_kl", "affine_coupling"],
)
def test_model_counts_the_bytes_that_move_both_ways(
    model: object, operation: Operation, shape: tuple[int, int], backward: bool
) -> None:
    eager: Callable[..., Cost] = model.eager  # type: ignore[attr-defined]
    fused: Callable[..., Cost] = model.fused  # type: ignore[attr-defined]
    counted = moved(operation, shape, fused=False, backward=backward)
    assert agrees(eager(*shape, backward=backward), counted)
    # The way back of the affine coupling is handed the shift and has no need to read it.
    if operation.kernel == "reparameterize_kl" or not backward:
        counted = moved(operation, shape, fused=True, backward=backward)
        assert agrees(fused(*shape, backward=backward), counted)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_model_counts_the_bytes_that_the_spline_moves(shape: tuple[int, int]) -> None:
    operation = Operation("rational_quadratic_spline", spline, {"inverse": False, "bound": 3.0})
    bins = operation.inputs(*shape)[1].shape[-1]
    counted = moved(operation, shape, fused=False, backward=False)
    assert agrees(rational_quadratic_spline.eager(*shape, bins), counted)
    for backward in BOTH:
        counted = moved(operation, shape, fused=True, backward=backward)
        assert agrees(rational_quadratic_spline.fused(*shape, bins, backward=backward), counted)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_model_counts_the_bytes_that_the_mixture_moves(shape: tuple[int, int]) -> None:
    operation = Operation("logistic_mixture_nll", pixels, {"levels": 256}, data=1)
    size = operation.inputs(*shape)[1].shape
    count, components = size[:-1].numel(), size[-1]
    counted = moved(operation, shape, fused=False, backward=False)
    assert agrees(logistic_mixture_nll.eager(count, components), counted)
    for backward in BOTH:
        counted = moved(operation, shape, fused=True, backward=backward)
        assert agrees(logistic_mixture_nll.fused(count, components, backward=backward), counted)


def test_what_fusion_saves() -> None:
    def ratio(eager: Cost, fused: Cost) -> float:
        return eager.bytes / fused.bytes

    assert ratio(reparameterize_kl.eager(128, 20), reparameterize_kl.fused(128, 20)) > 4.8
    assert ratio(affine_coupling.eager(128, 20), affine_coupling.fused(128, 20)) > 2.2
    assert ratio(*(m(4096, 32, 8) for m in SPLINE)) > 15
    assert ratio(*(m(50176, 10) for m in MIXTURE)) > 13
    assert reparameterize_kl.eager(128, 20).launches == 23
    assert reparameterize_kl.fused(128, 20).launches == 2


SPLINE = (rational_quadratic_spline.eager, rational_quadratic_spline.fused)
MIXTURE = (logistic_mixture_nll.eager, logistic_mixture_nll.fused)
