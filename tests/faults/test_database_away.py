"""PostgreSQL away under load: answers go on within the journal's limit, and everything is shipped in order later."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import Caller, Gate, Reply, eventually, open_gate

from headgate.policy.snapshot import MAX_AGE
from headgate.testing.simulator import Script

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_process_is_left")]

HANGS_S, GONE_S = 28.0, 34.0
"""More than a minute together; the second alone is longer than the pool of connections goes on trying by itself."""


@asynccontextmanager
async def nothing_restarted(gate: Gate) -> AsyncGenerator[None]:
    """The supervisor stands still: what dies stays dead."""
    gate.running.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        gate.running.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def postgres_stopped(gate: Gate) -> AsyncGenerator[None]:
    """PostgreSQL stands still: it takes connections and answers nothing, as on a machine that hangs."""
    (server,) = gate.running.children()["postgres"]
    family = [server, *children_of(server)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def readiness(gate: Gate) -> tuple[int, dict[str, Any]]:
    reply = await gate.get("/readyz")
    return reply.status, json.loads(reply.body)


@dataclass(slots=True)
class Risky:
    """A client whose use case is of high risk; it calls again and again.

    Attributes:
        answered: the records of the calls that were answered.
        answered_s: when the last of them began.
        refused_s: when the first call that was refused began, or None.
    """

    caller: Caller
    answered: list[str] = field(default_factory=list[str])
    answered_s: float = 0.0
    refused_s: float | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def calling(self) -> AsyncGenerator[None]:
        """Call while the block runs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._call())
            try:
                yield
            finally:
                self._stop.set()

    async def _call(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._stop.is_set():
            began_s, reply = clock(), await self.caller.ask("may I?")
            if reply.is_acknowledged:
                self.answered.append(reply.record)
                self.answered_s = began_s
            else:
                assert (reply.status, "restore the database connection" in reply.body.decode()) == (503, True)
                self.refused_s = self.refused_s or began_s
            await asyncio.sleep(0.1)


async def test_while_the_database_hangs_and_then_is_gone_for_over_a_minute_calls_go_on_and_everything_is_shipped_later(
    tmp_path: Path,
) -> None:
    async with open_gate(tmp_path / "data") as gate, gate.upstream():
        key = gate.running.new_key("risky", use_case="risky")
        await eventually("the key is known", lambda: gate.is_known(key))
        load, risky = gate.load(callers=4, pause_s=0.05), Risky(gate.caller(key=key))
        clock = asyncio.get_running_loop().time
        async with load.running(), risky.calling():
            await load.more(40)
            async with nothing_restarted(gate):
                async with postgres_stopped(gate):
                    away_s = clock()
                    while clock() < away_s + HANGS_S:
                        await load.more(40)
                    os.kill(gate.running.children()["postgres"][0], signal.SIGKILL)
                while clock() < away_s + HANGS_S + GONE_S:
                    await load.more(40)
                status, said = await readiness(gate)
                assert (status, said["database"], said["journal"]) == (200, False, True)
                assert said["degraded"] == ["database", "limits"]
                await eventually("what is of high risk is refused", lambda: risky.refused_s is not None)
                refused_s, answered = risky.refused_s, len(risky.answered)
                assert risky.answered_s < away_s + MAX_AGE["high"].total_seconds()
            await load.more(40)
            await eventually("what is of high risk is answered again", lambda: len(risky.answered) > answered)
        assert refused_s is not None
        assert refused_s > away_s + HANGS_S, "its policies were not too old yet"
        assert (load.cut, load.refused) == (0, [])
        leaves = await gate.evidence.holds(load)
        assert {leaf.outcome for leaf in leaves if leaf.use_case != "risky"} == {"done"}
        assert {leaf.outcome for leaf in leaves if leaf.id in risky.answered} == {"done"}
        times = [leaf.closed_at or "" for leaf in leaves if leaf.verb.startswith("model.")]
        assert times == sorted(times), "one worker's records are in the order in which it closed them"


async def test_while_the_database_dies_again_and_again_even_as_it_starts_calls_go_on(tmp_path: Path) -> None:
    async with open_gate(tmp_path / "data", "--workers", "2") as gate, gate.upstream():
        load = gate.load(callers=8, pause_s=0.02)
        victims = list[int]()
        async with load.running():
            while len(victims) < 5:
                victims += await gate.child("postgres", but=victims)
                os.kill(victims[-1], signal.SIGKILL)
                await load.more(10)
            status, said = await readiness(gate)
            assert (status, said["database"], said["journal"]) == (200, False, True)
        await gate.child("postgres", but=victims)
        assert (load.cut, load.refused) == (0, [])
        leaves = await gate.evidence.holds(load)
        assert {leaf.outcome for leaf in leaves} == {"done"}

        async def is_up() -> bool:
            return (await readiness(gate))[1]["database"] is True

        await eventually("it says that the database is there", is_up)


async def test_readiness_is_answered_while_the_database_stands_still(tmp_path: Path) -> None:
    async with open_gate(tmp_path / "data") as gate, postgres_stopped(gate), asyncio.timeout(60):

        async def is_away() -> bool:
            async with asyncio.timeout(5):
                status, said = await readiness(gate)
            assert (status, said["journal"]) == (200, True)
            return not said["database"]

        await eventually("it says that the database is away, and answers at once meanwhile", is_away)


async def test_over_the_journals_limit_calls_are_refused_in_the_callers_wire_until_records_are_shipped(
    tmp_path: Path,
) -> None:
    environment = {"HEADGATE_JOURNAL_BACKLOG_MIB": "1"}
    async with open_gate(tmp_path / "data", environment=environment) as gate, gate.upstream(Script(text="x" * 60_000)):
        caller, answered, refused = gate.caller(), list[str](), None
        async with postgres_stopped(gate):
            while refused is None:
                reply = await caller.ask("y" * 60_000)
                if reply.status == 200:
                    answered.append(reply.record)
                    assert len(answered) < 40, "a limit of 1 MiB lets megabytes wait"
                else:
                    refused = reply
            is_refused(refused, wire="openai")
            is_refused(await gate.caller(wire="openai").ask("and a stream?", stream=True), wire="openai")
            is_refused(await gate.caller(wire="anthropic").ask("and you?"), wire="anthropic")
            is_refused(await gate.caller(wire="anthropic").ask("and a stream?", stream=True), wire="anthropic")

        async def is_ready() -> bool:
            return (await readiness(gate))[0] == 200

        await eventually("it is ready again, though nobody calls", is_ready)
        assert (await caller.ask("again?")).status == 200
        leaves = {leaf.id: leaf for leaf in await gate.evidence.settled(answered)}
        assert {leaves[record].outcome for record in answered} == {"done"}
        assert gate.evidence.verify().returncode == 0


def is_refused(reply: Reply, *, wire: str) -> None:
    """Refused for want of room, in the caller's wire, with the time after which to try again."""
    said = json.loads(reply.body)
    assert (reply.status, reply.is_whole) == (503, True)
    assert int(reply.headers["retry-after"]) >= 1
    assert "wait for the database" in said["error"]["message"]
    assert (said.get("type") == "error") == (wire == "anthropic")
