"""What every operation asks of its arguments, and the errors that say so."""

import torch
from torch import Tensor

__all__ = ["check_tensors"]

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_tensors(arguments: dict[str, Tensor], *, dtype_cause: str, device_cause: str) -> None:
    """Refuse what is not a floating-point tensor, and tensors that differ in dtype or device.

    Args:
        arguments: The tensors by the names that the caller knows them by.
        dtype_cause: How they usually come to have different dtypes, and the remedy.
        device_cause: How they usually come to be on different devices, and the remedy.

    Raises:
        TypeError: If an argument is not a floating-point tensor, or the dtypes differ.
        ValueError: If the devices differ.
    """
    for name, argument in arguments.items():
        if not isinstance(argument, Tensor):
            raise TypeError(f"{name} is a {type(argument).__name__}; expected a torch.Tensor.")
        if argument.dtype not in DTYPES:
            raise TypeError(
                f"{name} has dtype {argument.dtype}; expected float16, bfloat16, float32 or "
                f"float64. Did counts or pixel values get here? {name}.float() converts."
            )
    names = listed(arguments)
    dtypes = [str(argument.dtype) for argument in arguments.values()]
    if len(set(dtypes)) > 1:
        raise TypeError(f"{names} must have one dtype; got {listed(dtypes)}. {dtype_cause}")
    devices = [str(argument.device) for argument in arguments.values()]
    if len(set(devices)) > 1:
        raise ValueError(f"{names} must be on one device; got {listed(devices)}. {device_cause}")


def listed(words: dict[str, Tensor] | list[str]) -> str:
    """Write a list as a sentence does: a, b and c."""
    *rest, last = words
    return f"{', '.join(rest)} and {last}"
