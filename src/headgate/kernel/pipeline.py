"""The pipeline: every effect passes through it.

    label → decide → transform → flow check → admit → open record → perform → label output, release → close, settle

No decision, no effect; no record on disk, no effect.
The pipeline knows only the ports; the features implement the stages and the performers.
A nested action of a performer passes through the pipeline again, with its own record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, cast

from headgate.kernel.action import Action, Resource, is_carrier
from headgate.kernel.content import Labelled, TextSlot
from headgate.kernel.decision import (
    FLOW_RULE,
    NO_OBLIGATIONS,
    NOTHING_ALLOWS,
    Decision,
    Effect,
    LogLevel,
    Obligations,
)
from headgate.kernel.errors import (
    Denied,
    HeadgateError,
    Invalid,
    NeedsApproval,
    NotFound,
    OverBudget,
    Upstream,
    UpstreamTimeout,
    Withheld,
)
from headgate.kernel.identity import Principal, RecordId
from headgate.kernel.labels import Labels
from headgate.kernel.measures import NO_MEASURES
from headgate.kernel.offload import Offloader
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
from headgate.kernel.record import Closing, Fact, Opening, Outcome, Within
from headgate.kernel.run import Deferred, Run

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - as in action.py
R = TypeVar("R")

_KEPT_ANSWER_BYTES = 1 << 20
_REASON_CHARS = 500
_SMALL_BYTES = 8 << 10
"""A scan of any content up to this size takes milliseconds. Larger content goes to a thread."""

_OF_THE_REQUEST = frozenset({400, 413, 422})
"""Provider statuses that are about the content of the caller's request."""

_GLANCED_BYTES = 256 << 10
"""One pass over content up to this size takes less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The implementations of the ports. Assembly wires them."""

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
    """A finished action: the released result and the run."""

    result: R
    run: Run[P, I, R]


class _Admitted(NamedTuple):
    """A run with an open record, and its exchange and reservation."""

    run: Run[Any, Any, Any]
    exchange: Exchange
    reservation: Reservation

    @property
    def keeps(self) -> LogLevel:
        """How much of the answer the record keeps. A plan keeps none: its nested actions do."""
        return LogLevel.NONE if self.run.action.verb.effect == "plan" else self.run.decision.obligations.log

    def answer(self, result: Any) -> bytes | None:
        """Return the record's copy of a whole result, before any value is restored in it."""
        keeps = self.keeps
        if keeps is LogLevel.NONE or not is_carrier(result):
            return None
        if keeps is LogLevel.FULL:
            return result.content.to_bytes()
        keeper = self.exchange.keeper
        try:
            return None if keeper is None else keeper.result(result.content)
        except HeadgateError:
            # The record keeps no content that cannot be scanned.
            return None


class _Draft:
    """The state of an action before its record opens; stages that did not run have defaults."""

    __slots__ = ("decision", "exchange", "labelled", "plan", "record_id", "reservation", "started_s")

    def __init__(self, record_id: RecordId, plan: Run[Any, Any, Any] | None = None, *, started_s: float) -> None:
        self.record_id = record_id
        self.plan = plan
        self.started_s = started_s
        self.labelled = _UNLABELLED
        self.decision = _UNDECIDED
        self.exchange: Exchange | None = None
        self.reservation: Reservation | None = None


class _Ending(NamedTuple):
    """The end of an action: the outcome, the error code, and facts about the error."""

    outcome: Outcome
    error: str | None
    facts: Mapping[str, Fact] = MappingProxyType({})


class Pipeline:
    """Runs actions. One for a process; its only state is the actions in flight.

    Attributes:
        stages: the ports, for previews, which use them without performing the action.
    """

    def __init__(
        self, *, stages: Stages, performers: Mapping[str, Performer[Any, Any, Any]], clock: Clock, ids: Ids
    ) -> None:
        self.stages = stages
        self._performers = dict(performers)
        self._ids = ids
        self._sending: dict[RecordId, _Admitted] = {}
        self._offloader = Offloader()
        self.clock = clock

    async def run(self, action: Action[P, I, R], *, parent: Run[Any, Any, Any] | None = None) -> Done[P, I, R]:
        """Perform an action and return its released result.

        Raises:
            HeadgateError: refused, over budget or failed. Its `record_id` names the record.
        """
        performer = self._performer(action)
        admitted = await self._admit(action, parent)
        ending = _ABANDONED
        answer: bytes | None = None
        try:
            released = self._release(admitted)
            work, deadline_s = performer.run(admitted.run), action.context.deadline_s
            if deadline_s is None or action.verb.effect == "plan":
                # A plan waits only in its nested actions, and they have the same deadline.
                result = await work
            else:
                result = await self._in_time(work, deadline_s)
            answer = admitted.answer(result)
            result = cast("R", await self._handed_out(admitted, result, released))
            ending = _DONE
        except Exception as error:
            ending = _ended_by(error, admitted.run)
            raise
        finally:
            self._close(admitted, ending, answer=answer, parent=parent)
        return Done(result, admitted.run)

    def stream(
        self, action: Action[P, I, R], *, parent: Run[Any, Any, Any] | None = None
    ) -> AbstractAsyncContextManager[Stream[P, I, R]]:
        """Perform an action and yield its released items.

        Leaving the context early abandons the action and stops its nested actions.

        Raises:
            HeadgateError: on entering, for a refused action; while iterating, for a failed one.
        """
        return self._stream(action, parent)

    @asynccontextmanager
    async def _stream(
        self, action: Action[P, I, R], parent: Run[Any, Any, Any] | None
    ) -> AsyncGenerator[Stream[P, I, R], None]:
        performer = self._performer(action)
        admitted = await self._admit(action, parent)
        progress = _Progress(admitted.keeps)
        try:
            self._release(admitted)
            async with (
                performer.stream(admitted.run) as items,
                aclosing(self._released(admitted, items, progress)) as released,
            ):
                yield Stream(admitted.run, released)
        except Exception as error:
            progress.ends(_ended_by(error, admitted.run))
            raise
        finally:
            self._close(admitted, progress.ending or _ABANDONED, answer=progress.answer(admitted), parent=parent)

    async def _released(
        self, admitted: _Admitted, items: AsyncIterator[Any], progress: _Progress
    ) -> AsyncGenerator[Any, None]:
        """Yield the released items and note their end, since the reader may swallow the error."""
        run, exchange = admitted.run, admitted.exchange
        try:
            if exchange.is_transparent:
                async for item in items:
                    progress.keep(item)
                    yield item
            else:
                labels = exchange.output_labels
                async for item in items:
                    size_bytes = progress.keep(item)
                    if size_bytes is None:
                        size_bytes = len(getattr(item, "data", b""))
                    is_small = size_bytes <= _SMALL_BYTES
                    if run.stopped is not None:
                        raise run.stopped
                    try:
                        outs = exchange.item(item) if is_small else await self._offloader.run(exchange.item, item)
                        if exchange.output_labels is not labels:
                            labels = self._release(admitted)
                    except HeadgateError as error:
                        raise _after_performing(error) from error
                    for out in outs:
                        yield out
                try:
                    rest = exchange.finish()
                    self._release(admitted)
                except HeadgateError as error:
                    raise _after_performing(error) from error
                for out in rest:
                    yield out
            progress.ends(_DONE)
        except Exception as error:
            progress.ends(_ended_by(error, admitted.run))
            raise

    def note_refusal(self, action: Action[Any, Any, Any], error: HeadgateError, *, facts: Mapping[str, Fact]) -> None:
        """Record a refusal that happened before the pipeline, with the error's code and `facts`.

        Raises:
            Unavailable: the refusal could not be recorded.
        """
        draft = _Draft(RecordId(self._ids.ulid()), started_s=self.clock.monotonic())
        opening = self._opening(action, draft)
        self.stages.recorder.open(opening)
        self._close_unperformed(opening, _Ending("refused", error.code, facts), draft)
        error.record_id = draft.record_id

    def review(self) -> None:
        """End the actions in flight that policy refuses by now, such as a stream of a revoked key.

        Call it after a change of policies, and regularly, because keys expire. It costs some
        microseconds for each action.
        """
        for admitted in tuple(self._sending.values()):
            if admitted.run.stopped is not None:
                continue
            try:
                self._refuse_by_now(admitted)
            except Denied as refusal:
                error = Withheld(
                    f"this request was stopped, as policy no longer allows it: {refusal.message}",
                    rules=refusal.rules,
                    detail=f"ended on the way: {refusal.recorded}",
                )
                error.is_final = True
                admitted.run.stop(error)
            except HeadgateError:
                # Policies that are too old refuse new actions, but end none in flight.
                continue

    def _refuse_by_now(self, admitted: _Admitted) -> None:
        run, exchange = admitted.run, admitted.exchange
        action = self.stages.decider.as_of_now(run.action)
        decision = self._decide(action, run.labelled)
        refuse(action, labelled=run.labelled, decision=decision, exchange=exchange)
        if decision.effect > run.decision.effect:
            raise Denied(f"this now needs a person's approval: {decision.reasons}", rules=decision.refusing_ids)
        refuse_release(exchange.output_labels, action.principal)

    async def _handed_out(self, admitted: _Admitted, result: Any, released: Labels) -> Any:
        """Return the released form of a result; `released` are the labels already checked."""
        try:
            if admitted.run.stopped is not None:
                raise admitted.run.stopped
            exchange = admitted.exchange
            if not exchange.is_transparent:
                is_small = _size_bytes(result) <= _SMALL_BYTES
                result = exchange.result(result) if is_small else await self._offloader.run(exchange.result, result)
            if exchange.output_labels is not released:
                self._release(admitted)
        except HeadgateError as error:
            raise _after_performing(error) from error
        return result

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
            raise NotFound(f"no feature of this installation performs {action.verb.name}") from None

    async def _label(self, action: Action[Any, Any, Any]) -> Labelled:
        """Label the action; in a thread if one pass over its content is not enough."""
        labeller, size_bytes = self.stages.labeller, _size_bytes(action.payload)
        if size_bytes <= _SMALL_BYTES:
            return labeller.label(action)
        glanced = labeller.glance(action) if size_bytes <= _GLANCED_BYTES else None
        return await self._offloader.run(labeller.label, action) if glanced is None else glanced

    async def _transform(self, action: Action[Any, Any, Any], labelled: Labelled, decision: Decision) -> Exchange:
        """Transform the action; in a thread for large content with findings."""
        transform = partial(
            self.stages.transformer.transform,
            action,
            labelled=labelled,
            decision=decision,
            receiver=action.principal.clearance,
        )
        is_small = not labelled.findings or _size_bytes(action.payload) <= _SMALL_BYTES
        return transform() if is_small else await self._offloader.run(transform)

    def _decide(self, action: Action[Any, Any, Any], labelled: Labelled) -> Decision:
        """Return the decision, with the obligations of the enclosing action added."""
        return with_inherited(self.stages.decider.decide(action, labelled), action)

    async def _admit(self, action: Action[Any, Any, Any], parent: Run[Any, Any, Any] | None) -> _Admitted:
        """Run the stages from labelling to the open record. A refusal or failure is recorded too.

        The record of a plan stays unopened: see `Deferred`.
        """
        stages = self.stages
        record_id = action.context.record or RecordId(self._ids.ulid())
        plan = parent if action.context.record is not None else None
        # A record that covers a plan and its action measures both.
        draft = _Draft(record_id, plan, started_s=action.context.started_s or self.clock.monotonic())
        try:
            if action.context.deadline_s is not None and action.context.deadline_s <= self.clock.monotonic():
                raise _late()
            labelled = draft.labelled = await self._label(action)
            decision = draft.decision = self._decide(action, labelled)
            exchange = draft.exchange = await self._transform(action, labelled, decision)
            final = action if exchange.payload is action.payload else action.with_payload(exchange.payload)
            refuse(final, labelled=labelled, decision=decision, exchange=exchange)
            reservation = draft.reservation = await stages.admitter.reserve(final, decision)
            if decision.effect is Effect.ASK:
                await self._redeem(final, decision=decision, exchange=exchange, record=draft.record_id)
        except BaseException as error:
            self._refuse(action, draft, error)
            raise
        is_plan = action.verb.effect == "plan"
        if not is_plan:
            await self._open(self._opening(action, draft), reservation, draft=draft)
        run: Run[Any, Any, Any] = Run(
            self,
            action=final,
            payload=exchange.payload,
            labelled=labelled,
            decision=decision,
            record_id=draft.record_id,
            started_s=draft.started_s,
        )
        # The run shows the counts of masked values as well as those of restored ones.
        run.facts.update(exchange.facts)
        admitted = _Admitted(run, exchange, reservation)
        if is_plan:
            run.deferred = Deferred()
        if action.verb.effect == "send":
            self._sending[draft.record_id] = admitted
        return admitted

    def _refuse(self, action: Action[Any, Any, Any], draft: _Draft, error: BaseException) -> None:
        """Release the reservation and record the refusal with its reason."""
        ending = _ABANDONED
        if isinstance(error, HeadgateError):
            error.record_id = draft.record_id
            ending = _Ending("refused", error.code, _facts_of(error))
        elif isinstance(error, Exception):
            ending = _FAILED
        try:
            if draft.reservation is not None:
                draft.reservation.settle(NO_MEASURES, performed=False)
        finally:
            # A cancellation stays a cancellation, even if its record cannot be written.
            with suppress(*(() if isinstance(error, Exception) else (HeadgateError,))):
                opening = self._opening(action, draft)
                self._record(opening, draft)
                self._close_unperformed(opening, ending, draft)

    def _record(self, opening: Opening, draft: _Draft) -> Ticket:
        ticket = self.stages.recorder.open(opening)
        if draft.plan is not None and draft.plan.deferred is not None:
            draft.plan.deferred.is_recorded = True
        return ticket

    def open_deferred(self, run: Run[Any, Any, Any]) -> None:
        """Give a plan its own record: it runs a second action, or ends otherwise than its action.

        The record that the first action took over becomes a child of the plan's record.

        Raises:
            Unavailable: the journal is over its limit or cannot be written.
        """
        deferred = run.deferred
        assert deferred is not None
        record_id = RecordId(self._ids.ulid()) if deferred.is_taken else run.record_id
        self.stages.recorder.open(self._opening_of_plan(run, record_id))
        run.record_id, deferred.is_open = record_id, True
        if deferred.closing is not None:
            closing, deferred.closing = deferred.closing, None
            self._close_within(run, closing)

    def _close_within(self, plan: Run[Any, Any, Any], closing: Closing) -> None:
        """Close the record that took over the plan's id, as a child of the plan's own record."""
        assert plan.deferred is not None and plan.deferred.action is not None
        root, inner = plan.action.context.root or plan.record_id, plan.deferred.action
        within = Within(plan.record_id, root, inner.verb.name, _name_of(inner.resource))
        self.stages.recorder.close(closing._replace(within=within))

    async def _open(self, opening: Opening, reservation: Reservation, *, draft: _Draft) -> None:
        """Append the opening and wait until it is on disk.

        On an error or a cancellation it releases the reservation and closes the record.
        """
        ticket: Ticket | None = None
        try:
            ticket = self._record(opening, draft)
            await ticket.durable()
        except BaseException as error:
            if isinstance(error, HeadgateError) and ticket is not None:
                error.record_id = opening.id
            try:
                reservation.settle(NO_MEASURES, performed=False)
            finally:
                if ticket is not None:
                    outcome: Outcome = "failed" if isinstance(error, Exception) else "abandoned"
                    self._close_unperformed(opening, _Ending(outcome, "not_opened"), draft)
            raise

    async def _redeem(
        self, action: Action[Any, Any, Any], *, decision: Decision, exchange: Exchange, record: RecordId
    ) -> None:
        digest = action.digest(labels=exchange.labels, policy_version=decision.version)
        rules = decision.refusing_ids
        if action.context.grant is None:
            approval_id = await self.stages.approvals.request(
                action, digest=digest, decision=decision, labels=exchange.labels, record=record
            )
            raise NeedsApproval(
                f"{action.verb.name} on {action.resource.id} needs a person's approval: {decision.reasons}; "
                f"ask another person to approve {approval_id}, then send the same request once more with the "
                f"header x-headgate-grant: {approval_id}",
                approval_id=approval_id,
                rules=rules,
            )
        await self.stages.approvals.redeem(action.context.grant, digest=digest, principal=action.principal.id)

    def _opening(self, action: Action[Any, Any, Any], draft: _Draft) -> Opening:
        decision, exchange = draft.decision, draft.exchange
        log = decision.obligations.log
        parts: dict[str, bytes] = {}
        payload = exchange.payload if exchange is not None else None
        if log is not LogLevel.NONE and action.verb.effect != "plan" and exchange is not None and is_carrier(payload):
            keeper = exchange.keeper
            masked = keeper.payload() if log is LogLevel.MASKED and keeper is not None else None
            if (kept := payload.content.to_bytes() if log is LogLevel.FULL else masked) is not None:
                parts["sent"] = kept
        facts = exchange.facts if exchange is not None else _NO_FACTS
        told = action
        if draft.plan is not None:
            # One record covers both: the plan's verb and resource, and the action's destination.
            told = draft.plan.action
            decision = _joined(decision, draft.plan.decision)
            facts = {"destination": _name_of(action.resource), **facts}
        return self._opened(told, draft.record_id, decision, labels=draft.labelled.labels, facts=facts, parts=parts)

    def _opening_of_plan(self, run: Run[Any, Any, Any], record_id: RecordId) -> Opening:
        """Return the opening of a plan's own record, which keeps no content."""
        return self._opened(run.action, record_id, run.decision, labels=run.labelled.labels, facts={}, parts={})

    def _opened(
        self,
        action: Action[Any, Any, Any],
        record_id: RecordId,
        decision: Decision,
        *,
        labels: Labels,
        facts: Mapping[str, Fact],
        parts: Mapping[str, bytes],
    ) -> Opening:
        principal, context = action.principal, action.context
        return Opening(
            id=record_id,
            tenant=principal.tenant,
            opened_at=self.clock.now(),
            verb=action.verb.name,
            principal=principal.id,
            use_case=context.use_case.id,
            resource=_name_of(action.resource),
            effect=_WORDS[decision.effect],
            would=_WORDS[decision.would],
            rules=decision.rules,
            policy_version=decision.version,
            labels=labels,
            parent=context.parent,
            root=context.root,
            key_id=principal.key_id,
            log=decision.obligations.log,
            facts={**context.facts, **facts} if context.facts else facts,
            parts=parts,
        )

    def _close_unperformed(self, opening: Opening, ending: _Ending, draft: _Draft) -> None:
        closing = Closing(
            id=opening.id,
            tenant=opening.tenant,
            closed_at=self.clock.now(),
            outcome=ending.outcome,
            labels=opening.labels,
            error=ending.error,
            duration_us=int((self.clock.monotonic() - draft.started_s) * 1_000_000),
            facts=ending.facts,
        )
        self._append(closing, plan=draft.plan)

    def _append(self, closing: Closing, *, plan: Run[Any, Any, Any] | None) -> None:
        """Close a record, or hold the closing while the plan may still need its own record."""
        deferred = plan.deferred if plan is not None else None
        if plan is None or deferred is None:
            self.stages.recorder.close(closing)
        elif deferred.is_open:
            self._close_within(plan, closing)
        else:
            deferred.closing = closing

    def _release(self, admitted: _Admitted) -> Labels:
        """Refuse a release that exceeds the receiver's clearance; return the checked labels.

        Called before the effect, and after each rise of the labels.
        """
        labels = admitted.exchange.output_labels
        refuse_release(labels, admitted.run.action.principal)
        return labels

    def _close(
        self, admitted: _Admitted, ending: _Ending, *, answer: bytes | None, parent: Run[Any, Any, Any] | None
    ) -> None:
        """Settle the reservation and close the record, even after an error.

        It is synchronous, so that a cancellation cannot interrupt it.
        """
        run = admitted.run
        self._sending.pop(run.record_id, None)
        facts = run.facts = _facts(run)
        if parent is not None:
            parent.children.append(run)
        try:
            _absorb(run, admitted.exchange)
            facts.update(admitted.exchange.closing_facts())
            _require_declared(run)
        except Exception:
            ending = _FAILED
            raise
        finally:
            facts.update(ending.facts)
            try:
                admitted.reservation.settle(run.measures, performed=True)
            finally:
                parts = _closing_parts(admitted, answer)
                if run.deferred is not None:
                    self._close_plan(run, ending)
                else:
                    plan = parent if run.action.context.record is not None else None
                    self._append(self._closing(run, ending, parts), plan=plan)

    def _close_plan(self, run: Run[Any, Any, Any], ending: _Ending) -> None:
        """Close the record of a plan: that of its only action if both ended alike, else its own."""
        deferred = run.deferred
        assert deferred is not None
        held = deferred.closing
        if held is not None and (held.outcome, held.error) == (ending.outcome, ending.error):
            deferred.closing = None
            facts = {**run.facts, **held.facts, **ending.facts}
            told = held._replace(facts=facts, labels=run.output_labels)
            self.stages.recorder.close(told)
            return
        if not deferred.is_open:
            try:
                if not deferred.is_recorded:
                    deferred.is_taken = False  # no record has the plan's id
                self.open_deferred(run)
            except HeadgateError:
                if held is not None:
                    # No room for another record: the action's record also holds the plan's outcome.
                    facts = {**held.facts, "plan_outcome": ending.outcome, "plan_error": ending.error}
                    self.stages.recorder.close(held._replace(facts=facts))
                if ending.outcome == "abandoned":
                    return
                raise
        self.stages.recorder.close(self._closing(run, ending, {}))

    def _closing(self, run: Run[Any, Any, Any], ending: _Ending, parts: Mapping[str, bytes]) -> Closing:
        return Closing(
            id=run.record_id,
            tenant=run.action.principal.tenant,
            closed_at=self.clock.now(),
            outcome=ending.outcome,
            labels=run.output_labels,
            error=ending.error,
            duration_us=run.elapsed_us(),
            facts=run.facts,
            parts=parts,
        )


class _Progress:
    """The progress of a stream, and its answer before any value is restored.

    For a record with masked content it keeps the answer by channel, because a detector cannot find
    a value in pieces.
    """

    __slots__ = ("_is_masked", "_kept", "_room_bytes", "_texts", "ending")

    def __init__(self, keeps: LogLevel) -> None:
        self.ending: _Ending | None = None
        self._kept: list[bytes] = []
        self._texts: dict[str, list[str]] = {}
        self._is_masked = keeps is LogLevel.MASKED
        self._room_bytes = 0 if keeps is LogLevel.NONE else _KEPT_ANSWER_BYTES

    def ends(self, ending: _Ending) -> None:
        """Note the ending; the first one counts."""
        self.ending = self.ending or ending

    def keep(self, item: Any) -> int | None:
        """Keep the item for the record while there is room; return its size if it was counted."""
        if self._room_bytes <= 0:
            return None
        if self._is_masked:
            self._keep_texts(item)
            return None
        data: bytes = getattr(item, "data", b"")
        size_bytes = len(data)
        self._room_bytes -= size_bytes + 1
        if self._room_bytes >= 0:
            self._kept += (data, b"\n")
        return size_bytes

    def answer(self, admitted: _Admitted) -> bytes | None:
        """Return the record's copy of the answer."""
        if not self._is_masked:
            return b"".join(self._kept) if self._kept else None
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        keeper = admitted.exchange.keeper
        try:
            return keeper.channels(texts, is_whole=self._room_bytes > 0) if texts and keeper else None
        except HeadgateError:
            # The record keeps no content that cannot be scanned.
            return None

    def _keep_texts(self, item: Any) -> None:
        slots: Sequence[TextSlot] = getattr(item, "slots", ())
        for name, text in slots:
            self._room_bytes -= len(text)
            self._texts.setdefault(name, []).append(text)


def _size_bytes(payload: Any) -> int:
    """Return the size of the content of a payload or result; 0 without content."""
    return len(payload.content.to_bytes()) if is_carrier(payload) else 0


def _closing_parts(admitted: _Admitted, answer: bytes | None) -> Mapping[str, bytes]:
    """Return the sealed parts of a closing: the answer, and the upstream's error text."""
    said = admitted.run.error_text
    if said is None or admitted.keeps is not LogLevel.FULL:
        return {"answer": answer} if answer is not None else {}
    parts = {"error": said.encode("utf-8", "replace")}
    return parts if answer is None else {"answer": answer, **parts}


def _absorb(run: Run[Any, Any, Any], exchange: Exchange) -> None:
    """Raise the run's output labels by those of the exchange and of the nested actions."""
    labels = run.output_labels.join(exchange.output_labels)
    for child in run.children:
        labels = labels.join(child.output_labels)
    run.output_labels = labels


def _facts(run: Run[Any, Any, Any]) -> dict[str, Fact]:
    """Return the performer's measures as facts of the record."""
    measures = run.measures
    facts: dict[str, Fact] = {**run.facts, **measures.facts}
    if measures is NO_MEASURES:
        return facts
    facts.update(measures.amounts)
    if measures.is_estimate:
        facts["usage_is_estimate"] = True
    if measures.cost_micros is not None:
        facts["cost_micros"] = measures.cost_micros
    if measures.currency is not None:
        facts["currency"] = measures.currency
    if measures.first_item_us is not None:
        facts["first_item_us"] = measures.first_item_us
    if measures.sent_us is not None:
        facts["sent_us"] = measures.sent_us
    return facts


def _require_declared(run: Run[Any, Any, Any]) -> None:
    """Refuse a unit that the verb does not declare, because no reader would look for it.

    Raises:
        TypeError: the performer has a mistake. The record still holds the amounts.
    """
    verb = run.action.verb
    for unit in run.measures.amounts:
        if unit not in verb.units:
            raise TypeError(f"the performer of {verb.name} counts {unit}, which is not among its units: {verb.units}")


def _ended_by(error: Exception, run: Run[Any, Any, Any]) -> _Ending:
    """Return the ending for an error; sets the record id of a HeadgateError.

    A mistake of the caller refuses an action that sends. It is no failure of Headgate or of a provider.
    """
    if not isinstance(error, HeadgateError):
        return _FAILED
    error.record_id = error.record_id or run.record_id
    sends = run.action.verb.effect in ("plan", "send")
    outcome: Outcome = "failed"
    match error:
        case Withheld():
            outcome = "withheld"
        case Denied():
            outcome = "refused"
        case Invalid() | NotFound() if sends:
            outcome = "refused"
        case Upstream(upstream_status=status) if sends and status in _OF_THE_REQUEST:
            outcome = "refused"
        case _:
            pass
    return _Ending(outcome, error.code, _facts_of(error))


def _facts_of(error: HeadgateError) -> Mapping[str, Fact]:
    """Return the facts about an error: the reason in words, the rules that refused, and the HTTP status.

    The status is the provider's if it answered.
    """
    upstream = error.upstream_status if isinstance(error, Upstream) else None
    status = error.status if upstream is None else upstream
    return {"reason": error.recorded[:_REASON_CHARS], "refused_by": _rules(error), "status": status}


def _after_performing(error: HeadgateError) -> HeadgateError:
    """Return the error for an action that ran but whose result may not be released. Not retried."""
    if isinstance(error, Denied) and not isinstance(error, Withheld):
        error = Withheld(error.message, rules=error.rules, detail=error.detail)
    error.is_final = True
    return error


def _late() -> UpstreamTimeout:
    return UpstreamTimeout("the caller's deadline passed before the answer came; allow more time", retryable=False)


def _rules(refusal: HeadgateError) -> str:
    match refusal:
        case Denied():
            return ",".join(refusal.rules)
        case OverBudget(limit=limit) if limit:
            return f"limit.{limit}"
        case _:
            return ""


def refuse(action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, exchange: Exchange) -> None:
    """Raise if an action with its final payload may not run. Previews use it too.

    Raises:
        Denied: policy denies the action, or its content may not flow to the destination.
    """
    _refuse_denied(decision)
    _refuse_flow(action, labelled=labelled, decision=decision, exchange=exchange)


def refuse_release(labels: Labels, receiver: Principal) -> None:
    """Raise Denied if content of these labels may not flow to its receiver. Previews use it too."""
    if obstacles := labels.obstacles(receiver.clearance):
        raise Denied(f"the answer may not be released to this caller: {'; '.join(obstacles)}", rules=(FLOW_RULE,))


def with_inherited(decision: Decision, action: Action[Any, Any, Any]) -> Decision:
    """Return the decision with the enclosing actions' obligations added. Previews use it too."""
    inherited = action.context.obligations
    if inherited is NO_OBLIGATIONS:
        return decision
    return replace(decision, obligations=decision.obligations | inherited)


def _name_of(resource: Resource) -> str:
    return f"{resource.kind}:{resource.id}"


def _joined(decision: Decision, of_plan: Decision) -> Decision:
    """Join the decisions about an action and its plan, for the record that covers both."""
    rules = decision.rules
    if of_plan.rules != rules:
        rules = tuple(dict.fromkeys((*of_plan.rules, *rules)))
    effect, would = max(decision.effect, of_plan.effect), max(decision.would, of_plan.would)
    if rules is decision.rules and effect is decision.effect and would is decision.would:
        return decision
    return replace(decision, rules=rules, effect=effect, would=would)


def _refuse_denied(decision: Decision) -> None:
    if decision.effect is not Effect.DENY:
        return
    if not decision.refusing:
        raise Denied(decision.advice or NOTHING_ALLOWS, detail="refused: no rule allows this action")
    said = f"refused by {decision.reasons}"
    told = f"{said}; {decision.advice}" if decision.advice else said
    raise Denied(told, rules=decision.refusing_ids, detail=said)


def _refuse_flow(action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, exchange: Exchange) -> None:
    """Refuse content that may not flow to the destination.

    Categories that an observing rule would mask count as masked: see decision 0001.
    """
    clearance = action.resource.clearance
    labels = exchange.labels.masked(decision.observed.mask).join(labelled.floor)
    if decision.obligations.restrict > clearance.custody:
        raise Denied(
            f"{action.resource.kind} {action.resource.id} runs elsewhere, and policy requires our own machines",
            rules=tuple(rule.id for rule in decision.rules if rule.does == "duty" and rule.mode == "enforce"),
        )
    obstacles = labels.obstacles(clearance)
    if obstacles:
        raise Denied(
            f"the content may not go to {action.resource.kind} {action.resource.id}: {'; '.join(obstacles)}",
            rules=(FLOW_RULE,),
        )


_WORDS: Mapping[Effect, str] = {effect: effect.name.lower() for effect in Effect}
_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})
_UNLABELLED = Labelled()
_UNDECIDED = Decision(Effect.DENY, would=Effect.DENY, obligations=Obligations(log=LogLevel.NONE))
_DONE = _Ending("done", None)
_ABANDONED = _Ending("abandoned", None)
_FAILED = _Ending("failed", "internal_error")
