"""Clients that stop reading, and clients that go while something else goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.faults.conftest import body_of, open_gate

from headgate.kernel.errors import Unavailable
from headgate.server.asgi import ClientGone, Message, Scope
from headgate.server.disconnect import DISCONNECT, Disconnect, until_disconnected
from headgate.server.streams import SILENCE_S, OpenStream, OpenStreams
from headgate.testing.clock import FakeClock
from headgate.testing.simulator import Script
from headgate.wire import openai_chat
from headgate.wire.model_call import ModelCall

pytestmark = pytest.mark.fault


class Client:
    """A connection as the server has it: sending waits while the client does not read, and nothing follows the end."""

    def __init__(self, streams: OpenStreams, clock: FakeClock) -> None:
        call: ModelCall = openai_chat.dialect.read_call(body_of("hello", stream=True), headers={})
        self.stream = OpenStream(self._send, openai_chat.dialect.write_events(call), clock)
        self.reads = asyncio.Event()
        self.reads.set()
        self.heard = b""
        self.is_over = False
        self.got_something = asyncio.Event()
        streams.add(self.stream)

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        assert not self.is_over, "sent after the end of the answer"
        if message["type"] == "http.response.body":
            self.heard += message["body"]
            self.is_over = not message["more_body"]
            self.got_something.set()


@asynccontextmanager
async def sweeping(streams: OpenStreams) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as group:
        sweep = group.create_task(streams.sweep_forever(every_s=0.001))
        yield
        sweep.cancel()


async def test_a_client_that_does_not_read_keeps_no_heartbeat_from_the_others() -> None:
    clock = FakeClock()
    streams = OpenStreams(clock)
    stuck, other = Client(streams, clock), Client(streams, clock)
    for client in (stuck, other):
        await client.stream.start([])
    stuck.reads.clear()
    async with asyncio.timeout(30), sweeping(streams):
        for _ in range(3):
            clock.advance(SILENCE_S + 1)
            other.got_something.clear()
            await other.got_something.wait()
    assert stuck.heard == b""


async def test_a_heartbeat_that_waits_for_the_client_is_never_sent_after_the_end() -> None:
    clock = FakeClock()
    streams = OpenStreams(clock)
    client, witness = Client(streams, clock), Client(streams, clock)
    for one in (client, witness):
        await one.stream.start([])
    client.reads.clear()
    async with asyncio.timeout(30), sweeping(streams), asyncio.TaskGroup() as group:
        clock.advance(SILENCE_S + 1)
        await witness.got_something.wait()
        group.create_task(client.stream.end(b"data: [DONE]\n\n"))
        client.reads.set()
    assert client.heard.endswith(b"data: [DONE]\n\n")


async def test_an_answer_that_ends_while_its_heartbeat_is_due_is_ended_once() -> None:
    clock = FakeClock()
    streams = OpenStreams(clock)
    client = Client(streams, clock)
    await client.stream.start([])
    await client.stream.end(b"data: [DONE]\n\n")
    clock.advance(SILENCE_S + 1)
    witness = Client(streams, clock)
    await witness.stream.start([])
    async with asyncio.timeout(30), sweeping(streams):
        clock.advance(SILENCE_S + 1)
        await witness.got_something.wait()
    assert client.heard == b"data: [DONE]\n\n"


def gone() -> Scope:
    departure = Disconnect()
    departure.leave()
    return {DISCONNECT: departure}


async def test_whoever_is_left_in_the_middle_is_cancelled_and_told_that_nobody_is_there() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(ClientGone):
        async with until_disconnected(gone()):
            await asyncio.Event().wait()
    assert task.cancelling() == 0


async def test_an_error_on_the_way_out_of_an_abandoned_call_leaves_no_cancellation_behind() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(Unavailable):
        async with until_disconnected(gone()):
            try:
                await asyncio.Event().wait()
            finally:
                raise Unavailable("the closing could not be written")
    assert task.cancelling() == 0


async def test_a_worker_that_stops_cancels_a_call_whose_client_is_still_there() -> None:
    started = asyncio.Event()

    async def call() -> None:
        async with until_disconnected({}):
            started.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(call())
        await started.wait()
        task.cancel()
    assert task.cancelled()


async def test_a_client_that_reads_nothing_for_the_declared_time_is_let_go_and_its_call_ends_at_the_provider(
    tmp_path: Path,
) -> None:
    words = tuple("x" * 4000 for _ in range(5000))
    environment = {"HEADGATE_UNREAD_S": "1"}
    model = Script(text=words, spacing_s=0.001)
    async with open_gate(tmp_path / "data", environment=environment) as gate, gate.upstream(model) as upstream:
        caller = await gate.caller().connect_with_little_room()
        await caller.send("tell me much", stream=True)
        head = await caller.read_head()
        caller.stop_reading()
        received = await upstream.received()
        async with asyncio.timeout(60):
            await received.left.wait()
        leaf = await gate.leaf(head.record)
        assert (leaf.outcome, leaf.error) == ("abandoned", None)
        assert leaf.closing_facts["usage_is_estimate"] is True
        assert await gate.open_streams() == 0


async def test_a_client_that_reads_slowly_is_served_to_the_end(tmp_path: Path) -> None:
    words = tuple("x" * 4000 for _ in range(500))
    environment = {"HEADGATE_UNREAD_S": "3"}
    async with open_gate(tmp_path / "data", environment=environment) as gate, gate.upstream(Script(text=words)):
        caller = await gate.caller().connect_with_little_room()
        await caller.send("tell me much", stream=True)
        head = await caller.read_head()
        clock = asyncio.get_running_loop().time
        begun_s, heard = clock(), b""
        while b"[DONE]" not in heard[-200:]:
            heard += await caller.read_chunk()
            if clock() - begun_s < 7.0:
                await asyncio.sleep(0.02)
        assert heard.count(b"x" * 4000) == len(words)
        assert (await gate.leaf(head.record)).outcome == "done"
