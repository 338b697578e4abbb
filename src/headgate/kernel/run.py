"""A running action, as its performer sees it."""

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
    """The postponed record of a plan.

    The first action of the plan takes over the plan's record id, so that one record covers both.

    Attributes:
        is_taken: whether an action has taken over the plan's record id.
        is_recorded: whether the opening of that action is in the journal.
        is_open: whether the plan has its own record after all, under another id.
        action: the action that took over the id.
        closing: of that action's record, held until the plan ends or needs its own record.
    """

    __slots__ = ("action", "closing", "is_open", "is_recorded", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self.is_recorded = False
        self.is_open = False
        self.action: Action[Any, Any, Any] | None = None
        self.closing: Closing | None = None


class Run(Generic[P, I, R]):
    """One running action with its open record. Belongs to one task.

    A performer reads `payload`, runs further actions with `perform` and `stream`, sets `measures`
    and adds to `facts`. A streaming performer sets `preface` before its first item: the headers of
    the upstream's answer. It sets `on_stop` to a callback that ends a stream while it waits for its
    next item.
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
        """The upstream's own error text; sealed with a record that keeps full content."""

    def stop(self, error: HeadgateError) -> None:
        """End the action with an error: a stream at once, a whole result before its release."""
        self.stopped = error
        if self.on_stop is not None:
            self.on_stop(error)

    async def perform(self, verb: Verb[P2, I2, R2], resource: Resource, payload: P2, *, floor: Labels = BOTTOM) -> R2:
        """Run a nested action and return its result.

        It has the same principal and use case, and its own record.

        Args:
            floor: labels of what the payload holds beyond the content of this action.
        """
        result, _ = await self._pipeline.run(self._nested(verb, resource, payload, floor), parent=self)
        return result

    def stream(
        self, verb: Verb[P2, I2, R2], resource: Resource, payload: P2
    ) -> AbstractAsyncContextManager[Stream[P2, I2, R2]]:
        """Run a nested action and yield its items."""
        return self._pipeline.stream(self._nested(verb, resource, payload), parent=self)

    def left_s(self) -> float | None:
        """Return the seconds until the action's deadline, negative after it; None without one."""
        deadline_s = self.action.context.deadline_s
        return None if deadline_s is None else deadline_s - self._pipeline.clock.monotonic()

    def elapsed_us(self) -> int:
        """Return the microseconds since the record opened."""
        return int((self._pipeline.clock.monotonic() - self.started_s) * 1_000_000)

    def _nested(
        self, verb: Verb[P2, I2, R2], resource: Resource, payload: P2, floor: Labels = BOTTOM
    ) -> Action[P2, I2, R2]:
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
            floor=outer.floor.join(floor),
            parent=parent,
            root=root,
            record=record,
            inherited=self.labelled,
            obligations=self.decision.obligations,
            grant=outer.grant,
            deadline_s=outer.deadline_s,
            attributes=outer.attributes,
            facts=outer.facts,
            started_s=None if record is None else self.started_s,
        )
        action = Action(verb=verb, principal=self.action.principal, resource=resource, payload=payload, context=context)
        if record is not None and deferred is not None:
            deferred.action = action
        return action
