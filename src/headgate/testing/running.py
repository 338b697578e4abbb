"""A whole Headgate for tests: the real command in its own processes and data folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headgate.admin.client import Client

_READY = "Headgate is ready"
_START_S = 120.0
_STOP_S = 40.0


@dataclass(slots=True)
class RunningHeadgate:
    """A running `headgate up`.

    Args:
        base_url: such as `http://127.0.0.1:18080`.
        data: the data folder.
        output: the lines of both output streams so far.
    """

    process: subprocess.Popen[str]
    base_url: str
    data: Path
    output: list[str] = field(default_factory=list[str])

    @property
    def admin_key(self) -> str:
        """The administrator's first key."""
        return (self.data / "admin.key").read_text().strip()

    @property
    def sign_in_link(self) -> str:
        """The printed sign-in link. It works once."""
        line = next(line for line in self.output if line.startswith("Sign in"))
        return line.split()[2]

    @property
    def api(self) -> Client:
        """A client of the admin API with the first key."""
        return Client(self.base_url, self.admin_key)

    def new_key(self, name: str, **terms: object) -> str:
        """Create a key and return its secret."""
        return str(self.api.call("POST", "/api/keys", {"name": name, **terms})["secret"])

    def apply(self, toml: str) -> None:
        """Apply a declarative file."""
        self.api.call("POST", "/api/config/apply", {"toml": toml})

    def children(self) -> dict[str, list[int]]:
        """Return process ids by `worker`, `shipper`, `sequencer`, `embedded` and `postgres`."""
        found: dict[str, list[int]] = {}
        for pid in _descendants(self.process.pid):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                for name in ("headgate.cli.worker", "shipper", "sequencer", "headgate.gateway.embedded"):
                    if name.encode() in words:
                        found.setdefault(name.rpartition(".")[2], []).append(pid)
                if words[0].rpartition(b"/")[2] == b"postgres" and b"-D" in words:
                    found.setdefault("postgres", []).append(pid)
        return found

    def kill_everything(self) -> None:
        """Kill the whole process tree with SIGKILL, PostgreSQL included."""
        pids = _descendants(self.process.pid)
        for pid in (self.process.pid, *pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(_STOP_S)

    def stop(self) -> int:
        """Stop `headgate up` with SIGTERM; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S)


@contextmanager
def running_headgate(
    data: Path,
    *arguments: str,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Generator[RunningHeadgate]:
    """Start `headgate up`, yield when it is ready, and stop or kill it afterwards.

    Args:
        arguments: additional arguments of the command, such as `--no-model`.
        environment: additions to a clean environment.

    Raises:
        RuntimeError: Headgate did not become ready; the message has its output.
    """
    port = port or free_port()
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "headgate.cli.main", "up", "--data", str(data), "--port", str(port), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean, "HEADGATE_MODEL_THREADS": "1", **(environment or {})},
    )
    running = RunningHeadgate(process, f"http://127.0.0.1:{port}", data)
    is_ready = threading.Event()
    reader = threading.Thread(target=_read, args=(running, is_ready), daemon=True)
    reader.start()
    try:
        is_ready.wait(_START_S)
        if not any(line.startswith(_READY) for line in running.output):
            raise RuntimeError("headgate did not become ready:\n" + "\n".join(running.output))
        yield running
    finally:
        try:
            running.stop()
        except subprocess.TimeoutExpired:
            running.kill_everything()
            raise
        finally:
            reader.join(5)
            if process.stdout is not None:
                process.stdout.close()


def free_port() -> int:
    """Return a free port; another process may take it at any time."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _read(running: RunningHeadgate, is_ready: threading.Event) -> None:
    assert running.process.stdout is not None
    for line in running.process.stdout:
        running.output.append(line.rstrip())
        if line.startswith(_READY):
            is_ready.set()
    is_ready.set()


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found: list[int] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found
