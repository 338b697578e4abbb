"""Hands lines of a batch over to a provider's own batch, at its price.

A line that may be handed over is an open action: its dispatch waits here, with its reservation, for the answer. Lines
gather in a wave until no other line of the batch is on its way. The wave then goes to the provider as one batch.

A wave's name and the provider's id are kept with the run. A worker that takes the run over runs the lines again up to
the dispatch, with the same pseudonyms, and waits for the provider's batch that is already there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog

from headgate.admin.commands import Command, CommandVerb, Facts, digest_of
from headgate.admin.features import JobAction
from headgate.admin.provider_batches import Handed, LineLeft, ProviderBatches
from headgate.batches.verbs import BATCH_COLLECT, BATCH_HAND_OVER, BATCH_TAKE_BACK
from headgate.kernel.errors import HeadgateError, Unavailable, Upstream
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.substrate.durable import DurableRun, LeaseLost
from headgate.wire.batch_api import LineAnswer, ProviderBatch
from headgate.wire.model_call import Deployment

log = structlog.get_logger(__name__)

T = TypeVar("T")

MOST_WAITING = 2_000
"""The size of a wave: each of its lines is an open action of this worker."""

_MOST_BYTES = 64 << 20
_ENDING_S = 600.0
"""A provider's batch is asked to end this long before the window closes, so that its answers come in time."""

_TRIES = 3
PAUSE_S = 1.0
"""The first pause after a failure."""

_FIRST_PAUSE_S = 0.1
_MOST_PAUSE_S = 60.0
_REFUSALS = range(400, 429)
"""The statuses with which a provider says that it took no batch."""


class _NotInIt(Exception):
    """A wave that another worker sent did not have this line."""


@dataclass(slots=True, eq=False)
class _Wave:
    """Lines that go to one deployment and path as one batch.

    Attributes:
        is_resumed: whether another worker sent it.
    """

    key: str
    is_resumed: bool
    lines: dict[int, Handed] = field(default_factory=dict[int, Handed])
    answers: dict[int, asyncio.Future[LineAnswer | None]] = field(
        default_factory=dict[int, "asyncio.Future[LineAnswer | None]"]
    )
    size_bytes: int = 0

    @property
    def deployment(self) -> Deployment:
        return next(iter(self.lines.values())).deployment

    def join(self, handed: Handed) -> asyncio.Future[LineAnswer | None]:
        self.lines[handed.line] = handed
        self.size_bytes += len(handed.body)
        future = self.answers[handed.line] = asyncio.get_running_loop().create_future()
        return future

    def answer(self, found: Mapping[int, LineAnswer]) -> None:
        """Give each line its answer."""
        for number, future in self.answers.items():
            answer = found.get(number)
            if future.done():
                continue
            if answer is not None and answer.left is None:
                future.set_result(answer)
            elif answer is not None and answer.left is not None:
                future.set_exception(LineLeft(answer.left))
            elif self.is_resumed:
                future.set_exception(_NotInIt())
            else:
                future.set_exception(Upstream("the provider's batch has no answer to this line", retryable=False))

    def give_back(self) -> None:
        """Have each line sent by itself."""
        for future in self.answers.values():
            if not future.done():
                future.set_result(None)

    def fail(self, error: HeadgateError) -> None:
        """End each line with an error."""
        for future in self.answers.values():
            if not future.done():
                future.set_exception(Upstream(error.message, retryable=False, detail=error.recorded))


@dataclass(frozen=True, slots=True)
class Provider:
    """The way to batches of providers, and the time."""

    batches: ProviderBatches
    job_action: JobAction
    clock: Clock


class Handing:
    """The lines of one batch that wait for a provider. As `HandedLines`.

    Args:
        waiting: the block in which a line waits: it leaves its place to others, and takes one again at the end.
        note: counts lines that went to a provider.
    """

    def __init__(
        self,
        provider: Provider,
        run: DurableRun,
        pipeline: Pipeline,
        *,
        expires_at: datetime,
        waiting: Callable[[], AbstractAsyncContextManager[None]],
        note: Callable[[int], Awaitable[None]],
    ) -> None:
        self._provider = provider
        self._batches = provider.batches
        self._run = run
        self._pipeline = pipeline
        self._expires_at = expires_at
        self._waiting = waiting
        self._note = note
        self._kept: dict[str, dict[str, Any]] = dict(run.progress.get("handed", {}))
        self._resumed = set(self._kept)
        self._gathering: dict[tuple[str, bool], _Wave] = {}
        self._sent: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether a wave should go before another line begins."""
        waves = [wave for wave in self._gathering.values() if not wave.is_resumed]
        return any(len(wave.lines) >= MOST_WAITING or wave.size_bytes >= _MOST_BYTES for wave in waves)

    async def answer(self, handed: Handed) -> LineAnswer | None:
        """As `HandedLines.answer`."""
        while True:
            answer = self._wave_of(handed).join(handed)
            try:
                async with self._waiting():
                    return await answer
            except _NotInIt:
                continue

    def _wave_of(self, handed: Handed) -> _Wave:
        key = f"{handed.deployment.id} {handed.path}"
        is_resumed = key in self._resumed and handed.line <= self._kept[key]["last"]
        return self._gathering.setdefault((key, is_resumed), _Wave(key, is_resumed))

    def send(self, start: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """Send the gathered waves, of which each key has one at a time at the provider.

        Args:
            start: runs a coroutine in the task group of the batch.
        """
        for key, is_resumed in sorted(self._gathering, key=lambda one: not one[1]):
            if key not in self._sent:
                self._sent.add(key)
                start(self._serve(self._gathering.pop((key, is_resumed))))

    async def _serve(self, wave: _Wave) -> None:
        try:
            batch = await self._begun(wave)
            found = None if batch is None else await self._collected(wave, batch)
        except (LeaseLost, Unavailable):
            raise
        except HeadgateError as error:
            log.warning("provider_batch_failed", batch=self._run.id, deployment=wave.deployment.id, reason=str(error))
            wave.fail(error)
        else:
            if found is None:
                wave.give_back()
            else:
                wave.answer(found)
        finally:
            self._resumed.discard(wave.key)
            self._sent.discard(wave.key)

    async def _begun(self, wave: _Wave) -> ProviderBatch | None:
        """Return the provider's batch of a wave; None if the provider takes none."""
        kept = self._kept.get(wave.key, {"part": 0})
        if wave.is_resumed and kept["batch"]:
            return ProviderBatch(kept["batch"])
        if self._left_s() < _ENDING_S:
            return None
        if not wave.is_resumed:
            kept = self._kept[wave.key] = {"part": kept["part"] + 1, "last": max(wave.lines), "batch": ""}
            await self._run.report(handed=self._kept)
        name, is_again = f"{self._run.id}-{kept['part']}", wave.is_resumed
        for tried in range(1, _TRIES + 1):
            try:
                batch = await self._handed_over(wave, name, is_again=is_again)
            except (LeaseLost, Unavailable):
                raise
            except HeadgateError as error:
                log.warning("batch_not_handed_over", batch=self._run.id, tried=tried, reason=error.recorded)
                if not isinstance(error, Upstream) or error.upstream_status in _REFUSALS or tried == _TRIES:
                    return None
                is_again = True  # an answer that was lost may have begun it
                await self._pause(PAUSE_S * tried)
            else:
                kept["batch"] = batch.id
                await self._run.report(handed=self._kept)
                await self._note(len(wave.lines))
                return batch
        return None

    async def _handed_over(self, wave: _Wave, name: str, *, is_again: bool) -> ProviderBatch:
        async def do(facts: Facts) -> ProviderBatch:
            batch = await self._batches.find(wave.deployment, name=name) if is_again else None
            facts["found"] = batch is not None
            if batch is None:
                if is_again:
                    log.warning("batch_handed_over_again", batch=self._run.id, name=name)
                batch = await self._batches.begin(list(wave.lines.values()), name=name)
            facts["provider_batch"] = batch.id
            return batch

        return await self._act(BATCH_HAND_OVER, wave, do, name=name)

    async def _collected(self, wave: _Wave, begun: ProviderBatch) -> Mapping[int, LineAnswer] | None:
        """Wait for a provider's batch, and return its answers; None if the provider refused it as a whole."""

        async def do(facts: Facts) -> Mapping[int, LineAnswer] | None:
            facts["provider_batch"] = begun.id
            async with self._run.parked():
                batch = await self._ended(wave, begun)
            if batch.fault:
                facts["fault"] = batch.fault[:500]
                log.warning("provider_batch_refused", batch=self._run.id, reason=batch.fault)
                return None
            return await self._patiently(lambda: self._batches.answers(wave.deployment, batch))

        return await self._act(BATCH_COLLECT, wave, do, name=begun.id)

    async def _ended(self, wave: _Wave, batch: ProviderBatch) -> ProviderBatch:
        is_asked, pause_s, begun_id = False, _FIRST_PAUSE_S, batch.id
        while not batch.is_ended:
            if self._left_s() <= 0:
                raise Upstream("the provider's batch did not end in time", retryable=False)
            if not is_asked and (self._run.cancelled.is_set() or self._left_s() < _ENDING_S):
                is_asked = True
                await self._take_back(wave, begun_id)
            await self._pause(pause_s, whole=is_asked)
            pause_s = min(pause_s * 2, _MOST_PAUSE_S)
            batch = await self._patiently(lambda: self._batches.look(wave.deployment, begun_id))
        return batch

    async def _take_back(self, wave: _Wave, batch: str) -> None:
        async def do(facts: Facts) -> None:
            facts["provider_batch"] = batch
            await self._batches.cancel(wave.deployment, batch)

        try:
            await self._act(BATCH_TAKE_BACK, wave, do, name=batch)
        except Upstream as error:  # it may have ended by now
            log.warning("provider_batch_not_cancelled", batch=self._run.id, reason=error.recorded)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until the provider answers. Its batch goes on while it does not, and is paid for.

        Raises:
            Upstream: the provider has no such batch any more, or the window has closed.
        """
        pause_s = PAUSE_S
        while True:
            try:
                return await ask()
            except Upstream as error:
                if error.upstream_status == 404 or self._left_s() <= 0:
                    raise
                log.warning("provider_batch_not_seen", batch=self._run.id, reason=error.recorded)
            await self._pause(pause_s, whole=True)
            pause_s = min(pause_s * 2, _MOST_PAUSE_S)

    async def _act(self, verb: CommandVerb, wave: _Wave, do: Callable[[Facts], Awaitable[T]], *, name: str) -> T:
        """Run a request to the provider as an action of Headgate, on the deployment."""
        facts = {"batch": self._run.id, "lines": len(wave.lines)}
        command = Command(summary=facts, arguments=digest_of(self._run.id, name), do=do)
        resource = self._batches.resource(wave.deployment)
        done = await self._pipeline.run(self._provider.job_action(self._run.tenant, verb, resource, command))
        result: T = done.result
        return result

    async def _pause(self, pause_s: float, *, whole: bool = False) -> None:
        """Wait; a cancelled batch waits no longer, unless the pause is a whole one."""
        if whole:
            await asyncio.sleep(pause_s)
            return
        try:
            async with asyncio.timeout(pause_s):
                await self._run.cancelled.wait()
        except TimeoutError:
            return

    def _left_s(self) -> float:
        return (self._expires_at - self._provider.clock.now()).total_seconds()
