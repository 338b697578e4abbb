"""Large content is worked on beside the event loop, small content on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from headgate.kernel.action import Action
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision
from headgate.kernel.labels import Clearance, Labels
from headgate.testing.notes import Piece, finding, send
from headgate.testing.pipeline import Bench
from headgate.testing.ports import FakeLabeller, FakePerformer
from headgate.testing.transform import FakeExchange, FakeTransformer


class Watched(FakeLabeller):
    """Remembers on which thread it was asked; a glance tells all where it is told so."""

    def __init__(self, *, is_clear: bool = False) -> None:
        super().__init__()
        self.threads: list[int] = []
        self.is_clear = is_clear

    def label(self, action: Action[Any, Any, Any]) -> Labelled:
        self.threads.append(threading.get_ident())
        return super().label(action)

    def glance(self, action: Action[Any, Any, Any]) -> Labelled | None:
        return self.label(action) if self.is_clear else None


class WatchedExchange(FakeExchange):
    """Remembers on which thread it was asked."""

    threads: list[int]

    def item(self, item: Any) -> Sequence[Any]:
        self.threads.append(threading.get_ident())
        return super().item(item)

    def result(self, result: Any) -> Any:
        self.threads.append(threading.get_ident())
        return super().result(result)


class WatchedTransformer(FakeTransformer):
    """Remembers on which thread it was asked, and on which its exchanges were."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def transform(
        self, action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, receiver: Clearance
    ) -> FakeExchange:
        self.threads.append(threading.get_ident())
        exchange = WatchedExchange(action.payload, labelled=labelled, mask=frozenset(), output=Labels())
        exchange.threads = self.threads
        return exchange


@pytest.mark.parametrize(
    ("size", "is_clear", "is_on_loop"),
    [(1000, False, True), (10_000, False, False), (10_000, True, True), (300_000, True, False)],
)
async def test_only_what_takes_little_time_is_labelled_on_the_event_loop(
    size: int, is_clear: bool, is_on_loop: bool
) -> None:
    labeller = Watched(is_clear=is_clear)
    await Bench(labeller=labeller).pipeline().run(send("x" * size))
    assert [thread == threading.get_ident() for thread in labeller.threads] == [is_on_loop]


@pytest.mark.parametrize(("size", "is_on_loop"), [(1000, True), (10_000, False)])
async def test_only_little_is_masked_and_restored_on_the_event_loop(size: int, is_on_loop: bool) -> None:
    transformer = WatchedTransformer()
    labeller = FakeLabeller(Labelled(findings=(finding("pii", 0, 1),)))
    performer = FakePerformer(items=[Piece("x" * size)])
    pipeline = Bench(labeller=labeller, transformer=transformer, performer=performer).pipeline()
    await pipeline.run(send("x" * size))
    async with pipeline.stream(send("x" * size)) as stream:
        assert [item async for item in stream.items] == [Piece("x" * size)]
    assert [thread == threading.get_ident() for thread in transformer.threads] == [is_on_loop] * 4


class Slow(FakeLabeller):
    """Labels until it is told to go on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.begun = asyncio.Event()
        self.goes_on = threading.Event()
        self.is_done = False

    def label(self, action: Action[Any, Any, Any]) -> Labelled:
        self.loop.call_soon_threadsafe(self.begun.set)
        assert self.goes_on.wait(30)
        self.is_done = True
        return super().label(action)


async def test_what_is_cancelled_is_not_worked_on_any_more_once_its_record_is_closed() -> None:
    labeller = Slow(asyncio.get_running_loop())
    bench = Bench(labeller=labeller)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.pipeline().run(send("x" * 10_000)))
        await labeller.begun.wait()
        task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not bench.recorder.closings
        labeller.goes_on.set()
    assert task.cancelled()
    assert labeller.is_done
    assert [closing.outcome for closing in bench.recorder.closings] == ["abandoned"]
