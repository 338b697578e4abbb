"""The system's clock and randomness. All other modules receive them as arguments."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache, partial

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))
_RANDOM_CHARS = 16
_LAST_PAIR = (1 << 10) - 1
_CHARS = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
"""For `translate`: a random character for each random byte."""


class SystemClock:
    """The system clock: aware UTC time and monotonic seconds. A call reads it about twenty times."""

    now = staticmethod(partial(datetime.now, UTC))
    monotonic = staticmethod(time.monotonic)


class RandomPool:
    """A buffer of random bytes from the system. Not safe for several threads or across a fork.

    A read from the system releases the interpreter's lock, and another thread may take it. On the hot path that costs
    more than the bytes.
    """

    def __init__(self, size_bytes: int = 8192) -> None:
        self._size_bytes = size_bytes
        self._pool = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        """Return that many bytes, each used once."""
        end = self._at + count
        if end > len(self._pool):
            self._pool, self._at, end = secrets.token_bytes(max(self._size_bytes, count)), 0, count
        taken, self._at = self._pool[self._at : end], end
        return taken


class SystemIds:
    """Strictly increasing ULIDs of this process, even if the clock goes back. Not safe for several threads.

    Within a millisecond each ULID is its predecessor plus one. After an overflow the next millisecond begins early.

    Source: the ULID specification, section on monotonicity.
    """

    def __init__(self) -> None:
        self._last_ms = -1
        self._stem = ""  # all but the last pair
        self._pair = 0
        self._random = RandomPool()

    def ulid(self) -> str:
        """Return a new ULID."""
        now_ms = time.time_ns() // 1_000_000
        if now_ms > self._last_ms or self._pair == _LAST_PAIR:
            self._last_ms = max(now_ms, self._last_ms + 1)
            drawn = self._random(_RANDOM_CHARS)
            self._stem = ulid_time(self._last_ms) + drawn.translate(_CHARS)[:-2].decode()
            self._pair = (drawn[-2] & 15) << 5 | drawn[-1] & 31  # the lower half, so that there is room above
        else:
            self._pair += 1
        return self._stem + _PAIRS[self._pair]

    def token(self, size_bytes: int = 32) -> str:
        """Return an unguessable URL-safe secret."""
        return secrets.token_urlsafe(size_bytes)


def format_ulid(value: int) -> str:
    """Encode a 128-bit ULID in Crockford's base 32, in 26 characters."""
    pairs = _PAIRS
    return "".join([pairs[value >> shift & 1023] for shift in _SHIFTS])


def ulid_time(ms: int) -> str:
    """Encode the first ten characters of a ULID: its time in milliseconds since 1970."""
    return _early(ms >> 20) + _PAIRS[ms >> 10 & 1023] + _PAIRS[ms & 1023]


@lru_cache(maxsize=8)
def _early(million_ms: int) -> str:
    """Encode the first six characters, which change every 17 minutes."""
    return _PAIRS[million_ms >> 20] + _PAIRS[million_ms >> 10 & 1023] + _PAIRS[million_ms & 1023]
