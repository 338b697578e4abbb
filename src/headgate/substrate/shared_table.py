"""A bounded cache of small values in a memory-mapped file that the processes of one machine share.

It may lose values: to a newer value, to a concurrent write of the same slot, or with the file. A read returns a
complete value or none.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from pathlib import Path

KEY_BYTES = 16
MOST_VALUE_BYTES = 474

_SLOT_BYTES = 512
_WAYS = 8
_BUCKET_BYTES = _SLOT_BYTES * _WAYS  # one page
_HEAD = struct.Struct(f"<{KEY_BYTES}s12sQH")  # key, check, when it was written, size of the value
_CHECKED = struct.Struct("<QH")
_KEYS = struct.Struct("<" + f"{KEY_BYTES}s{_SLOT_BYTES - KEY_BYTES}x" * _WAYS)
"""The keys of a bucket."""

_TIMES = struct.Struct("<" + f"28xQ{_SLOT_BYTES - 36}x" * _WAYS)
"""The times of a bucket's values."""


class SharedTable:
    """The cache in one file. Its methods block for microseconds and are safe for threads and processes.

    Args:
        path: the file; created sparse if it is missing.
        slots: capacity in values, rounded up to buckets of eight; the same in every process.
    """

    def __init__(self, path: Path, *, slots: int) -> None:
        self._buckets = max(1, -(-slots // _WAYS))
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = self._buckets * _BUCKET_BYTES
            if os.fstat(handle).st_size < size:
                os.ftruncate(handle, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key of 16 bytes, or None."""
        at = self._find(key, self._bucket(key))
        if at < 0:
            return None
        _, check, written_at, size = _HEAD.unpack_from(self._map, at)
        value = self._map[at + _HEAD.size : at + _HEAD.size + min(size, MOST_VALUE_BYTES)]
        return value if check == _check(key, written_at, value) else None

    def put(self, key: bytes, value: bytes, *, written_at: int) -> None:
        """Store a value. Replaces the key's old value, or else the oldest value of its bucket.

        Args:
            written_at: any number that grows with time.

        Raises:
            ValueError: the value has more than 474 bytes.
        """
        if len(value) > MOST_VALUE_BYTES:
            raise ValueError(f"a value has at most {MOST_VALUE_BYTES} bytes")
        bucket = self._bucket(key)
        at = self._find(key, bucket)
        if at < 0:
            times = _TIMES.unpack_from(self._map, bucket)
            at = bucket + _SLOT_BYTES * times.index(min(times))
        head = _HEAD.pack(key, _check(key, written_at, value), written_at, len(value))
        self._map[at : at + len(head) + len(value)] = head + value

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    def _bucket(self, key: bytes) -> int:
        """Return the offset of the key's bucket."""
        return int.from_bytes(key[:8]) % self._buckets * _BUCKET_BYTES

    def _find(self, key: bytes, bucket: int) -> int:
        """Return the offset of the key's slot, or a negative number."""
        keys = _KEYS.unpack_from(self._map, bucket)
        return bucket + _SLOT_BYTES * keys.index(key) if key in keys else -1


def _check(key: bytes, written_at: int, value: bytes) -> bytes:
    return hashlib.blake2b(key + _CHECKED.pack(written_at, len(value)) + value, digest_size=12).digest()
