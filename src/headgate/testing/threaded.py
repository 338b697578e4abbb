"""The provider simulator for synchronous tests, on an event loop in its own thread."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from headgate.testing.simulator.batch_wire import Batches
from headgate.testing.simulator.script import Script
from headgate.testing.simulator.server import Answering, Received, Simulator
from headgate.wire.aws_signing import AwsKey

_START_S = 10.0


class ThreadedSimulator:
    """A simulated provider on loopback for synchronous code; use with `with`.

    Args:
        key: the key that clients must send; None accepts any.
        keep: the number of newest requests in `requests`.
        aws_key: the access key that signs calls of Bedrock; None accepts any.
    """

    def __init__(self, *, key: str | None = None, keep: int = 10_000, aws_key: AwsKey | None = None) -> None:
        self._simulator = Simulator(key=key, keep=keep, aws_key=aws_key)
        self._usual = self._simulator.default
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._connections_before = 0

    @property
    def port(self) -> int:
        """The port on loopback."""
        return self._simulator.port

    @property
    def requests(self) -> list[Received]:
        """The requests since `reset`, oldest first."""
        return list(self._simulator.requests)

    @property
    def connections(self) -> int:
        """The number of connections since `reset`."""
        return self._simulator.connections - self._connections_before

    @property
    def batches(self) -> Batches:
        """Files and batches of OpenAI's and Anthropic's wires."""
        return self._simulator.batches

    def service_account(self) -> str:
        """Return the JSON key of the service account to which the simulator issues tokens."""
        return self._simulator.issuer.service_account(self._simulator.base_url)

    def script(self, *scripts: Script | Answering) -> None:
        """Queue the answers to the next requests."""
        self._simulator.script(*scripts)

    def answer_always(self, script: Script | Answering) -> None:
        """Answer every request without a queued script with this one, until `reset`."""
        self._simulator.default = script

    def reset(self) -> None:
        """Forget requests and queued answers, and let stalled answers go on."""
        self._simulator.forget()
        self._simulator.default = self._usual
        self._connections_before = self._simulator.connections
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._simulator.release)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_START_S):
            raise RuntimeError("the simulator did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._simulator:
            self._ready.set()
            await self._stop.wait()
