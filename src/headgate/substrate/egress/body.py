"""The bounded queue between a connection that receives and a caller that reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from headgate.kernel.errors import HeadgateError

HIGH_WATER = 256 * 1024


def names_places(error: HeadgateError) -> HeadgateError:
    """Return the error, which names hosts and addresses: its `detail` says that this is not for callers."""
    if error.detail is None:
        error.detail = error.message
    return error


class BodyQueue:
    """Pieces of one body: put by the connection, taken by one reader.

    Args:
        loop: the loop that both run in.
        on_drained: called when a queue that was full has room again.
    """

    __slots__ = ("_ended", "_error", "_loop", "_on_drained", "_pieces", "_size", "_waiter", "is_full")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_drained: Callable[[], None]) -> None:
        self._loop = loop
        self._on_drained = on_drained
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: HeadgateError | None = None
        self._ended = False
        self.is_full = False

    @property
    def is_read(self) -> bool:
        """Whether the reader has everything and the body ended well."""
        return self._ended and not self._pieces

    def put(self, piece: bytes) -> bool:
        """Add a piece without waking the reader (see `wake`); True when the sender has to pause now."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size <= HIGH_WATER or self.is_full:
            return False
        self.is_full = True
        return True

    def wake(self) -> None:
        """Let the reader run if it waits."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def end(self) -> None:
        """The body is whole."""
        self._ended = True
        self.wake()

    def fail(self, error: HeadgateError) -> None:
        """The body will not become whole; the reader gets what arrived and then the error. The first error stays."""
        if not self._ended and self._error is None:
            self._error = names_places(error)
        self.wake()

    async def take(self) -> bytes:
        """What has arrived since the last call, as one piece; waits for the first byte only. Empty at the end.

        Raises:
            HeadgateError: the body was cut, stalled or broke a rule, after everything that arrived was taken.
        """
        pieces = self._pieces
        while not pieces:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            if self._waiter is not None:
                raise RuntimeError("A body has one reader.")
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self.is_full:
            self.is_full = False
            self._on_drained()
        return piece
