"""Counts the function calls of a governed request.

Unlike times, counts do not depend on the machine. They include the functions of Headgate and all
functions that these call, in Python and in C, on the event loop's thread, from the first byte of
the request to the last byte of its answer. They exclude the fakes and the event loop.

`python -m headgate.testing.work` (`make budget`) writes new counts for this version of Python. A
test fails if a request needs over a tenth more calls.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from headgate.testing.house import House, Streamed, open_house
from headgate.testing.postgres import TemporaryDatabase, postgres_server
from headgate.testing.simulator import Script

FILE = Path(__file__).parents[3] / "benchmarks" / "results" / "budget.json"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

_OURS = str(Path(__file__).parents[1])
_FAKES = str(Path(__file__).parent)
_BESIDE = frozenset({"kept"})
"""Functions with a worker's background loops, besides those with names in `_forever`."""

_WARM, _ROUNDS = 3, 7
_CHUNKS = 40

_TEXT = "Please write to anna.schmidt@example.org or call +49 30 901820 about the order of last week."
_QUESTION: Mapping[str, Any] = {"model": "local-chat", "messages": [{"role": "user", "content": _TEXT}]}


@dataclass(slots=True)
class Work:
    """Numbers of calls of Python functions and of C functions."""

    python: int = 0
    c: int = 0

    def count(self, frame: FrameType, event: str, _: object) -> None:
        """Count one event, as a thread's profiler."""
        if event == "call" and _is_of_the_request(frame):
            self.python += 1
        elif event == "c_call" and _is_of_the_request(frame):
            self.c += 1


async def measure(house: House) -> dict[str, dict[str, int]]:
    """Return the lowest counts of several rounds for each kind of request."""
    key = await house.register("worker", use_case="getting-started")
    house.simulator.default = Script(text=tuple(f"word{number} " for number in range(_CHUNKS)))
    kinds: dict[str, tuple[str, Mapping[str, Any]]] = {
        "whole": ("/v1/chat/completions", _QUESTION),
        "stream of 40": ("/v1/chat/completions", {**_QUESTION, "stream": True}),
        "whole, crossing wires": ("/v1/messages", {**_QUESTION, "max_tokens": 100}),
    }
    found: dict[str, dict[str, int]] = {}
    for name, (path, body) in kinds.items():
        rounds = [await _counted(_request(house, path, body, key=key)) for _ in range(_WARM + _ROUNDS)][_WARM:]
        found[name] = {"python": min(work.python for work in rounds), "c": min(work.c for work in rounds)}
    return found


def budget() -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """Return the stored counts by version of Python."""
    found: Mapping[str, Mapping[str, Mapping[str, int]]] = json.loads(FILE.read_text())
    return found


def _request(house: House, path: str, body: Mapping[str, Any], *, key: str) -> Callable[[], Awaitable[None]]:
    headers = {"host": f"127.0.0.1:{house.worker.base.settings.port}", "content-type": "application/json"}

    async def ask() -> None:
        request = Streamed(
            house.app, "POST", path, {**headers, "authorization": f"Bearer {key}"}, json.dumps(body).encode()
        )
        await request.run()
        assert request.status == 200, request.text

    return ask


async def _counted(ask: Callable[[], Awaitable[None]]) -> Work:
    work = Work()
    sys.setprofile(work.count)
    try:
        await ask()
    finally:
        sys.setprofile(None)
    return work


def _is_of_the_request(frame: FrameType | None) -> bool:
    """Tell whether the frame belongs to Headgate or has a caller that does.

    Frames of background loops do not count.
    """
    is_ours: bool | None = None
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_OURS):
            if code.co_name in _BESIDE or code.co_name.endswith("_forever"):
                return False
            if is_ours is None:
                is_ours = not code.co_filename.startswith(_FAKES)
        frame = frame.f_back
    return bool(is_ours)


async def _measured(database: TemporaryDatabase, folder: Path) -> dict[str, dict[str, int]]:
    async with open_house(database, folder=folder / "data", console=folder) as house:
        return await measure(house)


def main() -> None:
    """Write new counts for this version of Python."""
    with tempfile.TemporaryDirectory(prefix="headgate-work-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server drops its privileges and needs access
        with postgres_server(folder / "server") as server, server.database() as database:
            (folder / "data").mkdir(mode=0o700)
            found = asyncio.run(_measured(database, folder))
    known = dict(budget()) if FILE.exists() else {}
    FILE.write_text(json.dumps({**known, VERSION: found}, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
