"""The fused operations, each as the contract's tests see it.

A test that holds of every kernel is written once, in `test_kernel_contract.py` and its companions
for the interpreter and the GPU, and runs over `OPERATIONS`. What is true of one kernel alone is in
that kernel's own file. To put a kernel under the contract, list it here.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

import gencourse.kernels

Draw = Callable[..., Tensor]
Function = Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class Operation:
    """One operation with its options.

    Args:
        kernel: The folder in `gencourse.kernels`, and the name of the public function.
        draw: Makes the tensors that it takes: from `randn(*shape)`, a source of normal numbers,
            and the shape of the first, (..., d).
        options: What follows the tensors: keywords of the public function, positional inside.
        data: How many of the tensors, from the first, have no derivative.
    """

    kernel: str
    draw: Callable[[Draw, tuple[int, ...]], tuple[Tensor, ...]]
    options: dict[str, Any] = field(default_factory=dict)
    data: int = 0

    def __str__(self) -> str:
        directions = {True: " inverse", False: " forward"}
        return self.kernel + directions.get(self.options.get("inverse"), "")  # type: ignore[arg-type]

    def inputs(
        self, *shape: int, dtype: torch.dtype = torch.float64, device: str = "cpu"
    ) -> tuple[Tensor, ...]:
        """The same tensors for the same shape, at whatever precision."""
        generator = torch.Generator(device).manual_seed(sum(shape))
        randn = partial(torch.randn, generator=generator, dtype=torch.float64, device=device)
        return tuple(tensor.to(dtype) for tensor in self.draw(randn, shape))

    def leaves(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Those inputs that have a derivative, now asking for one."""
        return tuple(tensor.requires_grad_() for tensor in inputs[self.data :])

    def module(self, name: str) -> Any:
        return importlib.import_module(f"gencourse.kernels.{self.kernel}.{name}")

    @property
    def op(self) -> Any:
        return self.module("op")

    def public(self, *inputs: Tensor, impl: Any = "auto") -> tuple[Tensor, ...]:
        function = getattr(gencourse.kernels, self.kernel)
        return as_tuple(function(*inputs, **self.options, impl=impl))

    # Functions and not methods: torch.compile follows what they hold, not how it is found.
    @property
    def fused(self) -> Function:
        """The kernel with its derivatives. On a CPU its two operators compute the reference."""
        function, options = self.op.fused, tuple(self.options.values())
        return lambda *inputs: as_tuple(function(*inputs, *options))

    @property
    def reference(self) -> Function:
        function, options = getattr(self.module("reference"), self.kernel), self.options.values()
        return lambda *inputs: as_tuple(function(*inputs, *options))

    def gradients(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """The reference's, written out: of the derivatives of the results, then the inputs."""
        found: tuple[Tensor, ...] = self.module("reference").gradients(
            *arguments, *self.options.values()
        )
        return found

    def truth(self, inputs: tuple[Tensor, ...], weights: tuple[Tensor, ...]) -> "Answer":
        """Results and gradients in float64, for inputs of whatever precision."""
        return self.by_autograd(self.reference, double(inputs), double(weights))

    def by_autograd(
        self,
        function: Function,
        inputs: tuple[Tensor, ...],
        weights: tuple[Tensor, ...],
    ) -> "Answer":
        leaves = self.leaves(inputs)
        outputs = function(*inputs)
        gradients = torch.autograd.grad(outputs, leaves, weights, materialize_grads=True)
        return Answer(tuple(output.detach() for output in outputs), gradients)


class Answer(NamedTuple):
    outputs: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]


def double(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(tensor.detach().double() for tensor in tensors)


def as_tuple(results: Any) -> tuple[Tensor, ...]:
    return results if isinstance(results, tuple) else (results,)


def weights_for(outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A derivative of some loss with respect to each result."""
    generator = torch.Generator(outputs[0].device).manual_seed(1)
    return tuple(
        torch.randn(
            output.shape, generator=generator, dtype=torch.float64, device=output.device
        ).to(output.dtype)
        for output in outputs
    )


def three_alike(randn: Draw, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    return randn(*shape), randn(*shape), randn(*shape)


def spline(randn: Draw, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """One number in twenty lies outside the interval; at least two bins, at most eight.

    Half a standard deviation keeps the curve from being so steep that one number's rounding
    outweighs all others'.
    """
    bins = 2 + sum(shape) % 7
    x, widths, heights = 1.5 * randn(*shape), randn(*shape, bins) / 2, randn(*shape, bins) / 2
    return x, widths, heights, randn(*shape, bins - 1) / 2


def pixels(randn: Draw, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """The first and the last level come up often; scales from a fifth of a level to an eighth."""
    components = 2 + sum(shape) % 7
    x = (128 + 150 * randn(*shape)).round().clamp(0, 255)
    logits, means, log_scales = (randn(*shape, components) for _ in range(3))
    return x, logits, means, log_scales - 4


OPERATIONS = [
    Operation("reparameterize_kl", three_alike),
    Operation("affine_coupling", three_alike, {"inverse": False}),
    Operation("affine_coupling", three_alike, {"inverse": True}),
    Operation("rational_quadratic_spline", spline, {"inverse": False, "bound": 3.0}),
    Operation("rational_quadratic_spline", spline, {"inverse": True, "bound": 3.0}),
    Operation("logistic_mixture_nll", pixels, {"levels": 256}, data=1),
]
