"""One measurement: load on one candidate, and the CPU that each of its processes used for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import peers
from benchmarks.gateway.candidates import _HERE, Candidate
from benchmarks.machine import cores, load_average
from benchmarks.processes import NotMeasured, cpu_us, memory_kib, write_line

_QUIET_SHARE = 0.03
"""Processes behind the gateway are through with the load when they use less of a core than this."""
_QUIET_S = 15.0


def requests(candidate: Candidate, *, connections: int, seconds: float) -> dict[str, Any]:
    """Drive whole answers with wrk over this many kept-alive connections."""
    command = (
        *("taskset", "-c", cores().beside, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"),
        *("--latency", "-s", str(_HERE / "body.lua"), f"http://127.0.0.1:{candidate.port}{candidate.path}"),
        *("--", str(candidate.bodies()), f"Bearer {candidate.key}"),
    )
    before = _cpu(candidate)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    except FileNotFoundError:
        raise NotMeasured("wrk is not installed (Debian: wrk)") from None
    front = _cpu(candidate)
    _wait_until_quiet(candidate)
    after = _cpu(candidate)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise NotMeasured(f"wrk said: {(done.stderr or done.stdout)[-300:]}")
    figures = json.loads(line.removeprefix("RESULT "))
    if not figures["requests"]:
        raise NotMeasured("no request was answered")
    return {
        **figures,
        "per_second": figures["requests"] / figures["seconds"],
        "cpu_us": {
            name: _used(before[name], (front if index == 0 else after)[name]) / figures["requests"]
            for index, name in enumerate(before)
        },
        "load_average": load_average(),
    }


def streams(candidate: Candidate, *, count: int, seconds: float, patience_s: float = 30.0) -> dict[str, Any]:
    """Hold this many streams open and read them; CPU, memory and the age of what arrives."""
    program, request = peers.compiled(_HERE / "streams.c"), candidate.request(text="Tell me about lime trees.")
    front = next(iter(candidate.groups().values()), ())
    resting_kib = memory_kib(front)
    command = (program, str(candidate.port), str(count), f"{seconds:g}", f"{patience_s:g}")
    reader = subprocess.Popen(
        ["taskset", "-c", cores().beside, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        write_line(reader.stdin, str(len(request)))
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write(request)
        reader.stdin.flush()
        opened = int((reader.stdout.readline() or b"ready 0").split()[1])
        if not opened:
            raise NotMeasured("no stream brought anything")
        before = _cpu(candidate)
        write_line(reader.stdin, "go")
        time.sleep(seconds / 2)
        open_kib = memory_kib(front)
        figures = json.loads(reader.stdout.readline())
        after = _cpu(candidate)
    finally:
        with contextlib.suppress(ProcessLookupError):
            reader.kill()
        reader.communicate()
    if not figures["marks"]:
        raise NotMeasured("nothing arrived while it was counted")
    return {
        **figures,
        "opened": opened,
        "per_second": figures["marks"] / figures["seconds"],
        "cpu_us": {name: _used(before[name], after[name]) / figures["marks"] for name in before},
        "cores": sum(_used(before[name], after[name]) for name in before) / figures["seconds"] / 1e6,
        "kib_per_stream": (open_kib - resting_kib) / count,
        "load_average": load_average(),
    }


def resident(candidate: Candidate) -> Mapping[str, int]:
    """Return the resident memory of each group, in KiB."""
    return {name: memory_kib(pids) for name, pids in candidate.groups().items()}


def settle(candidate: Candidate, *, drain_s: float = 0.5) -> None:
    """Wait until what was left behind by the last load is done."""
    time.sleep(drain_s)
    _wait_until_quiet(candidate, whole=True)


def _cpu(candidate: Candidate) -> dict[str, dict[int, float]]:
    """The CPU time so far of each process, by group."""
    return {name: {pid: cpu_us([pid]) for pid in pids} for name, pids in candidate.groups().items()}


def _used(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """What processes used in between: what ended meanwhile is left out, what began counts from its beginning."""
    return sum(max(0.0, us - before.get(pid, 0.0)) for pid, us in after.items())


def _wait_until_quiet(candidate: Candidate, *, whole: bool = False) -> None:
    """Let shipper, sequencer and database finish what the load gave them to do, so that it is counted."""
    deadline, every_s = time.monotonic() + _QUIET_S, 0.3
    while time.monotonic() < deadline:
        pids = [pid for group in list(candidate.groups().values())[0 if whole else 1 :] for pid in group]
        if not pids:
            return
        before = cpu_us(pids)
        time.sleep(every_s)
        if (cpu_us(pids) - before) / 1e6 / every_s < _QUIET_SHARE:
            return
