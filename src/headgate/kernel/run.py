"""An action while it is being performed: what its performer sees and reports."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision
from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import RecordId
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.measures import NO_MEASURES
from headgate.kernel.record import Closing, Fact

if TYPE_CHECKING:
    from headgate.kernel.pipeline import Pipeline, Stream

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - as in action.py
R = TypeVar("R")
P2 = TypeVar("P2")
I2 = TypeVar("I2")
R2 = TypeVar("R2")


class Deferred:
    """The record of a plan that is not open yet: the first action that the plan runs takes its id over.

    Attributes:
        is_taken: whether an action has the plan's id for its own record.
        is_open: whether the plan has a record of its own after all, under another id.
        action: the one that has the plan's id for its own record.
        closing: of that record, held until it is known whether the plan needs one of its own.
    """

    __slots__ = ("action", "closing", "is_open", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self.is_open = False
        self.action: Action[Any, Any, Any] | None = None
        self.closing: Closing | None = None


class Run(Generic[P, I, R]):
    """One open record and everything that hangs on it. Belongs to one task.

    A performer reads `payload`, runs further actions with `perform` and `stream`, sets `measures` and adds to `facts`.
    One that streams sets `preface` before its first item: what the other side said ahead of its answer, by
    name. It sets `on_stop` to what ends a stream that waits for its next item.
    """

    __slots__ = (
        "_pipeline",
        "action",
        "children",
        "decision",
        "deferred",
        "error_text",
        "facts",
        "labelled",
        "measures",
        "on_stop",
        "output_labels",
        "payload",
        "preface",
        "record_id",
        "started_s",
        "stopped",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        action: Action[P, I, R],
        payload: P,
        labelled: Labelled,
        decision: Decision,
        record_id: RecordId,
        started_s: float,
    ) -> None:
        self._pipeline = pipeline
        self.action = action
        self.payload = payload
        self.labelled = labelled
        self.decision = decision
        self.record_id = record_id
        self.started_s = started_s
        self.measures = NO_MEASURES
        self.facts: dict[str, Fact] = {}
        self.preface: tuple[tuple[str, str], ...] = ()
        self.children: list[Run[Any, Any, Any]] = []
        self.output_labels: Labels = BOTTOM
        self.on_stop: Callable[[HeadgateError], None] | None = None
        self.stopped: HeadgateError | None = None
        self.deferred: Deferred | None = None
        self.error_text: str | None = None
        """What the other side said of its failure: sealed with the record where content is kept as it is."""

    def stop(self, error: HeadgateError) -> None:
        """End the action with an error: a stream at once, a whole result when it would be released."""
        self.stopped = error
        if self.on_stop is not None:
            self.on_stop(error)

    async def perform(self, verb: Verb[P2, I2, R2], resource: Resource, payload: P2) -> R2:
        """Run another action inside this one and return its result; same principal, same use case, own record."""
        result, _ = await self._pipeline.run(self._nested(verb, resource, payload), parent=self)
        return result

    def stream(
        self, verb: Verb[P2, I2, R2], resource: Resource, payload: P2
    ) -> AbstractAsyncContextManager[Stream[P2, I2, R2]]:
        """Run another action inside this one and give its items."""
        return self._pipeline.stream(self._nested(verb, resource, payload), parent=self)

    def left_s(self) -> float | None:
        """Return the seconds that are left until the action's deadline, or None without one; may be below zero."""
        deadline_s = self.action.context.deadline_s
        return None if deadline_s is None else deadline_s - self._pipeline.clock.monotonic()

    def elapsed_us(self) -> int:
        """Return the microseconds since the record opened."""
        return int((self._pipeline.clock.monotonic() - self.started_s) * 1_000_000)

    def _nested(self, verb: Verb[P2, I2, R2], resource: Resource, payload: P2) -> Action[P2, I2, R2]:
        outer, deferred = self.action.context, self.deferred
        record: RecordId | None = None
        if deferred is not None and not deferred.is_taken and not deferred.is_open and verb.effect != "plan":
            deferred.is_taken = True
            record, parent, root = self.record_id, outer.parent, outer.root
        else:
            if deferred is not None and not deferred.is_open:
                self._pipeline.open_deferred(self)
            parent, root = self.record_id, outer.root or self.record_id
        context = Context(
            use_case=outer.use_case,
            floor=outer.floor,
            parent=parent,
            root=root,
            record=record,
            inherited=self.labelled,
            obligations=self.decision.obligations,
            grant=outer.grant,
            deadline_s=outer.deadline_s,
            attributes=outer.attributes,
        )
        action = Action(verb=verb, principal=self.action.principal, resource=resource, payload=payload, context=context)
        if record is not None and deferred is not None:
            deferred.action = action
        return action
