"""A clock and an identifier source that a test controls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class FakeClock:
    """A clock that moves only when the test advances it, on both scales at once."""

    def __init__(self, start: datetime = _START) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """Return the time in UTC, with its time zone."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Advance the time.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        self._elapsed_s += seconds


class FakeIds:
    """Identifiers that count upwards: `00…01`, `00…02`.

    Two instances return the same tokens.
    """

    def __init__(self) -> None:
        self._ulids = 0
        self._tokens = 0

    def ulid(self) -> str:
        """Return the next ULID, 26 characters."""
        self._ulids += 1
        value, digits = self._ulids, ""
        for _ in range(26):
            digits = _ALPHABET[value & 31] + digits
            value >>= 5
        return digits

    def token(self, size_bytes: int = 32) -> str:
        """Return the next token, as long as a real one of that many bytes."""
        self._tokens += 1
        return f"token{self._tokens}".ljust(-(-size_bytes * 4 // 3), "0")
