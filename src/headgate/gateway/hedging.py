"""Hedging: a second attempt beside a first one that has not answered in time.

The second attempt goes to the next candidate, if the limits and budgets of the call admit both. The first one to begin
an answer wins. The other is cancelled, and its record keeps what it cost.

Source: J. Dean and L. A. Barroso, "The tail at scale", CACM 56(2), 2013.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from headgate.gateway.attempts import Attempts, DispatchRun, Held, InvokeRun, resource_of, until_content
from headgate.kernel.action import Action
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ports import Reservation
from headgate.wire.model_call import MODEL_DISPATCH, Deployment, ModelDispatch, ModelEvent, ModelReply

_AHEAD = 16
"""How many events of a stream wait for a slow client."""

ReserveAgain = Callable[[Action[Any, Any, Any]], Awaitable[Reservation]]
"""Reserves once more what a call may use, from all of its limits but the number of requests."""


@dataclass(slots=True, eq=False)
class _Racer:
    """One attempt, in a task of its own.

    Attributes:
        number: of the attempt in its call, from 1.
        begun: set when it has content, an answer or an error.
        queue: the events after those in `held`; None ends them.
    """

    deployment: Deployment
    number: int
    task: asyncio.Task[None] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    error: HeadgateError | None = None
    reply: ModelReply | None = None
    run: DispatchRun | None = None
    held: Held | None = None
    queue: asyncio.Queue[ModelEvent | None] = field(
        default_factory=lambda: asyncio.Queue[ModelEvent | None](maxsize=_AHEAD)
    )


class Hedging:
    """Makes the attempts of calls of aliases with `hedge`."""

    def __init__(self, reserve_again: ReserveAgain) -> None:
        self._reserve_again = reserve_again

    async def answer(self, run: InvokeRun, attempts: Attempts) -> ModelReply:
        """Return the answer of the first attempt that answers."""
        stopped: BaseException | None = None
        racers: list[_Racer] = []
        reply: ModelReply | None = None
        async with asyncio.TaskGroup() as group:
            try:
                winner = await self._winner(run, attempts, racers, group)
                reply = None if winner is None else winner.reply
            except BaseException as error:  # noqa: BLE001 - raised below, outside the group, which would wrap it
                stopped = error
            finally:
                _cancel(racers)
        self._finish(attempts, racers, stopped, is_answered=reply is not None)
        assert reply is not None
        return reply

    async def events(self, run: InvokeRun, attempts: Attempts) -> AsyncGenerator[ModelEvent, None]:
        """Yield the events of the first attempt with content."""
        stopped: BaseException | None = None
        racers: list[_Racer] = []
        is_answered = False
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    winner = await self._winner(run, attempts, racers, group)
                    if winner is not None and winner.held is not None and winner.run is not None:
                        is_answered = True
                        run.preface = winner.run.preface
                        for event in winner.held.events:
                            yield event
                        while (event := await winner.queue.get()) is not None:
                            yield event
                        if winner.error is not None:
                            attempts.streamed(winner.deployment, is_well=False)
                            raise winner.error
                        attempts.streamed(winner.deployment, is_well=True)
                except BaseException as error:  # noqa: BLE001 - as above
                    stopped = error
                finally:
                    _cancel(racers)
            self._finish(attempts, racers, stopped, is_answered=is_answered)
        finally:
            attempts.close()

    def _finish(
        self, attempts: Attempts, racers: list[_Racer], stopped: BaseException | None, *, is_answered: bool
    ) -> None:
        """Put the winner last among the nested runs, and raise what ended the call."""
        if is_answered:
            attempts.counts(racers[0].deployment)
        if stopped is not None:
            raise stopped
        if not is_answered:
            raise attempts.refusal()

    async def _winner(
        self, run: InvokeRun, attempts: Attempts, racers: list[_Racer], group: asyncio.TaskGroup
    ) -> _Racer | None:
        """Return the attempt that begins an answer first; None after the last failure. It is the first of `racers`."""
        left_s = attempts.hedge_s
        self._start(run, attempts, racers, group)
        while racers:
            if not await _one_begins(racers, within_s=left_s if attempts.has_more else None):
                left_s = None
                if await self._may_hedge(run, attempts):
                    self._start(run, attempts, racers, group)
                    run.facts["hedges"] = 1
                continue
            racer = next(one for one in racers if one.begun.is_set())
            racers.remove(racer)
            if racer.error is None:
                await _stop(racers)
                racers.insert(0, racer)
                self._note(run, attempts, racers)
                return racer
            attempts.counts(racer.deployment)
            attempts.failed(racer.deployment, racer.error)
            if not racers:
                self._start(run, attempts, racers, group)
        return None

    def _start(self, run: InvokeRun, attempts: Attempts, racers: list[_Racer], group: asyncio.TaskGroup) -> None:
        deployment = next(attempts, None)
        if deployment is None:
            return
        racer = _Racer(deployment, attempts.count)
        dispatch = ModelDispatch(run.payload, deployment, attempts.count)
        attempt = self._streamed if run.payload.stream else self._whole
        racer.task = group.create_task(attempt(run, racer, dispatch))
        racers.append(racer)

    async def _whole(self, run: InvokeRun, racer: _Racer, dispatch: ModelDispatch) -> None:
        try:
            racer.reply = await run.perform(MODEL_DISPATCH, resource_of(dispatch.deployment), dispatch)
        except HeadgateError as error:
            racer.error = error
        finally:
            racer.begun.set()

    async def _streamed(self, run: InvokeRun, racer: _Racer, dispatch: ModelDispatch) -> None:
        try:
            async with run.stream(MODEL_DISPATCH, resource_of(dispatch.deployment), dispatch) as stream:
                racer.held = await until_content(stream.items, is_text=not run.payload.answer_type)
                racer.run = stream.run
                racer.begun.set()
                if not racer.held.is_over:
                    async for event in stream.items:
                        await racer.queue.put(event)
        except HeadgateError as error:
            racer.error = error
        finally:
            racer.begun.set()
        await racer.queue.put(None)

    async def _may_hedge(self, run: InvokeRun, attempts: Attempts) -> bool:
        try:
            attempts.holds = await self._reserve_again(run.action)
        except HeadgateError as error:
            run.facts["hedge"] = f"not admitted: {error.code}"
            return False
        return True

    def _note(self, run: InvokeRun, attempts: Attempts, racers: list[_Racer]) -> None:
        winner, *losers = racers
        dispatched = winner.run or run.children[-1]
        if "hedges" in run.facts:
            run.facts["hedge_won"] = winner.number > 1
        if losers:
            ids = ", ".join(one.deployment.id for one in losers)
            run.facts["hedge"] = f"{winner.deployment.id} answered first; cancelled {ids}"
            attempts.counts(winner.deployment)
            dispatched = winner.run or run.children[-1]
        attempts.succeeded(winner.deployment, dispatched, is_over=winner.reply is not None)


async def _one_begins(racers: list[_Racer], *, within_s: float | None) -> bool:
    """Wait until an attempt has begun an answer or failed; False when the time is over."""
    if any(one.begun.is_set() for one in racers):
        return True
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(one.begun.wait()) for one in racers]
        done, _ = await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return bool(done)


async def _stop(racers: list[_Racer]) -> None:
    """Cancel attempts, and wait until their records are closed."""
    _cancel(racers)
    tasks = [one.task for one in racers if one.task is not None]
    if tasks:
        await asyncio.wait(tasks)


def _cancel(racers: list[_Racer]) -> None:
    for one in racers:
        if one.task is not None:
            one.task.cancel()
