"""The one way through which every effect goes.

    label → decide → transform → flow check → admit → open record → perform → label output, release → close, settle

No decision, no effect; no record on disk, no effect. What is performed and how it is guarded are the features' affair:
the pipeline knows only the ports. An action that a performer runs goes through here again, with a record of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar, cast

from headgate.kernel.action import Action, is_carrier
from headgate.kernel.beside import Beside
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, LogLevel, Obligations
from headgate.kernel.errors import Denied, HeadgateError, NeedsApproval, NotFound, UpstreamTimeout
from headgate.kernel.identity import RecordId
from headgate.kernel.labels import Labels
from headgate.kernel.model_call import NO_MEASURES
from headgate.kernel.ports import (
    Admitter,
    Approvals,
    Clock,
    Decider,
    Exchange,
    Ids,
    Labeller,
    Performer,
    Recorder,
    Reservation,
    Ticket,
    Transformer,
)
from headgate.kernel.record import Closing, Fact, Opening, Outcome
from headgate.kernel.run import Run

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - as in action.py
R = TypeVar("R")

_KEPT_ANSWER_BYTES = 1 << 20
_SMALL_BYTES = 8 << 10
"""Content of this size is scanned within milliseconds, whatever it holds; larger content beside the event loop."""

_GLANCED_BYTES = 256 << 10
"""One pass over content of this size takes less than a millisecond."""

FLOW_RULE = "lattice.flow"
"""The id under which the lattice's own refusals are recorded; it is always enforced."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The features behind the ports, as assembly wires them."""

    labeller: Labeller
    decider: Decider
    transformer: Transformer
    admitter: Admitter
    recorder: Recorder
    approvals: Approvals


class Stream(NamedTuple, Generic[P, I, R]):
    """A streamed action: its open run and its released items."""

    run: Run[P, I, R]
    items: AsyncIterator[I]


class Done(NamedTuple, Generic[P, I, R]):
    """A finished action: what was released, and the run that tells of it."""

    result: R
    run: Run[P, I, R]


class _Admitted(NamedTuple):
    """A run whose record is open, with what has to be closed again."""

    run: Run[Any, Any, Any]
    exchange: Exchange
    reservation: Reservation

    @property
    def keeps_answer(self) -> bool:
        """Whether the answer is sealed with the record; that of a plan is kept by what it ran."""
        return self.run.action.verb.effect != "plan" and self.run.decision.obligations.log is not LogLevel.NONE


class _Draft:
    """What is known of an action before its record opens; a stage that breaks leaves the rest as it is here."""

    __slots__ = ("decision", "exchange", "labelled", "record_id", "reservation", "started_s")

    def __init__(self, record_id: RecordId, *, started_s: float) -> None:
        self.record_id = record_id
        self.started_s = started_s
        self.labelled = _UNLABELLED
        self.decision = _UNDECIDED
        self.exchange: Exchange | None = None
        self.reservation: Reservation | None = None


class _Ending(NamedTuple):
    """How an action ended: the outcome, and the code of the error that ended it."""

    outcome: Outcome
    error: str | None


class Pipeline:
    """Runs actions. One for a process; holds no state of its own between calls."""

    def __init__(
        self, *, stages: Stages, performers: Mapping[str, Performer[Any, Any, Any]], clock: Clock, ids: Ids
    ) -> None:
        self._stages = stages
        self._performers = dict(performers)
        self._ids = ids
        self._beside = Beside()
        self.clock = clock

    async def run(self, action: Action[P, I, R], *, parent: Run[Any, Any, Any] | None = None) -> Done[P, I, R]:
        """Perform an action and return its released result.

        Raises:
            HeadgateError: refused, over budget, failed; `record_id` names the record that tells more.
        """
        performer = self._performer(action)
        admitted = await self._admit(action)
        ending = _ABANDONED
        answer: bytes | None = None
        try:
            released = self._release(admitted)
            work, deadline_s = performer.run(admitted.run), action.context.deadline_s
            if deadline_s is None or action.verb.effect == "plan":
                # What only plans waits nowhere but in what it runs, which has the same deadline.
                result = await work
            else:
                result = await self._in_time(work, deadline_s)
            if admitted.keeps_answer and is_carrier(result):
                answer = result.content.to_bytes()
            if not admitted.exchange.is_transparent:
                exchange = admitted.exchange
                is_small = (_size_bytes(result) if answer is None else len(answer)) <= _SMALL_BYTES
                seen = exchange.result(result) if is_small else await self._beside.run(exchange.result, result)
                result = cast("R", seen)
            if admitted.exchange.output_labels is not released:
                self._release(admitted)
            ending = _DONE
        except Exception as error:
            ending = _ended_by(error, admitted.run.record_id)
            raise
        finally:
            self._close(admitted, ending, answer=answer, parent=parent)
        return Done(result, admitted.run)

    def stream(
        self, action: Action[P, I, R], *, parent: Run[Any, Any, Any] | None = None
    ) -> AbstractAsyncContextManager[Stream[P, I, R]]:
        """Perform an action and give its released items; leaving early abandons it and stops everything inside.

        Raises:
            HeadgateError: on entering, when it is refused; while iterating, when it fails.
        """
        return self._stream(action, parent)

    @asynccontextmanager
    async def _stream(
        self, action: Action[P, I, R], parent: Run[Any, Any, Any] | None
    ) -> AsyncGenerator[Stream[P, I, R], None]:
        performer = self._performer(action)
        admitted = await self._admit(action)
        progress = _Progress(room_bytes=_KEPT_ANSWER_BYTES if admitted.keeps_answer else 0)
        try:
            self._release(admitted)
            async with (
                performer.stream(admitted.run) as items,
                aclosing(self._released(admitted, items, progress)) as released,
            ):
                yield Stream(admitted.run, released)
        except Exception as error:
            progress.ends(_ended_by(error, admitted.run.record_id))
            raise
        finally:
            answer = b"".join(progress.kept) if progress.kept else None
            self._close(admitted, progress.ending or _ABANDONED, answer=answer, parent=parent)

    async def _released(
        self, admitted: _Admitted, items: AsyncIterator[Any], progress: _Progress
    ) -> AsyncGenerator[Any, None]:
        """Give the released items; what ends them is noted here, since whoever reads may go on without raising it."""
        exchange = admitted.exchange
        try:
            if exchange.is_transparent:
                async for item in items:
                    progress.keep(item)
                    yield item
            else:
                labels = exchange.output_labels
                async for item in items:
                    is_small = progress.keep(item) <= _SMALL_BYTES
                    outs = exchange.item(item) if is_small else await self._beside.run(exchange.item, item)
                    if exchange.output_labels is not labels:
                        labels = exchange.output_labels
                        self._release(admitted)
                    for out in outs:
                        yield out
                rest = exchange.finish()
                self._release(admitted)
                for out in rest:
                    yield out
            progress.ends(_DONE)
        except Exception as error:
            progress.ends(_ended_by(error, admitted.run.record_id))
            raise

    async def _in_time(self, work: Awaitable[R], deadline_s: float) -> R:
        """Wait for the work until the deadline."""
        timer = asyncio.timeout(deadline_s - self.clock.monotonic())
        try:
            async with timer:
                return await work
        except TimeoutError:
            if timer.expired():
                raise _late() from None
            raise

    def _performer(self, action: Action[P, I, R]) -> Performer[P, I, R]:
        try:
            return self._performers[action.verb.name]
        except KeyError:
            raise NotFound(f"nothing here performs {action.verb.name}") from None

    async def _label(self, action: Action[Any, Any, Any]) -> Labelled:
        """Label the action; beside the event loop where that may take more than a glance."""
        labeller, size_bytes = self._stages.labeller, _size_bytes(action.payload)
        if size_bytes <= _SMALL_BYTES:
            return labeller.label(action)
        glanced = labeller.glance(action) if size_bytes <= _GLANCED_BYTES else None
        return await self._beside.run(labeller.label, action) if glanced is None else glanced

    async def _transform(self, action: Action[Any, Any, Any], labelled: Labelled, decision: Decision) -> Exchange:
        """Transform the action; beside the event loop where much may have to be replaced."""
        transform = partial(
            self._stages.transformer.transform,
            action,
            labelled=labelled,
            decision=decision,
            receiver=action.principal.clearance,
        )
        is_small = not labelled.findings or _size_bytes(action.payload) <= _SMALL_BYTES
        return transform() if is_small else await self._beside.run(transform)

    async def _admit(self, action: Action[Any, Any, Any]) -> _Admitted:
        """Go from labelling to the open record; what is refused or breaks on the way is recorded too."""
        stages = self._stages
        draft = _Draft(RecordId(self._ids.ulid()), started_s=self.clock.monotonic())
        try:
            if action.context.deadline_s is not None and action.context.deadline_s <= self.clock.monotonic():
                raise _late()
            labelled = draft.labelled = await self._label(action)
            decision = draft.decision = stages.decider.decide(action, labelled)
            exchange = draft.exchange = await self._transform(action, labelled, decision)
            final = action if exchange.payload is action.payload else action.with_payload(exchange.payload)
            refuse(final, labelled=labelled, decision=decision, exchange=exchange)
            reservation = draft.reservation = await stages.admitter.reserve(final, decision)
            if decision.effect is Effect.ASK:
                await self._redeem(final, decision=decision, exchange=exchange, record=draft.record_id)
        except BaseException as error:
            self._refuse(action, draft, error)
            raise
        await self._open(self._opening(action, draft), reservation, wait=action.verb.effect != "plan", draft=draft)
        run: Run[Any, Any, Any] = Run(
            self,
            action=final,
            payload=exchange.payload,
            labelled=labelled,
            decision=decision,
            record_id=draft.record_id,
            started_s=draft.started_s,
        )
        # Whoever holds the run reads there what was masked, as well as what was restored.
        run.facts.update(exchange.facts)
        return _Admitted(run, exchange, reservation)

    def _refuse(self, action: Action[Any, Any, Any], draft: _Draft, error: BaseException) -> None:
        """Give back what was reserved and record that nothing was done, and why."""
        facts: dict[str, Fact] = {}
        ending = _ABANDONED
        if isinstance(error, HeadgateError):
            error.record_id = draft.record_id
            ending = _Ending("refused", error.code)
            facts = {"reason": error.message[:500], "refused_by": _rules(error)}
        elif isinstance(error, Exception):
            ending = _FAILED
        try:
            if draft.reservation is not None:
                draft.reservation.settle(NO_MEASURES, performed=False)
        finally:
            # A cancellation goes on as one, whether or not it could be recorded that nothing was done.
            with suppress(*(() if isinstance(error, Exception) else (HeadgateError,))):
                opening = self._opening(action, draft)
                self._stages.recorder.open(opening)
                self._close_unperformed(opening, ending, started_s=draft.started_s, facts=facts)

    async def _open(self, opening: Opening, reservation: Reservation, *, wait: bool, draft: _Draft) -> None:
        """Append the opening and wait until it is on disk; whatever stops us, nothing stays reserved or open."""
        ticket: Ticket | None = None
        try:
            ticket = self._stages.recorder.open(opening)
            if wait:
                await ticket.durable()
        except BaseException as error:
            if isinstance(error, HeadgateError) and ticket is not None:
                error.record_id = opening.id
            try:
                reservation.settle(NO_MEASURES, performed=False)
            finally:
                if ticket is not None:
                    outcome: Outcome = "failed" if isinstance(error, Exception) else "abandoned"
                    self._close_unperformed(opening, _Ending(outcome, "not_opened"), started_s=draft.started_s)
            raise

    async def _redeem(
        self, action: Action[Any, Any, Any], *, decision: Decision, exchange: Exchange, record: RecordId
    ) -> None:
        digest = action.digest(labels=exchange.labels, policy_version=decision.version)
        rules = tuple(rule.id for rule in decision.refusing)
        if action.context.grant is None:
            approval_id = await self._stages.approvals.request(
                action, digest=digest, decision=decision, labels=exchange.labels, record=record
            )
            raise NeedsApproval(
                f"{action.verb.name} on {action.resource.id} has to be approved by a person: {_reasons(decision)}; "
                f"have somebody else approve {approval_id}, then send the same request again, once, with the "
                f"header x-headgate-grant: {approval_id}",
                approval_id=approval_id,
                rules=rules,
            )
        await self._stages.approvals.redeem(action.context.grant, digest=digest, principal=action.principal.id)

    def _opening(self, action: Action[Any, Any, Any], draft: _Draft) -> Opening:
        decision, exchange = draft.decision, draft.exchange
        verb, principal, resource, context = action.verb, action.principal, action.resource, action.context
        log = decision.obligations.log
        parts: dict[str, bytes] = {}
        payload = exchange.payload if exchange is not None else None
        if log is not LogLevel.NONE and verb.effect != "plan" and is_carrier(payload):
            parts["sent"] = payload.content.to_bytes()
        return Opening(
            id=draft.record_id,
            tenant=principal.tenant,
            opened_at=self.clock.now(),
            verb=verb.name,
            principal=principal.id,
            use_case=context.use_case.id,
            resource=f"{resource.kind}:{resource.id}",
            effect=_WORDS[decision.effect],
            would=_WORDS[decision.would],
            rules=decision.rules,
            policy_version=decision.version,
            labels=draft.labelled.labels,
            parent=context.parent,
            root=context.root,
            key_id=principal.key_id,
            log=log,
            facts=exchange.facts if exchange is not None else {},
            parts=parts,
        )

    def _close_unperformed(
        self, opening: Opening, ending: _Ending, *, started_s: float, facts: Mapping[str, Fact] | None = None
    ) -> None:
        self._stages.recorder.close(
            Closing(
                id=opening.id,
                tenant=opening.tenant,
                closed_at=self.clock.now(),
                outcome=ending.outcome,
                labels=opening.labels,
                error=ending.error,
                duration_us=int((self.clock.monotonic() - started_s) * 1_000_000),
                facts=facts or {},
            )
        )

    def _release(self, admitted: _Admitted) -> Labels:
        """Refuse to hand out what the receiver may not see: before anything is done, and whenever labels have risen.

        Returns the labels with which it may be handed out.
        """
        labels = admitted.exchange.output_labels
        if obstacles := labels.obstacles(admitted.run.action.principal.clearance):
            raise Denied(f"the answer may not be released to this caller: {'; '.join(obstacles)}", rules=(FLOW_RULE,))
        return labels

    def _close(
        self, admitted: _Admitted, ending: _Ending, *, answer: bytes | None, parent: Run[Any, Any, Any] | None
    ) -> None:
        """Settle and close the record, whatever breaks; synchronous, so that cancellation cannot come between."""
        run = admitted.run
        facts = run.facts = _facts(run)
        if parent is not None:
            parent.children.append(run)
        try:
            _absorb(run, admitted.exchange)
            facts.update(admitted.exchange.closing_facts())
        except Exception:
            ending = _FAILED
            raise
        finally:
            try:
                admitted.reservation.settle(run.measures, performed=True)
            finally:
                self._stages.recorder.close(
                    Closing(
                        id=run.record_id,
                        tenant=run.action.principal.tenant,
                        closed_at=self.clock.now(),
                        outcome=ending.outcome,
                        labels=run.output_labels,
                        error=ending.error,
                        duration_us=run.elapsed_us(),
                        facts=facts,
                        parts={"answer": answer} if answer is not None else {},
                    )
                )


class _Progress:
    """How far a stream came; `kept` is the answer as it arrived, before anything was restored."""

    __slots__ = ("_room_bytes", "ending", "kept")

    def __init__(self, *, room_bytes: int) -> None:
        self.ending: _Ending | None = None
        self.kept: list[bytes] = []
        self._room_bytes = room_bytes

    def ends(self, ending: _Ending) -> None:
        """Note how it ended; the first ending counts."""
        self.ending = self.ending or ending

    def keep(self, item: Any) -> int:
        """Keep the item's bytes for the record, as long as there is room; return how many there are."""
        data: bytes = getattr(item, "data", b"")
        size_bytes = len(data)
        if self._room_bytes > 0:
            self._room_bytes -= size_bytes + 1
            if self._room_bytes >= 0:
                self.kept += (data, b"\n")
        return size_bytes


def _size_bytes(payload: Any) -> int:
    """Return the size of what a payload or a result carries; 0 where it carries nothing."""
    return len(payload.content.to_bytes()) if is_carrier(payload) else 0


def _absorb(run: Run[Any, Any, Any], exchange: Exchange) -> None:
    """Let what the exchange and the nested actions put out raise what this one puts out."""
    labels = run.output_labels.join(exchange.output_labels)
    for child in run.children:
        labels = labels.join(child.output_labels)
    run.output_labels = labels


def _facts(run: Run[Any, Any, Any]) -> dict[str, Fact]:
    """Return what the performer reported, as the record has it."""
    measures = run.measures
    facts: dict[str, Fact] = {**run.facts, **measures.facts}
    if measures is NO_MEASURES:
        return facts
    usage = measures.usage
    if usage.input_tokens is not None:
        facts["input_tokens"] = usage.input_tokens
    if usage.output_tokens is not None:
        facts["output_tokens"] = usage.output_tokens
    if usage.cache_read_tokens:
        facts["cache_read_tokens"] = usage.cache_read_tokens
    if usage.is_estimate:
        facts["usage_is_estimate"] = True
    if measures.cost_micros is not None:
        facts["cost_micros"] = measures.cost_micros
    if measures.currency is not None:
        facts["currency"] = measures.currency
    if measures.first_item_us is not None:
        facts["first_item_us"] = measures.first_item_us
    return facts


def _ended_by(error: Exception, record_id: RecordId) -> _Ending:
    """Return the ending that an error makes; one of ours is told the record that tells more."""
    if not isinstance(error, HeadgateError):
        return _FAILED
    error.record_id = error.record_id or record_id
    return _Ending("refused" if isinstance(error, Denied) else "failed", error.code)


def _late() -> UpstreamTimeout:
    return UpstreamTimeout("the answer was not there by the caller's own deadline; allow more time", retryable=False)


def _rules(refusal: HeadgateError) -> str:
    return ",".join(refusal.rules) if isinstance(refusal, Denied) else ""


def _reasons(decision: Decision) -> str:
    return "; ".join(f"{rule.id} ({rule.reason})" for rule in decision.refusing) or "no rule allows it"


def refuse(action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, exchange: Exchange) -> None:
    """Raise where an action with its final payload may not be performed; a preview asks the same.

    Raises:
        Denied: policy denies it, or its content may not flow to where it would go.
    """
    _refuse_denied(decision)
    _refuse_flow(action, labelled=labelled, decision=decision, exchange=exchange)


def _refuse_denied(decision: Decision) -> None:
    if decision.effect is Effect.DENY:
        raise Denied(f"refused by {_reasons(decision)}", rules=tuple(rule.id for rule in decision.refusing))


def _refuse_flow(action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, exchange: Exchange) -> None:
    """Refuse what may not flow to where it would go. What an observing rule would mask counts as masked: see 0001."""
    clearance = action.resource.clearance
    labels = exchange.labels.masked(decision.observed.mask).join(labelled.floor)
    if decision.obligations.restrict > clearance.custody:
        raise Denied(
            f"{action.resource.kind} {action.resource.id} is not on the organisation's own machines, as policy demands",
            rules=tuple(rule.id for rule in decision.rules if rule.does == "duty" and rule.mode == "enforce"),
        )
    obstacles = labels.obstacles(clearance)
    if obstacles:
        raise Denied(
            f"the content may not go to {action.resource.kind} {action.resource.id}: {'; '.join(obstacles)}",
            rules=(FLOW_RULE,),
        )


_WORDS: Mapping[Effect, str] = {effect: effect.name.lower() for effect in Effect}
_UNLABELLED = Labelled()
_UNDECIDED = Decision(Effect.DENY, would=Effect.DENY, obligations=Obligations(log=LogLevel.NONE))
_DONE = _Ending("done", None)
_ABANDONED = _Ending("abandoned", None)
_FAILED = _Ending("failed", "internal_error")
