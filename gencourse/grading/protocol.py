"""The values that may pass between a learner's code and ours, and how they are written down.

A message is a JSON object and, behind it, the bytes of its arrays:

    | length of JSON (4 bytes) | length of arrays (4 bytes) | JSON | arrays |

Nothing in it can be executed: no pickle, no class name, no code. Both lengths have a limit, and
what arrives is checked against its own description before memory is spent on it.

The sandbox holds this file and `worker.py` and nothing else of the grader, so it imports only the
standard library, NumPy and PyTorch.
"""

import json
import math
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

__all__ = ["HEADER", "ProtocolError", "Value", "announced", "pack", "plain", "unpack"]

# What may cross: arrays, numbers, text, and tuples of them.
Value: TypeAlias = Tensor | float | int | bool | str | tuple["Value", ...] | None

HEADER = struct.Struct("<II")
MAX_JSON = 1 << 20
MAX_ARRAYS = 1 << 25
MAX_DIMENSIONS = 8
MAX_PARTS = 10_000
MAX_INTEGER = (1 << 63) - 1
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
}


class ProtocolError(ValueError):
    """A message that is not what this module writes."""


def plain(result: object, depth: int = 3) -> Value:
    """What a function returned, as a value that may cross: detached, dense, on the CPU.

    NumPy arrays become tensors and lists become tuples. Raises `TypeError` for anything else, and
    for a list of many parts: each is written down by itself, which takes far longer than a tensor.
    """
    if isinstance(result, Tensor):
        if result.device.type == "meta":
            raise TypeError(
                "The function returned a tensor on the device `meta`, which holds no values."
            )
        return result.detach().cpu().to_dense().resolve_conj().resolve_neg().clone()
    if isinstance(result, np.ndarray | np.generic):
        return torch.as_tensor(np.asarray(result)).clone()
    if result is None or isinstance(result, bool | float | str):
        return result
    if isinstance(result, int) and abs(result) <= MAX_INTEGER:
        return result
    if isinstance(result, list | tuple) and len(result) > MAX_PARTS:
        raise TypeError(
            f"The answer is too large: a list of {len(result):,} parts. Return a tensor instead."
        )
    if isinstance(result, list | tuple) and depth > 0:
        return tuple(plain(part, depth - 1) for part in result)
    raise TypeError(
        f"The function returned a value of type {type(result).__name__}, which cannot be marked. "
        "Return a tensor, a number, or a tuple of them."
    )


def pack(message: dict[str, Any], values: Sequence[Value] = ()) -> bytes:
    """Write a message and the values that go with it. Raises `ProtocolError` if it is too long."""
    arrays: list[bytes] = []
    try:
        described = [_describe(value, arrays) for value in values]
        text = json.dumps({**message, "values": described}).encode("ascii")
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"this cannot be written down: {error}") from error
    size = sum(map(len, arrays))
    if len(text) > MAX_JSON or size > MAX_ARRAYS:
        raise ProtocolError(f"the answer is too large: {len(text) + size:,} bytes")
    return HEADER.pack(len(text), size) + text + b"".join(arrays)


def announced(header: bytes) -> tuple[int, int]:
    """The lengths of the JSON and of the arrays that follow a header. Raises `ProtocolError`."""
    text, arrays = HEADER.unpack(header)
    if text > MAX_JSON or arrays > MAX_ARRAYS:
        raise ProtocolError("the message announces more than may be sent")
    return text, arrays


def unpack(text: bytes, arrays: bytes) -> tuple[dict[str, Any], tuple[Value, ...]]:
    """Read a message back. Whatever the bytes, the only exception is `ProtocolError`."""
    try:
        message = json.loads(text)
        values = message.pop("values")
        return message, tuple(_restore(value, memoryview(arrays)) for value in values)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ProtocolError("the message is not well formed") from error


def _describe(value: Value, arrays: list[bytes]) -> Any:
    if isinstance(value, Tensor):
        if value.dtype not in DTYPES.values():  # bfloat16, for one
            value = value.to(torch.float32)
        data = value.contiguous().numpy().tobytes()
        arrays.append(data)
        dtype = str(value.dtype).removeprefix("torch.")
        return {"dtype": dtype, "shape": list(value.shape), "start": sum(map(len, arrays[:-1]))}
    if isinstance(value, tuple):
        return [_describe(part, arrays) for part in value]
    return value


def _restore(described: Any, arrays: memoryview) -> Value:
    if isinstance(described, list):
        return tuple(_restore(part, arrays) for part in described)
    if isinstance(described, str):
        return described.encode(
            errors="replace"
        ).decode()  # half of a pair of surrogates is no text
    if isinstance(described, int) and abs(described) > MAX_INTEGER:
        raise ProtocolError("an integer larger than any array holds")
    if not isinstance(described, dict):
        return described if isinstance(described, float | int | bool) else None
    dtype, shape, start = DTYPES[described["dtype"]], described["shape"], described["start"]
    counts = [*shape, start]
    if len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in counts):
        raise ProtocolError("an array with an impossible shape")
    stop = start + math.prod(shape) * dtype.itemsize
    if stop > len(arrays):
        raise ProtocolError("an array longer than its bytes")
    if start == stop:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(arrays[start:stop]), dtype=dtype).reshape(shape)
