"""A `House` behind a real server on loopback, in a thread of its own, for synchronous clients."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from headgate.testing.house import House, open_house
from headgate.testing.postgres import TemporaryDatabase

_START_S = 60
_STOP_S = 30


@dataclass(frozen=True, slots=True)
class Served:
    """A server on loopback.

    Args:
        key: a key of its administrator.
        provider: the port of its provider simulator.
    """

    url: str
    key: str
    provider: int


@contextmanager
def served_house(database: TemporaryDatabase, *, folder: Path, console: Path) -> Generator[Served]:
    """Start the application with a server.

    Args:
        folder: the worker's data folder.
        console: the folder of the built console.
    """
    stop, started, houses = asyncio.Event(), threading.Event(), list[House]()
    loop = asyncio.new_event_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])

        async def serve() -> None:
            async with open_house(database, folder=folder, console=console, port=port) as house:
                server = _Server(uvicorn.Config(house.app, log_level="critical", ws="none", lifespan="off"))
                async with asyncio.TaskGroup() as group:
                    group.create_task(server.serve(sockets=[listener]))
                    houses.append(house)
                    started.set()
                    await stop.wait()
                    server.should_exit = True

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        try:
            if not started.wait(_START_S):
                raise RuntimeError("the application did not start")
            yield Served(f"http://127.0.0.1:{port}", houses[0].admin_key, houses[0].simulator.port)
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(_STOP_S)
            loop.close()


class _Server(uvicorn.Server):
    """A server that leaves the test's signals alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
