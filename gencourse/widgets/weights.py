"""The file in which a live figure keeps its numbers, read by js/lib/weights.mjs.

    "GMW1" | CRC-32 of all that follows | length of the header | header | padding | tensors

The header is JSON, {"meta": ..., "tensors": [{"name", "dtype", "shape"}, ...]}; the tensors follow
one after the other. Everything is little-endian, and header and tensors end on multiples of eight
bytes. The same numbers give the same bytes.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

MAGIC = b"GMW1"
DTYPES: dict[str, np.dtype[Any]] = {
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
    "u8": np.dtype("u1"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def pack(meta: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The file holding `meta` (anything JSON can say) and the tensors, of dtype float16, float32
    or uint8, in their order."""
    listing = [
        {"name": name, "dtype": NAMES[array.dtype], "shape": list(array.shape)}
        for name, array in tensors.items()
    ]
    header = json.dumps({"meta": meta, "tensors": listing}, separators=(",", ":")).encode()
    # The header starts after 12 bytes: pad so that the tensors begin at a multiple of eight.
    header += b" " * (-(12 + len(header)) % 8)
    body = b"".join(_padded(array.tobytes()) for array in tensors.values())
    rest = struct.pack("<I", len(header)) + header + body
    return MAGIC + struct.pack("<I", zlib.crc32(rest)) + rest


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The `meta` and the tensors of a file that `pack` wrote.

    Raises ValueError when the data is no such file or its checksum does not match.
    """
    if len(data) < 12 or data[:4] != MAGIC:
        raise ValueError(
            f"this is not the weights file of a live figure: {len(data)} bytes that start with "
            f"{data[:4]!r}, not {MAGIC!r}. Was it saved as text, or is it a Git LFS pointer?"
        )
    checksum, length = struct.unpack_from("<II", data, 4)
    if zlib.crc32(data[8:]) != checksum:
        raise ValueError(
            f"the weights file of a live figure is damaged: {len(data)} bytes whose checksum is "
            f"{zlib.crc32(data[8:]):08x}, not {checksum:08x}. Install the package again."
        )
    header = json.loads(data[12 : 12 + length])
    tensors, at = {}, 12 + length
    for entry in header["tensors"]:
        dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
        count = int(np.prod(shape))
        tensors[entry["name"]] = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += -(-count * dtype.itemsize // 8) * 8
    return header["meta"], tensors
