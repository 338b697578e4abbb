"""Tensors mapped from a safetensors file.

The file is a little-endian u64 length, that many bytes of JSON (name to dtype, shape and offsets), then raw numbers.
Source: the safetensors format description, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

_HEADER_LIMIT_BYTES = 1 << 20


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def map_floats(path: Path) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the float32 tensors of the file by name, memory-mapped and read-only.

    Raises:
        ValueError: the file is not of this format.
    """
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    header_bytes = int.from_bytes(raw[:8].tobytes(), "little")
    if raw.size < 8 or header_bytes > min(_HEADER_LIMIT_BYTES, raw.size - 8):
        raise ValueError(f"{path.name} is not a safetensors file: its header is longer than the file.")
    numbers = raw[8 + header_bytes :]
    tensors: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}
    for name, entry in msgspec.json.decode(raw[8 : 8 + header_bytes].tobytes(), type=dict[str, msgspec.Raw]).items():
        if name == "__metadata__":
            continue
        tensor = msgspec.json.decode(entry, type=_Entry)
        begin, end = tensor.data_offsets
        if tensor.dtype == "F32":
            tensors[name] = numbers[begin:end].view(np.float32).reshape(tensor.shape)
    return tensors
