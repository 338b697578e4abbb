"""Waits for what another task or process makes so, and that nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]], *, within_s: float = 30.0, look_s: float = 0.02) -> T:
    """Look until there is a result, and return it.

    Raises:
        TimeoutError: there was none in time.
    """
    async with asyncio.timeout(within_s):
        while not (found := await look()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(look_s)
    return found
