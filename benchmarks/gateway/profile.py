"""Where a worker's time goes: py-spy's samples under load, as microseconds of CPU a request, by function."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine, peers
from benchmarks.gateway import measure
from benchmarks.gateway.candidates import headgate, upstream
from benchmarks.machine import WORK
from benchmarks.processes import NotMeasured

_RATE = 250
_SHOWN = 90


def run(*, seconds: float = 12.0, connections: int = 16, native: bool = False) -> dict[str, Any]:
    """Profile the plain and the masking workload."""
    spy = peers.environment("pyspy", "py-spy") / "py-spy"
    profiles: dict[str, Any] = {}
    with upstream(chunks=1_000_000, spacing_us=20_000) as port, headgate(port) as candidates:
        for candidate in candidates:
            candidate.check()
            measure.requests(candidate, connections=connections, seconds=2)
            pid = candidate.groups()["worker"][0]
            before = thread_cpu_us(pid)
            clean = measure.requests(candidate, connections=connections, seconds=seconds / 2)
            after = thread_cpu_us(pid)
            threads = {tid: (after[tid] - before.get(tid, 0.0)) / clean["requests"] for tid in after}
            raw = WORK / f"{candidate.name}.stacks"
            command = [spy, "record", "--pid", str(pid), "--duration", str(int(seconds)), "--rate", str(_RATE)]
            command += ["--format", "raw", "--output", raw, "--nonblocking", "--threads"]
            command += ["--native"] if native else []
            recorder = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with contextlib.ExitStack() as stack:
                stack.callback(recorder.wait)
                measure.requests(candidate, connections=connections, seconds=seconds)
            if not raw.exists():
                raise NotMeasured("py-spy recorded nothing; it needs the right to look at other processes")
            profiles[candidate.name] = summary(raw, threads=threads)
    return {"machine": machine.facts(), "connections": connections, "profiles": profiles}


def thread_cpu_us(pid: int) -> dict[int, float]:
    """Return the CPU time of each thread of a process, in microseconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1000 for task in tasks}


def summary(raw: Path, *, threads: dict[int, float]) -> dict[str, Any]:
    """Turn collapsed stacks into µs a request: by function alone and with what it calls.

    The samples of a thread share the CPU time that the kernel says it used: the sampler also sees threads that wait
    for the disk.
    """
    # The sampler does not stop what it looks at: now and then a name is torn, and may hold anything.
    lines = raw.read_text(errors="replace").split("\n")
    stacks = [stack for line in lines if (stack := _stack(line)) is not None]
    samples: Counter[int] = Counter()
    for stack in stacks:
        samples[stack.thread] += stack.count
    alone: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack in stacks:
        share_us = stack.count * threads.get(stack.thread, 0.0) / samples[stack.thread]
        alone[stack.frames[-1]] += share_us  # type: ignore[assignment]
        for frame in set(stack.frames):
            whole[frame] += share_us  # type: ignore[assignment]

    def top(counts: Counter[str]) -> dict[str, float]:
        return {name: round(us, 1) for name, us in counts.most_common(_SHOWN)}

    return {
        "threads_us": {names: round(threads.get(tid, 0.0), 1) for tid, names in _names(stacks).items()},
        "other_threads_us": round(sum(us for tid, us in threads.items() if tid not in samples), 1),
        "samples": sum(samples.values()),
        "alone_us": top(alone),
        "whole_us": top(whole),
    }


class _Stack(NamedTuple):
    thread: int
    name: str
    frames: list[str]
    count: int


_THREAD = re.compile(r"thread \((\d+)\): (.*)")


def _stack(line: str) -> _Stack | None:
    """Read one collapsed stack, None where it is none; line numbers are dropped, so that a function is one entry."""
    text, _, count = line.rpartition(" ")
    if not count.isdecimal():
        return None
    first, *frames = text.split(";")
    found = _THREAD.fullmatch(first)
    thread, name = (int(found[1]), found[2]) if found else (0, first)
    return _Stack(thread, name, [re.sub(r":\d+\)$", ")", frame) for frame in frames] or [name], int(count))


def _names(stacks: list[_Stack]) -> dict[int, str]:
    return {stack.thread: stack.name for stack in stacks}


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(run(native="--native" in sys.argv), indent=1))
