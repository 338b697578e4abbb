"""Slots of the embedded chat model: whose they are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from headgate.gateway.embedded.slots import Slots


async def used(slots: Slots, caller: str | None) -> tuple[int | None, bool]:
    async with slots.one(caller) as place:
        return place.slot, place.may_continue


async def test_a_caller_gets_its_own_slot_back_as_long_as_nobody_needed_it() -> None:
    slots = Slots(2)
    assert await used(slots, "ann") == (0, False)
    assert await used(slots, "bob") == (1, False)
    assert await used(slots, "ann") == (0, True)
    assert await used(slots, "cid") == (1, False), "the one that was used longest ago"
    assert await used(slots, "bob") == (0, False)
    assert await used(slots, None) == (1, False)
    assert await used(slots, None) == (0, False)


async def test_two_requests_of_one_caller_at_once_have_a_slot_each() -> None:
    slots = Slots(2)
    async with slots.one("ann") as one, slots.one("ann") as two:
        assert {one.slot, two.slot} == {0, 1}
    assert (await used(slots, "ann"))[1]


async def test_who_comes_when_all_are_taken_waits() -> None:
    slots = Slots(1)
    async with asyncio.TaskGroup() as group, slots.one("ann"):
        waiting = group.create_task(used(slots, "bob"))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert waiting.result() == (0, False)


async def test_while_a_request_spreads_over_slots_nobody_goes_on_from_any() -> None:
    slots = Slots(3)
    await used(slots, "ann")
    async with AsyncExitStack() as stack:
        wide = await stack.enter_async_context(slots.several())
        assert (wide.slot, wide.may_continue) == (None, False)
        assert not (await used(slots, "bob"))[1]
        assert not (await used(slots, "bob"))[1]
    assert not (await used(slots, "bob"))[1]
    assert not (await used(slots, "ann"))[1]
    assert (await used(slots, "ann"))[1]
