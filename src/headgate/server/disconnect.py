"""Client disconnects: one callback for each connection, and a block that is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from headgate.server.asgi import ClientGone, Scope

DISCONNECT = "headgate.disconnect"
"""The key under which a request's scope holds its connection's `Disconnect`."""


class Disconnect:
    """Calls one registered callback when the client disconnects.

    ASGI's own way is a task for each request that waits for a message. It costs half as much as the HTTP itself.
    """

    __slots__ = ("_tell", "has_left")

    def __init__(self) -> None:
        self.has_left = False
        self._tell: Callable[[], None] | None = None

    def tell(self, whom: Callable[[], None] | None) -> None:
        """Register the disconnect callback; it runs at once if the client has left. None removes it."""
        self._tell = whom
        if whom is not None and self.has_left:
            whom()

    def leave(self) -> None:
        """Note that the client has left, and run the callback."""
        self.has_left = True
        if self._tell is not None:
            self._tell()


class until_disconnected:
    """Cancels the block when the client goes away, and then raises `ClientGone` instead of the cancellation."""

    __slots__ = ("_departure", "_is_gone", "_task")

    _task: asyncio.Task[Any]

    def __init__(self, scope: Scope) -> None:
        self._departure: Disconnect = scope.get(DISCONNECT) or Disconnect()
        self._is_gone = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._departure.tell(self._leave)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._departure.tell(None)
        if not self._is_gone:
            return
        # Take our cancellation off the task; otherwise it would hit the code after the block.
        is_ended_otherwise = self._task.uncancel() > 0
        if isinstance(error, asyncio.CancelledError):
            if not is_ended_otherwise:
                raise ClientGone from None
            return
        try:
            await asyncio.sleep(0)  # lets an undelivered cancellation arrive here
        except asyncio.CancelledError:
            if is_ended_otherwise:
                raise

    def _leave(self) -> None:
        self._is_gone = True
        self._task.cancel()
