"""What is compared: each started on its port, with the processes whose CPU counts, in groups."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import peers
from benchmarks.gateway.prompts import body, write_bodies
from benchmarks.machine import REPOSITORY, WORK, cores
from benchmarks.processes import (
    NotMeasured,
    command_of,
    descendants,
    free_port,
    kernel_threads,
    running,
    wait_for_port,
    wait_for_text,
)

_HERE = Path(__file__).parent
_LITELLM = "litellm[proxy]==1.106.2"
_TENSORZERO = "tensorzero==2026.6.0"


Groups = Callable[[], Mapping[str, Sequence[int]]]
"""Returns the process ids whose CPU counts, by group; the first group answers the requests."""


@dataclass(frozen=True)
class Candidate:
    """One way to the model server, running.

    Args:
        path: of the chat completions route.
        personal: whether its prompts hold personal data, to be masked.
    """

    name: str
    port: int
    path: str = "/v1/chat/completions"
    model: str = "bench"
    key: str = "none"
    personal: bool = False
    groups: Groups = field(default=lambda: {})

    def bodies(self) -> Path:
        """Return the file with its request bodies."""
        return write_bodies(WORK / f"{self.name}.jsonl", model=self.model, personal=self.personal)

    def request(self, *, text: str) -> bytes:
        """Return a whole streaming request."""
        data = body(text, model=self.model, stream=True).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    def check(self) -> None:
        """Make one call and look at its answer.

        Raises:
            NotMeasured: it is not the model server's.
        """
        call = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}",
            data=self.bodies().read_text().splitlines()[0].encode(),
            headers={"content-type": "application/json", "authorization": f"Bearer {self.key}"},
        )
        try:
            with urllib.request.urlopen(call, timeout=60) as answer:
                content = json.load(answer)["choices"][0]["message"]["content"]
        except OSError as error:
            detail = error.read()[:300] if hasattr(error, "read") else b""
            raise NotMeasured(f"its first call failed: {error} {detail!r}") from error
        if "lime trees" not in content:
            raise NotMeasured(f"its answer is not the model server's: {content[:100]!r}")


Started = AbstractContextManager[Sequence[Candidate]]


@contextlib.contextmanager
def upstream(*, chunks: int, spacing_us: int) -> Generator[int]:
    """Run the model server; its port."""
    program, port, log = peers.compiled(_HERE / "upstream.c"), free_port(), WORK / "upstream.log"
    command = (program, str(port), str(chunks), str(spacing_us))
    with running(command, log=log, cpus=cores().beside) as process:
        wait_for_text(log, "ready", process=process, timeout_s=5)
        yield port


@contextlib.contextmanager
def direct(upstream_port: int) -> Generator[Sequence[Candidate]]:
    """No gateway: what the latencies are compared with."""
    yield [Candidate("direct", upstream_port)]


@contextlib.contextmanager
def nginx(upstream_port: int) -> Generator[Sequence[Candidate]]:
    """nginx with proxy_pass: forwards and looks at nothing; the yardstick."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise NotMeasured("nginx is not installed (Debian: nginx-light)")
    port, folder = free_port(), WORK / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    text = (_HERE / "nginx.conf").read_text().replace("UPSTREAM", str(upstream_port)).replace("PORT", str(port))
    (folder / "nginx.conf").write_text(text)
    command = (program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log")
    with running(command, log=folder / "log", cpus=cores().measured) as process:
        wait_for_port(port, process=process, log=folder / "log", timeout_s=10)
        yield [Candidate("nginx", port, groups=lambda: {"gateway": [process.pid, *descendants(process.pid)]})]


@contextlib.contextmanager
def litellm(upstream_port: int) -> Generator[Sequence[Candidate]]:
    """LiteLLM's proxy, bare: no database, no guardrails, no spend log."""
    bin_, port, key = peers.environment("litellm", _LITELLM), free_port(), "sk-bench"
    config, log = WORK / "litellm.json", WORK / "litellm-run.log"
    settings = {
        "model_list": [
            {
                "model_name": "bench",
                "litellm_params": {
                    "model": "openai/bench",
                    "api_base": f"http://127.0.0.1:{upstream_port}/v1",
                    "api_key": "none",
                },
            }
        ],
        "general_settings": {"master_key": key},
        "litellm_settings": {"telemetry": False},
    }
    config.write_text(json.dumps(settings))
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DISABLE_ADMIN_UI": "True",
    }
    command = (bin_ / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    with running(command, log=log, cpus=cores().measured, environment=environment) as process:
        wait_for_port(port, process=process, log=log, timeout_s=180)
        groups = lambda: {"gateway": [process.pid, *descendants(process.pid)]}  # noqa: E731 - bound to this process
        yield [Candidate("litellm", port, key=key, groups=groups)]


@contextlib.contextmanager
def tensorzero(upstream_port: int) -> Generator[Sequence[Candidate]]:
    """TensorZero's gateway, the Rust one that its wheel carries, bare: no database."""
    bin_, log, config = (
        peers.environment("tensorzero", _TENSORZERO),
        WORK / "tensorzero-run.log",
        WORK / "tensorzero.toml",
    )
    config.write_text(
        '[gateway.observability]\nenabled = false\n\n[models.bench]\nrouting = ["one"]\n\n'
        f'[models.bench.providers.one]\ntype = "openai"\nmodel_name = "bench"\napi_base = "http://127.0.0.1:{upstream_port}/v1/"\n'
    )
    command = (bin_ / "python", _HERE / "tensorzero_gateway.py", config)
    environment = {"OPENAI_API_KEY": "none"}
    with running(command, log=log, cpus=cores().measured, environment=environment) as process:
        wait_for_text(log, "http://", process=process, timeout_s=60)
        line = next(line for line in log.read_text().splitlines() if line.startswith("http://"))
        yield [
            Candidate(
                "tensorzero",
                urlsplit(line).port or 80,
                path="/openai/v1/chat/completions",
                model="tensorzero::model_name::bench",
                groups=lambda: {"gateway": [process.pid, *descendants(process.pid)]},
            )
        ]


@contextlib.contextmanager
def headgate(upstream_port: int) -> Generator[Sequence[Candidate]]:
    """Headgate as `headgate up` runs it: key, policy, scan, labels, limits, cost and journal, all on.

    Two aliases lead to the same server. `bench` is cleared for everything; `bench-masked` is somebody else's machine,
    so that personal data is masked on the way out and restored on the way back.
    """
    config = (_HERE / "headgate.toml").read_text().replace("UPSTREAM", str(upstream_port))
    with gate(config) as (port, key, groups):
        yield [
            Candidate("headgate", port, key=key, groups=groups),
            Candidate("headgate-masking", port, model="bench-masked", key=key, personal=True, groups=groups),
        ]


@contextlib.contextmanager
def gate(config: str, *, holder: Sequence[str] = ()) -> Generator[tuple[int, str, Groups]]:
    """Run a Headgate of one worker that is measured; its port, a key, and its processes by group.

    Args:
        holder: options of `headgate keys create` that tell whose key it is.
    """
    WORK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="headgate-", dir=WORK, ignore_cleanup_errors=True) as folder:
        program, data, port = REPOSITORY / ".venv" / "bin" / "headgate", Path(folder) / "data", free_port()
        file, log = Path(folder) / "headgate.toml", Path(folder) / "log"
        file.write_text(config)
        given = ("--data", data, "--port", str(port), "--workers", "1", "--no-model", "--config", file)
        with running((program, "up", *given), log=log, cpus=cores().beside) as process:
            wait_for_text(log, "Headgate is ready", process=process, timeout_s=120)
            for pid in headgate_groups(process.pid)["worker"]:
                subprocess.run(["taskset", "-acp", cores().measured, str(pid)], check=True, capture_output=True)
            yield port, _new_key(program, holder, data=data, port=port), lambda: headgate_groups(process.pid)


def headgate_groups(supervisor: int) -> Mapping[str, Sequence[int]]:
    """Return the processes of a running Headgate by what they do."""
    groups: dict[str, list[int]] = {"worker": [], "shipper": [], "sequencer": [], "postgres": [], "supervisor": []}
    for pid in (supervisor, *descendants(supervisor)):
        command = command_of(pid)
        part = next(
            (
                name
                for name in ("worker", "shipper", "sequencer")
                if f"cli.{name}" in command or f"cli.bookkeeping {name}" in command
            ),
            None,
        )
        is_postgres = "postgres" in command and part is None and "headgate up" not in command
        groups[part or ("postgres" if is_postgres else "supervisor")].append(pid)
    # Workers have the kernel sync their journals. Its threads are everybody's: an upper bound.
    return {**groups, "kernel": kernel_threads()}


def _new_key(program: Path, holder: Sequence[str], *, data: Path, port: int) -> str:
    command = (
        *(str(program), "--data", str(data), "keys", "create", "bench", "--use-case", "bench", *holder),
        *("--requests-per-minute", "10000000", "--cost-per-day", "1000000", "--url", f"http://127.0.0.1:{port}"),
    )
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotMeasured(f"no key could be made: {done.stderr[-300:]}")
    return done.stdout.strip()


STARTERS: Mapping[str, Callable[[int], Started]] = {
    "direct": direct,
    "nginx": nginx,
    "headgate": headgate,
    "tensorzero": tensorzero,
    "litellm": litellm,
}
