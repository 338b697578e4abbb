"""Answers that go on without their reader."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headgate.chat import answers as module
from headgate.chat.answers import Answering, Answers
from headgate.kernel.identity import TenantId


async def test_an_answer_is_not_stopped_while_it_is_being_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker looks whether its answers shall stop, and finds no row of one that only begins."""
    monkeypatch.setattr(module, "_LOOK_S", 0)
    stored, answers = asyncio.Event(), Answers()
    pipeline: Any = None  # the answers of this test need none
    looks = 0

    async def shall_stop() -> bool:
        nonlocal looks
        looks += 1
        return True

    async def run(one: Answering) -> None:
        await stored.wait()
        one.is_stored = True
        async with one.until_stopped():
            await asyncio.Event().wait()

    looking = asyncio.create_task(answers.run_forever(pipeline))
    await asyncio.sleep(0)
    answering = Answering("conversation", (TenantId("default"), "clerk"), write=shall_stop)
    answers.start(answering, run)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (looks, answering.is_stopped) == (0, False)
    stored.set()
    async for _ in answering.follow():
        pass
    assert (looks > 0, answering.is_stopped, answering.error) == (True, True, None)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
