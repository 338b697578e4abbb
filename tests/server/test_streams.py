"""A stream is read in one task, from the first item to the last; its status is committed beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel.errors import Upstream
from headgate.kernel.run import Run
from headgate.server import streams
from headgate.testing.house import House, Streamed, open_house
from headgate.testing.postgres import TemporaryDatabase
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import MODEL_INVOKE, ModelEvent, ModelReply
from headgate.wire.openai_chat import dialect
from headgate.wire.sse import SseEvent

BODY = {"model": "local-chat", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
WORDS = ("one ", "two ", "three")
IN_ITEM: ContextVar[int] = ContextVar("in_item")


class Timed:
    """Performs `model.invoke` with a timeout and a context variable that stay open from item to item.

    Its first item comes once `may_answer` is set; `error` is raised in its place.
    """

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.error: Upstream | None = None
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.entered = asyncio.Event()

    async def run(self, run: Run[Any, Any, Any]) -> ModelReply:
        return ModelReply("openai_chat", JsonDocument(b"{}"))

    def stream(self, run: Run[Any, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        return self._stream()

    @asynccontextmanager
    async def _stream(self) -> AsyncGenerator[AsyncIterator[ModelEvent]]:
        self.tasks.append(asyncio.current_task())
        self.entered.set()
        async with aclosing(self._events()) as events:
            yield events
        self.tasks.append(asyncio.current_task())

    async def _events(self) -> AsyncGenerator[ModelEvent]:
        reader = dialect.read_events()
        async with asyncio.timeout(30):
            token = IN_ITEM.set(0)
            await self.may_answer.wait()
            if self.error is not None:
                raise self.error
            for number, word in enumerate(WORDS, 1):
                self.tasks.append(asyncio.current_task())
                chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": word}}]}
                for event in reader.feed(SseEvent("", json.dumps(chunk).encode())):
                    yield event
                assert IN_ITEM.get() == number - 1, "the context is the same from item to item"
                IN_ITEM.set(number)
            IN_ITEM.reset(token)


@pytest.fixture
def timed() -> Timed:
    return Timed()


@pytest.fixture
async def house(
    fresh_database: TemporaryDatabase, tmp_path: Path, console: Path, patterns: Path, timed: Timed
) -> AsyncGenerator[House]:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "cache").symlink_to(patterns)
    async with open_house(
        fresh_database, folder=tmp_path / "data", console=console, performers={MODEL_INVOKE.name: timed}
    ) as opened:
        yield opened


async def asking(house: House) -> Streamed:
    key = await house.register("worker")
    headers = {"host": "127.0.0.1:8080", "content-type": "application/json", "authorization": f"Bearer {key}"}
    return Streamed(house.app, "POST", "/v1/chat/completions", headers, json.dumps(BODY).encode())


async def test_one_task_enters_a_stream_reads_every_item_and_leaves_it(house: House, timed: Timed) -> None:
    timed.may_answer.set()
    request = await asking(house)
    await request.run()
    assert request.status == 200
    assert "three" in request.text and "[DONE]" in request.text
    assert len(timed.tasks) == 1 + len(WORDS) + 1
    assert set(timed.tasks) == {asyncio.current_task()}


async def test_the_status_is_committed_while_the_first_item_is_awaited_in_that_task(
    house: House, timed: Timed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "COMMIT_S", 0.01)
    request = await asking(house)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        answering = group.create_task(request.run())
        await request.started.wait()
        assert (request.status, request.text) == (200, "")
        assert "x-headgate-record" in request.answer_headers
        timed.may_answer.set()
    assert "three" in request.text and "[DONE]" in request.text
    assert set(timed.tasks) == {answering}


async def test_a_failure_before_the_status_is_committed_has_its_own_and_one_after_it_is_an_event(
    house: House, timed: Timed, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed.error = Upstream("the provider is away", retryable=False)
    early = await asking(house)
    timed.may_answer.set()
    await early.run()
    assert early.status == 502
    timed.may_answer.clear()
    monkeypatch.setattr(streams, "COMMIT_S", 0.01)
    late = await asking(house)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(late.run())
        await late.started.wait()
        timed.may_answer.set()
    assert late.status == 200
    assert "the provider is away" in late.text


async def test_a_client_that_leaves_before_the_first_item_stops_the_stream(house: House, timed: Timed) -> None:
    request = await asking(house)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(request.run())
        await timed.entered.wait()
        request.leave()
    assert not request.started.is_set()
    assert [record["outcome"] for record in await house.records(verb=MODEL_INVOKE.name)] == ["abandoned"]
