"""Who computes in which slot of llama.cpp, so that nobody continues from another's prompt.

A slot keeps what it computed last, and a prompt that begins alike is continued from there: sooner, and with a count of
cached tokens that says so. Between callers both would tell what somebody else has asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request is computed: in a slot, or None wherever there is room; and whether it may go on from there."""

    slot: int | None
    may_continue: bool


class Slots:
    """The slots, given to callers one request at a time; use from one event loop."""

    def __init__(self, count: int) -> None:
        self._room = asyncio.Semaphore(count)
        self._free = list(range(count))
        self._owners: list[str | None] = [None] * count
        self._wide = 0

    @asynccontextmanager
    async def one(self, caller: str | None) -> AsyncGenerator[Place]:
        """Wait for a slot: the caller's own where it is free, else the one that was used longest ago.

        A caller without a name goes on from nothing, and nothing goes on from it.
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
        """Wait for room for a request that llama.cpp spreads over slots of its own choice: nobody owns one then."""
        async with self._room:
            self._wide += 1
            slot = self._free.pop(0)
            try:
                yield Place(None, may_continue=False)
            finally:
                self._free.append(slot)
                self._owners = [None] * len(self._owners)
                self._wide -= 1
