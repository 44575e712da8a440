"""Which implementation of an operation runs: the one place that decides."""

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch.autograd import forward_ad

__all__ = ["TRITON_DEVICES", "Implementation", "choose", "compiled", "under_transform"]

Implementation = Literal["auto", "reference", "compile", "triton"]

HAS_TRITON = importlib.util.find_spec("triton") is not None

# Where a Triton kernel serves an operator. Triton's interpreter, if asked for, makes a CPU do.
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
TRITON_DEVICES = ("cuda", "cpu") if INTERPRETED else ("cuda",)

# The oldest NVIDIA GPU that the tests compile every kernel for: Turing, which is Colab's T4.
OLDEST_CAPABILITY = (7, 5)


def choose(impl: Implementation, device: torch.device) -> Implementation:
    """Return the implementation that runs on `device`: "reference", "compile" or "triton".

    "auto" is the kernel on a GPU that can run it and the reference everywhere else: on a CPU the
    call of a custom operator alone takes longer than the arithmetic of a small batch.

    Raises:
        ValueError: If `impl` names no implementation.
        RuntimeError: If the kernel was asked for by name and cannot run on `device`.
    """
    if impl not in get_args(Implementation):
        names = ", ".join(f'"{name}"' for name in get_args(Implementation))
        raise ValueError(f"impl={impl!r} names no implementation; expected one of {names}.")
    # Under torch.compile the reference is compiled already, with whatever surrounds it.
    if impl == "compile" and torch.compiler.is_compiling():
        return "reference"
    if impl == "auto":
        return "triton" if device.type == "cuda" and _obstacle(device) is None else "reference"
    if impl == "triton":
        obstacle = _obstacle(device)
        if obstacle is not None:
            raise RuntimeError(
                f'impl="triton" cannot run here: {obstacle} '
                'With impl="auto" plain PyTorch steps in by itself.'
            )
    return impl


def _obstacle(device: torch.device) -> str | None:
    """Say why a Triton kernel cannot run on this device, or return None when it can."""
    if not HAS_TRITON:
        return "Triton is not installed (on Linux: pip install 'gencourse[gpu]')."
    if device.type not in TRITON_DEVICES:
        if device.type != "cpu":
            return (
                f"the tensors are on {str(device)!r}, a kind of device Triton has no kernels for."
            )
        return (
            "the tensors are on the CPU and the kernel needs a GPU. Move the model and its inputs "
            'with .to("cuda"), or, to have the kernel interpreted on the CPU, slowly, set '
            "TRITON_INTERPRET=1 in the environment before Python starts."
        )
    # Inside torch.compile there is no need to look: its own code for this GPU is Triton too.
    if INTERPRETED or torch.version.hip is not None or torch.compiler.is_compiling():
        return None
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        found, needed = (".".join(map(str, pair)) for pair in (capability, OLDEST_CAPABILITY))
        return (
            f"{torch.cuda.get_device_name(device)} has compute capability {found} and the kernel "
            f"needs {needed} or newer."
        )
    return None


def under_transform() -> bool:
    """Whether a `torch.func` transform or forward-mode differentiation is at work right now.

    A kernel knows nothing of batched or dual tensors; left alone it would fail or, worse, drop the
    tangent and answer with a derivative of zero. Under a transform the reference runs instead.
    """
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


@functools.cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.compile(function)`, made when first needed: the compiler takes seconds to import."""
    return torch.compile(function)
