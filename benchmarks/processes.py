"""Processes that are measured: started in a group of their own, their CPU and memory read from /proc, always ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO


class NotMeasured(Exception):
    """Something could not be measured here; the message says why."""


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    cpus: str,
    environment: Mapping[str, str] | None = None,
    stop_s: float = 20.0,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a command on these cores and end it and all it started."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cpus, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            left = [process.pid, *descendants(process.pid)]
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(stop_s)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


def wait_for_text(log: Path, text: str, *, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Wait until the log holds the text.

    Raises:
        NotMeasured: the process ended or took too long; with the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    while text not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotMeasured(f"it did not start: {_last_line(log)}")
        time.sleep(0.02)


def wait_for_port(port: int, *, process: subprocess.Popen[bytes], log: Path, timeout_s: float) -> None:
    """Wait until something listens on a loopback port; as `wait_for_text`."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotMeasured(f"it did not start: {_last_line(log)}")
        time.sleep(0.1)


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Return the processes below one."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def command_of(pid: int) -> str:
    """Return a process's command line, empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return ""


def kernel_threads() -> list[int]:
    """Return the ids of the kernel's own threads; they are children of kthreadd, whose id is 2."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == "2":
                found.append(int(stat.parent.name))
    return found


def cpu_us(pids: Iterable[int]) -> float:
    """Return the CPU time that the threads of these processes have used, in microseconds."""
    total_ns = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1000


def memory_kib(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes, in KiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
    return total


def write_line(stream: IO[bytes] | None, line: str) -> None:
    """Write one line and flush it."""
    assert stream is not None
    stream.write(line.encode() + b"\n")
    stream.flush()


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
