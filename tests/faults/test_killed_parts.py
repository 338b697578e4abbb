"""kill -9 of every part, one at a time and all at once, while callers call: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.faults.conftest import Gate, Load, eventually, open_gate

from headgate.testing.simulator import Received, Script

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_process_is_left")]

PARTS = ("worker", "shipper", "sequencer", "postgres")


def echo_or_stall(received: Received) -> Script:
    """Say what was asked; who asks for a stall waits for the rest of the answer for ever."""
    asks_for_stall = b"please stall" in received.body
    return (
        Script(text="some words before it stalls", stall="stream", stall_after=3)
        if asks_for_stall
        else Script(echo=True)
    )


async def stalled_stream(gate: Gate) -> tuple[str, int]:
    """Begin a stream that stalls; the id of its record, and the worker that answers it."""
    caller = gate.caller()
    await caller.send("please stall", stream=True)
    head = await caller.read_head()
    await caller.read_chunk()
    holder: list[int] = []

    async def look() -> bool:
        lines = (await gate.get("/metrics")).body.decode().splitlines()
        open_here = [line for line in lines if line.startswith("headgate_open_streams{") and not line.endswith(" 0.0")]
        labels = [line.partition("{")[2].partition("}")[0] for line in open_here]
        pids = [
            line for line in lines if line.startswith("headgate_worker_pid{") and any(one in line for one in labels)
        ]
        holder[:] = [int(float(line.rpartition(" ")[2])) for line in pids]
        return bool(holder)

    await eventually("a worker says that it has the stream", look)
    return head.record, holder[0]


async def test_a_worker_killed_in_a_stream_leaves_an_interrupted_record_and_is_replaced_alone(tmp_path: Path) -> None:
    async with open_gate(tmp_path / "data", "--workers", "2") as gate, gate.upstream(Script(echo=True)) as upstream:
        upstream.default = echo_or_stall
        before = gate.running.children()
        record, worker = await stalled_stream(gate)
        load = gate.load()
        async with load.running():
            await load.more(50)
            os.kill(worker, signal.SIGKILL)
            await load.more(100)
            await gate.child("worker", but=[worker], count=2)
        leaves = await gate.evidence.holds(load)
        after = gate.running.children()
        assert {name: after[name] for name in PARTS[1:]} == {name: before[name] for name in PARTS[1:]}
        assert set(before["worker"]) - set(after["worker"]) == {worker}
        interrupted = {leaf.id: leaf for leaf in leaves if leaf.outcome == "interrupted"}
        assert interrupted[record].error == "worker_died"
        assert interrupted[record].facts["destination"]
        assert load.cut <= load.callers


async def test_parts_killed_under_load_are_replaced_alone_and_no_call_notices(tmp_path: Path) -> None:
    async with open_gate(tmp_path / "data", "--workers", "2") as gate, gate.upstream():
        load = gate.load()
        async with load.running():
            await load.more(50)
            for part in PARTS[1:]:
                before = gate.running.children()
                os.kill(before[part][0], signal.SIGKILL)
                await gate.child(part, but=before[part])
                await load.more(50)
                after = gate.running.children()
                assert {name for name in PARTS if set(after[name]) != set(before[name])} == {part}
        leaves = await gate.evidence.holds(load)
        assert (load.cut, load.refused) == (0, [])
        assert {leaf.outcome for leaf in leaves} == {"done"}


async def killed_in_the_middle(gate: Gate, load: Load) -> None:
    async with load.running():
        await load.more(60)
        await asyncio.to_thread(gate.running.kill_everything)


async def test_after_kill_9_of_everything_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    tmp_path: Path,
) -> None:
    loads: list[Load] = []
    streams: list[str] = []
    for _ in range(2):
        async with open_gate(tmp_path / "data", "--workers", "2") as gate, gate.upstream() as upstream:
            upstream.default = echo_or_stall
            record, _ = await stalled_stream(gate)
            loads.append(gate.load())
            await killed_in_the_middle(gate, loads[-1])
            streams.append(record)
    async with open_gate(tmp_path / "data") as gate:
        for load in loads:
            leaves = await gate.evidence.holds(load)
            outcomes = {leaf.id: leaf.outcome for leaf in leaves}
            assert [outcomes[record] for record in streams] == ["interrupted"] * 2
            assert set(outcomes.values()) <= {"done", "interrupted", "abandoned"}
