"""The data disk is full: calls are refused, what runs is still recorded, and room is all that it takes to go on."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
from tests.faults.conftest import Gate, Reply, SmallDisk, eventually, open_gate

from headgate.testing.simulator import Script

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_process_is_left")]


async def test_on_a_full_disk_calls_are_refused_running_streams_are_recorded_and_room_is_enough_to_go_on(
    tmp_path: Path, small_disk: SmallDisk
) -> None:
    async with open_gate(tmp_path / "data") as gate, gate.upstream() as upstream:
        before = gate.running.children()
        for _ in range(2):
            upstream.script(*(Script(text="words before it stalls", stall="stream", stall_after=2) for _ in range(4)))
            streams = [gate.caller() for _ in range(4)]
            heads: list[Reply] = []
            for stream in streams:
                await stream.send("tell me", stream=True)
                heads.append(await stream.read_head())
            small_disk.fill()
            sent_before = len(upstream.requests)
            answered: list[Reply] = []
            for wire in ("openai", "anthropic"):
                await eventually(f"refused on {wire}", partial(is_refused, gate, answered, wire=wire))
            upstream.release()
            replies = await asyncio.gather(*(one.rest(head) for one, head in zip(streams, heads, strict=True)))
            assert [reply.is_acknowledged for reply in replies] == [True] * 4
            await eventually("refused as a stream", partial(is_refused, gate, answered, stream=True))
            assert len(upstream.requests) == sent_before + len(answered)
            small_disk.free()
            assert (await gate.caller().ask("and now?")).status == 200
            recorded = [reply.record for reply in (*heads, *answered)]
            leaves = {leaf.id: leaf for leaf in await gate.evidence.settled(recorded)}
            assert {record: leaves[record].outcome for record in recorded} == dict.fromkeys(recorded, "done")
        assert gate.running.children() == before
        assert gate.evidence.verify().returncode == 0


async def is_refused(gate: Gate, answered: list[Reply], *, wire: str = "openai", stream: bool = False) -> bool:
    """Call once: refused for want of room, or else `answered`, for its record fitted where the journal's file ended."""
    reply = await gate.caller(wire=wire).ask("more?", stream=stream)
    if reply.status == 200:
        answered.append(reply)
        return False
    assert reply.status == 503, reply.body
    assert "free space" in json.loads(reply.body)["error"]["message"]
    return True
