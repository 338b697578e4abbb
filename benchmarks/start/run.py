"""Runs the start suite: first starts in new folders, then starts with a folder that was used before."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import machine, results
from benchmarks.gateway.candidates import headgate_groups
from benchmarks.machine import REPOSITORY, WORK
from benchmarks.processes import free_port, memory_kib, running, wait_for_text
from benchmarks.results import Target, machine_line, shown, spread, table, targets_table

_METHOD = """\
From the start of `headgate up --no-model --workers 1` to its line `Headgate is ready`, wall time, all cores. A cold
start makes the database in a new folder and compiles the detectors' patterns; a warm one uses a folder that an
earlier start left. The file cache is warm in both. Resident memory is read half a
second after that line, before any request."""


def run(*, quick: bool) -> None:
    """Measure and write the result."""
    rounds = 1 if quick else 5
    facts = machine.facts()
    starts: dict[str, list[dict[str, Any]]] = {"cold": [], "warm": []}
    WORK.mkdir(exist_ok=True)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="start-", dir=WORK, ignore_cleanup_errors=True) as folder:
            for kind in ("cold", "warm"):
                starts[kind].append(_start(Path(folder) / "data"))
                print(kind, starts[kind][-1], file=sys.stderr, flush=True)
    result: dict[str, Any] = {"machine": facts, "starts": starts}
    result["targets"] = [target._asdict() for target in _targets(result)]
    results.write("start", result, page=_page(result), quick=quick)


def _start(data: Path) -> dict[str, Any]:
    log = WORK / "start.log"
    program = REPOSITORY / ".venv" / "bin" / "headgate"
    command = (program, "up", "--data", data, "--port", str(free_port()), "--workers", "1", "--no-model")
    cores = machine.cores()
    began = time.monotonic()
    with running(command, log=log, cpus=f"{cores.measured},{cores.beside}") as process:
        wait_for_text(log, "Headgate is ready", process=process, timeout_s=120)
        ready_s = time.monotonic() - began
        time.sleep(0.5)
        groups = headgate_groups(process.pid)
        return {
            "ready_s": round(ready_s, 3),
            "load_average": machine.load_average(),
            "resident_kib": {name: memory_kib(pids) for name, pids in groups.items()},
        }


def _targets(result: dict[str, Any]) -> list[Target]:
    warm = spread((one["ready_s"] for one in result["starts"]["warm"]), digits=2)["median"]
    worker = max(one["resident_kib"]["worker"] for one in result["starts"]["warm"]) / 1024
    return [
        Target("warm start to ready, without the model", "≤ 3 s", f"{warm:.1f} s", warm <= 3),
        Target("resident memory of a worker at rest", "≤ 200 MiB", f"{worker:.0f} MiB", worker <= 200),
    ]


def _page(result: dict[str, Any]) -> str:
    starts = result["starts"]
    parts = tuple(starts["warm"][0]["resident_kib"])
    return "\n\n".join(
        (
            "# From start to ready",
            machine_line(result["machine"]),
            _METHOD,
            "## Targets",
            targets_table(_targets(result)),
            "## Seconds",
            table(
                ("start", "seconds"),
                ((kind, shown(spread((one["ready_s"] for one in some), digits=2))) for kind, some in starts.items()),
            ),
            "## Resident memory, MiB",
            table(
                ("start", *parts),
                (
                    (kind, *(shown(spread(one["resident_kib"][part] / 1024 for one in some)) for part in parts))
                    for kind, some in starts.items()
                ),
            ),
            "PostgreSQL's processes share memory, which is counted once for each of them.",
        )
    )
