"""Assigns llama.cpp's slots to callers, so that no caller reuses another caller's prompt cache.

A slot caches its last prompt, and a prompt with the same beginning continues from the cache. It
then answers sooner and reports the cached tokens. Across callers, both would reveal another's
prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The slot of a request, None for any, and whether the request may use the slot's cache."""

    slot: int | None
    may_continue: bool


class Slots:
    """Gives each request a slot; use from one event loop."""

    def __init__(self, count: int) -> None:
        self._room = asyncio.Semaphore(count)
        self._free = list(range(count))
        self._owners: list[str | None] = [None] * count
        self._wide = 0

    @asynccontextmanager
    async def one(self, caller: str | None) -> AsyncGenerator[Place]:
        """Wait for a slot: the caller's own if it is free, else the least recently used one.

        A request without a caller name uses no cache and leaves none.
        """
        async with self._room:
            own = [slot for slot in self._free if caller is not None and self._owners[slot] == caller]
            slot = own[-1] if own else self._free[0]
            self._free.remove(slot)
            self._owners[slot] = caller
            try:
                yield Place(slot, may_continue=bool(own) and not self._wide)
            finally:
                self._free.append(slot)

    @asynccontextmanager
    async def several(self) -> AsyncGenerator[Place]:
        """Wait for room for a request with several answers; llama.cpp chooses the slots.

        Afterwards no caller owns a slot.
        """
        async with self._room:
            self._wide += 1
            slot = self._free.pop(0)
            try:
                yield Place(None, may_continue=False)
            finally:
                self._free.append(slot)
                self._owners = [None] * len(self._owners)
                self._wide -= 1
