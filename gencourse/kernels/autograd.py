"""How a fused operation gets its derivatives: one wrapper for all of them.

A fused operation is two custom operators, one for each of its kernels, which have no derivative of
their own: to `torch.compile` they are a name, the shapes of the results, and nothing to trace into.
`fuse` joins them in a `torch.autograd.Function`, and steps aside for plain PyTorch where a kernel
cannot follow: under `torch.func` transforms, in forward mode, and in a backward pass that will
itself be differentiated.

The tempting shorter way, `torch.library.register_autograd` on the first operator, answers
`torch.func.jvp` with zeros and says nothing.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gencourse.kernels import dispatch

__all__ = ["differentiated_again", "fuse"]


def fuse(
    operator: Callable[..., Any], reference: Callable[..., Any], gradients: Callable[..., Any]
) -> Callable[..., Any]:
    """Make one differentiable function of a forward operator and its written-out gradients.

    Args:
        operator: The custom operator, as `torch.ops` knows it: `torch.compile` cannot follow the
            object that `custom_op` returns into a closure. Its arguments are the tensors, then the
            options.
        reference: The same in plain PyTorch, for transforms. The same arguments.
        gradients: The vector-Jacobian product. It is called with a tuple that says which of the
            tensors need a gradient, the derivatives of the loss with respect to each result, the
            tensors and the options, and returns a gradient or None for each tensor.

    Returns:
        A function of the same arguments. On a CPU the operators compute the reference, so that all
        that is said here about derivatives is tested without a GPU.
    """

    class Fused(torch.autograd.Function):
        @staticmethod
        def forward(*inputs: Any) -> Any:
            return operator(*inputs)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            tensors = [argument for argument in inputs if isinstance(argument, Tensor)]
            ctx.save_for_backward(*tensors)
            ctx.options = inputs[len(tensors) :]

        @staticmethod
        def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
            tensors, options = ctx.saved_tensors, ctx.options
            needs = ctx.needs_input_grad[: len(tensors)]
            found = gradients(needs, *grad_outputs, *tensors, *options)
            return (*found, *(None for _ in options))

    def fused(*inputs: Any) -> Any:
        if dispatch.under_transform():
            return reference(*inputs)
        # Where nothing asks for a derivative, torch.compile would hand a context to a forward that
        # takes any number of arguments.
        tensors = (argument for argument in inputs if isinstance(argument, Tensor))
        if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
            return operator(*inputs)
        return Fused.apply(*inputs)  # type: ignore[no-untyped-call]

    return fused


def differentiated_again() -> bool:
    """Whether the gradients computed right now will be differentiated themselves.

    Grad mode is on in a backward pass only then (create_graph=True). An operator without a
    derivative cannot serve there, and the gradients are computed in plain PyTorch.
    """
    return torch.is_grad_enabled() or dispatch.under_transform()
