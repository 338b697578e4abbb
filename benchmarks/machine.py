"""What was measured on: the machine, its load, and which cores go to whom."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = Path(__file__).resolve().parent / ".work"


class Cores(NamedTuple):
    """Which cores, as `taskset` wants them: one for what is measured, the others for everything beside it."""

    measured: str
    beside: str


def cores() -> Cores:
    """Return the split; on a machine with one core both are that one, and the results are worth little."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(str(usable[0]), ",".join(str(core) for core in usable[1:] or usable))


def load_average() -> float:
    """Return the load of the last minute."""
    return round(os.getloadavg()[0], 2)


def calibration_us() -> int:
    """Return the CPU time of a fixed piece of Python, in microseconds: neighbours make the same work dearer."""
    took_s: list[float] = []
    for _ in range(15):
        began = time.thread_time()
        for number in range(200):
            json.loads(json.dumps({str(index): [index, number] for index in range(100)}))
        took_s.append(time.thread_time() - began)
    return round(statistics.median(took_s) * 1e6)


def facts() -> dict[str, object]:
    """Return what a reader needs to judge the figures."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
        "python": _python(),
        "load_average": load_average(),
        "calibration_us": calibration_us(),
    }


def _python() -> str:
    """Return the version and whose build it is: one without profile-guided optimisation is a fifth slower."""
    whose = "the system's own" if sys.base_prefix == "/usr" else "built for itself"
    return f"{platform.python_version()} ({whose})"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit, marked where the measured code differs from it."""
    head = ["git", "-C", str(REPOSITORY)]
    commit = subprocess.run([*head, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*head, "status", "--porcelain", "src"], capture_output=True, text=True).stdout
    return f"{commit}+" if changed.strip() else commit
