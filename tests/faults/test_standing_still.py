"""A process whose event loop stands still is replaced; a slow one, and a machine that was suspended, are left alone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.faults.conftest import eventually, open_gate

from headgate.cli.supervisor import LivenessWatch, ProcessPlan, SupervisedProcess

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_process_is_left")]

_SPEAKS_WHEN_ASKED = """
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"alive\\n"))
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


@asynccontextmanager
async def children(count: int) -> AsyncGenerator[list[SupervisedProcess]]:
    """Children that prove their life each time they get SIGUSR1, and never else."""
    plan = ProcessPlan("a child", ("-c", _SPEAKS_WHEN_ASKED), stop_s=5.0)
    every = [SupervisedProcess(plan, on_event=lambda _: None) for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child.run()) for child in every]
        for child in every:
            await child.ready.wait()
        yield every
        for task in tasks:
            task.cancel()


async def speak(child: SupervisedProcess) -> None:
    child.hear(0.001)
    os.kill(child.pid or 0, signal.SIGUSR1)
    await eventually("the supervisor heard it", lambda: child.silent_s == 0.0)


async def test_only_the_child_that_is_silent_for_too_long_is_replaced() -> None:
    async with children(2) as (silent, speaking):
        watch = LivenessWatch([silent, speaking], silence_s=10.0, look_s=1.0)
        before = (silent.pid, speaking.pid)
        for now_s in range(11):
            watch.look(float(now_s))
            await speak(speaking)
        assert (silent.pid, speaking.pid) == before
        watch.look(11.0)
        await eventually("it runs again", lambda: silent.is_serving and silent.pid != before[0])
        assert speaking.pid == before[1]


async def test_time_in_which_the_supervisor_slept_itself_is_no_silence() -> None:
    async with children(1) as (child,):
        watch, before = LivenessWatch([child], silence_s=10.0, look_s=1.0), child.pid
        for now_s in (0.0, 3_600.0, 7_200.0):
            watch.look(now_s)
        assert (child.pid, child.silent_s) == (before, 4.0)


async def test_where_all_are_silent_at_once_the_machine_is_given_more_time() -> None:
    async with children(2) as every:
        watch, before = LivenessWatch(every, silence_s=10.0, look_s=1.0), [child.pid for child in every]
        for now_s in range(31):
            watch.look(float(now_s))
        assert [child.pid for child in every] == before
        watch.look(31.0)
        await eventually("all run again", lambda: all(c.is_serving and c.pid not in before for c in every))


async def test_a_worker_a_shipper_and_a_sequencer_that_stand_still_are_replaced(tmp_path: Path) -> None:
    async with open_gate(tmp_path / "data", "--workers", "2") as gate, gate.upstream():
        before = gate.running.children()
        stopped = {"worker": before["worker"][0], "shipper": before["shipper"][0], "sequencer": before["sequencer"][0]}
        for pid in stopped.values():
            os.kill(pid, signal.SIGSTOP)
        for name, pid in stopped.items():
            await gate.child(name, but=[pid], count=len(before[name]))
        load = gate.load()
        async with load.running():
            await load.more(20)
        await gate.evidence.holds(load)
