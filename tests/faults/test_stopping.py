"""Starting and stopping: what supervises, what is left behind, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.conftest import eventually, open_gate, processes_on

from headgate.testing.running import free_port, running_headgate
from headgate.testing.simulator import Script

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("no_process_is_left")]

STOP_S = 15.0


def started(data: Path, port: int) -> subprocess.CompletedProcess[str]:
    """Start a Headgate that is expected to give up."""
    return subprocess.run(
        [sys.executable, "-m", "headgate.cli.main", "up", "--no-model", "--data", str(data), "--port", str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_sigterm_ends_open_streams_within_15_seconds_records_them_and_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_gate(data, "--workers", "2") as gate, gate.upstream(Script(stall="stream", stall_after=3)):
        caller = gate.caller()
        await caller.send("tell me", stream=True)
        head = await caller.read_head()
        await caller.read_chunk()
        async with asyncio.timeout(STOP_S):
            assert await asyncio.to_thread(gate.running.stop) == 0
        assert processes_on(data) == {}
        assert not (await caller.rest(head)).is_acknowledged
    async with open_gate(data) as gate:
        leaf = await gate.leaf(head.record)
        assert leaf.outcome == "abandoned"
        assert leaf.closing_facts["usage_is_estimate"] is True


async def test_what_a_worker_leased_of_a_limit_is_given_back_when_it_stops(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_gate(data) as gate, gate.upstream():
        key = gate.running.new_key("limited", use_case="faults", cost_micros_per_day=1_000_000)
        await eventually("the key is known", lambda: gate.is_known(key))
        assert (await gate.caller(key=key).ask("how much is it?")).status == 200
        leased = gate.evidence.rows("SELECT taken FROM gateway.allowances WHERE kind = 'cost'")
    async with open_gate(data) as gate:
        kept = gate.evidence.rows("SELECT taken FROM gateway.allowances WHERE kind = 'cost'")
        assert 0 < kept[0][0] < leased[0][0]


async def test_after_kill_9_of_the_supervisor_the_rest_ends_by_itself_and_the_next_start_ends_postgres(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    async with open_gate(data, "--workers", "2") as gate, gate.upstream():
        load = gate.load(callers=4)
        async with load.running():
            await load.more(20)
            children = gate.running.children()
            gate.running.process.kill()
            await eventually("all but PostgreSQL ended", lambda: set(processes_on(data)) <= postgres_of(data))
        await asyncio.to_thread(gate.running.process.wait)
    assert children["postgres"][0] in postgres_of(data)
    async with open_gate(data) as gate:
        assert "Ended a PostgreSQL that had lost its supervisor." in "\n".join(gate.running.output)
        await gate.evidence.holds(load)
        assert gate.running.children()["postgres"] != children["postgres"]


def postgres_of(data: Path) -> set[int]:
    return {
        pid
        for pid, command in processes_on(data).items()
        if command.startswith(("postgres", "/")) and "postgres" in command.split()[0]
    }


async def test_a_second_headgate_on_the_same_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_gate(data) as gate, gate.upstream():
        before = gate.running.children()
        second = await asyncio.to_thread(started, data, free_port())
        assert second.returncode == 5
        assert "Another Headgate" in second.stderr
        assert str(gate.running.process.pid) in second.stderr
        assert "Traceback" not in second.stderr
        assert gate.running.children() == before
        assert (await gate.caller().ask("still there?")).status == 200


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        refused = started(tmp_path / "data", port)
    assert refused.returncode == 5
    assert f"cannot open port {port} on 127.0.0.1" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_sigterm_while_it_starts_stops_it_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "headgate.cli.main",
            "up",
            "--no-model",
            "--data",
            str(data),
            "--port",
            str(free_port()),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "Making the database" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ready" not in said
    assert processes_on(data) == {}
    with running_headgate(data, "--no-model") as running:
        assert running.api.call("GET", "/api/models") is not None
