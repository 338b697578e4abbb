"""In-memory fakes of the kernel's ports. They record their calls.

Each passes the same contract as the real one (see `headgate.testing.port_contracts`). If a port can
fail, a field of its fake makes it fail. Async methods yield to the event loop exactly once, so that
a test can cancel there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from headgate.kernel.action import Action
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect, Grant
from headgate.kernel.errors import Denied, Invalid, NotFound, Unavailable
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Labels
from headgate.kernel.measures import Measures
from headgate.kernel.ports import Change, Clock, FiguresPage, Ids, RecordPage, RuleSet, Ticket
from headgate.kernel.record import Closing, Fact, Opening
from headgate.kernel.run import Run

ALLOW = Decision(Effect.ALLOW, version="1")

AnyAction = Action[Any, Any, Any]


async def checkpoint() -> None:
    """Yield to the event loop once."""
    await asyncio.sleep(0)


@dataclass(slots=True)
class FakeLabeller:
    """Returns `labelled`, or the result of a call to it if it is a function."""

    labelled: Labelled | Callable[[AnyAction], Labelled] = field(default_factory=Labelled)
    error: Exception | None = None
    asked: list[AnyAction] = field(default_factory=list[AnyAction])

    def label(self, action: AnyAction) -> Labelled:
        """Return the labels, raised to the floors of use case and caller."""
        self.asked.append(action)
        if self.error is not None:
            raise self.error
        found = self.labelled(action) if callable(self.labelled) else self.labelled
        floor = found.floor.join(action.context.use_case.floor).join(action.context.floor)
        return replace(found, labels=found.labels.join(floor), floor=floor)

    def glance(self, action: AnyAction) -> Labelled | None:
        """Return None, so that the pipeline calls `label`."""
        return None


@dataclass(slots=True)
class FakeDecider:
    """Returns `decision`, or the result of a call to it if it is a function."""

    decision: Decision | Callable[[AnyAction, Labelled], Decision] = ALLOW
    error: Exception | None = None
    now: Callable[[AnyAction], AnyAction] | None = None
    asked: list[AnyAction] = field(default_factory=list[AnyAction])

    def decide(self, action: AnyAction, labelled: Labelled) -> Decision:
        """Return the decision."""
        self.asked.append(action)
        if self.error is not None:
            raise self.error
        return self.decision(action, labelled) if callable(self.decision) else self.decision

    def as_of_now(self, action: AnyAction) -> AnyAction:
        """Return the action, changed by `now` if it is set."""
        return action if self.now is None else self.now(action)


class Settlement(NamedTuple):
    """The end of a reservation."""

    measures: Measures
    performed: bool


@dataclass(slots=True)
class FakeReservation:
    """A reservation that lists its settlements. A second one is an error of the caller."""

    action: AnyAction
    settlements: list[Settlement] = field(default_factory=list[Settlement])
    error: Exception | None = None

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Add the settlement to the list."""
        self.settlements.append(Settlement(measures, performed))
        if self.error is not None:
            raise self.error


@dataclass(slots=True)
class FakeAdmitter:
    """Admits everything, or raises `error`.

    Its reservations raise `settle_error` after their settlement.
    """

    error: Exception | None = None
    settle_error: Exception | None = None
    reservations: list[FakeReservation] = field(default_factory=list[FakeReservation])

    async def reserve(self, action: AnyAction, decision: Decision) -> FakeReservation:
        """Return a reservation."""
        await checkpoint()
        if self.error is not None:
            raise self.error
        reservation = FakeReservation(action, error=self.settle_error)
        self.reservations.append(reservation)
        return reservation

    @property
    def settlements(self) -> list[Settlement]:
        """The settlements of all reservations, in the order of the reservations."""
        return [settlement for reservation in self.reservations for settlement in reservation.settlements]


@dataclass(frozen=True, slots=True)
class FakeTicket:
    """Becomes durable after one turn of the event loop, or raises `error`."""

    error: Exception | None = None

    async def durable(self) -> None:
        """Return when the entry is durable."""
        await checkpoint()
        if self.error is not None:
            raise self.error


class WrittenRecord(NamedTuple):
    """An opening and its closing; the closing is None while the record is open."""

    opening: Opening
    closing: Closing | None

    @property
    def verb(self) -> str:
        """The current verb of the record."""
        within = self.closing.within if self.closing else None
        return within.verb if within else self.opening.verb


@dataclass(slots=True)
class FakeFigures:
    """Figures of a record; see the port `Figures`."""

    opened_at: str
    verb: str
    principal: str
    key_id: str
    use_case: str
    resource: str
    outcome: str
    error: str
    duration_us: int
    rules: RuleSet
    facts: Mapping[str, Fact]


@dataclass(slots=True)
class FakeRecorder:
    """A recorder and feed that keeps records in memory, in order.

    Args:
        open_error: `open` raises it and appends nothing, as when the journal is over its limit.
        durable_error: the tickets of openings raise it, as when the disk is gone.
        close_error: `close` raises it after it has appended the closing.
    """

    open_error: Exception | None = None
    durable_error: Exception | None = None
    close_error: Exception | None = None
    openings: list[Opening] = field(default_factory=list[Opening])
    closings: list[Closing] = field(default_factory=list[Closing])

    def open(self, opening: Opening) -> Ticket:
        """Append an opening."""
        if self.open_error is not None:
            raise self.open_error
        assert all(opening.id != one.id for one in self.openings), f"record {opening.id} was opened twice"
        self.openings.append(opening)
        return FakeTicket(self.durable_error)

    def close(self, closing: Closing) -> Ticket:
        """Append a closing."""
        assert any(closing.id == one.id for one in self.openings), f"record {closing.id} was never opened"
        assert all(closing.id != one.id for one in self.closings), f"record {closing.id} was closed twice"
        self.closings.append(closing)
        if self.close_error is not None:
            raise self.close_error
        return FakeTicket()

    @property
    def records(self) -> list[WrittenRecord]:
        """Every record in the order of opening."""
        closings = {closing.id: closing for closing in self.closings}
        return [WrittenRecord(opening, closings.get(opening.id)) for opening in self.openings]

    def outcomes(self, verb: str | None = None) -> list[str | None]:
        """Return the outcomes, of one verb or all, in opening order; None for open records."""
        return [
            record.closing.outcome if record.closing else None for record in self.records if verb in (None, record.verb)
        ]

    async def after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> RecordPage:
        """Return closed records after the cursor, oldest first."""
        await checkpoint()
        mine = [closing for closing in self.closings if closing.tenant == tenant]
        start = int(cursor or 0)
        page = mine[start : start + limit]
        more = start + limit < len(mine)
        return RecordPage(tuple(self._as_row(closing) for closing in page), str(start + limit) if more else None)

    async def figures_after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> FiguresPage:
        """Return the figures of closed records after the cursor, oldest first."""
        await checkpoint()
        mine = [closing for closing in self.closings if closing.tenant == tenant]
        start = int(cursor or 0)
        page = mine[start : start + limit]
        return FiguresPage(map(self._figures, page), len(page), str(start + len(page)) if page else None)

    async def get(self, record: RecordId, *, tenant: TenantId) -> Mapping[str, Any]:
        """Return one closed record."""
        await checkpoint()
        for closing in self.closings:
            if closing.id == record and closing.tenant == tenant:
                return self._as_row(closing)
        raise NotFound(f"there is no record {record}")

    def _figures(self, closing: Closing) -> FakeFigures:
        opening = self._opening_of(closing)
        return FakeFigures(
            opened_at=f"{opening.opened_at:%Y-%m-%dT%H:%M:%S.%f}Z",
            verb=opening.verb,
            principal=opening.principal,
            key_id=opening.key_id or "",
            use_case=opening.use_case,
            resource=opening.resource,
            outcome=closing.outcome,
            error=closing.error or "",
            duration_us=closing.duration_us,
            rules=RuleSet(opening.rules),
            facts={**opening.facts, **closing.facts},
        )

    def _opening_of(self, closing: Closing) -> Opening:
        return next(opening for opening in self.openings if opening.id == closing.id)

    def _as_row(self, closing: Closing) -> Mapping[str, Any]:
        opening = self._opening_of(closing)
        return {
            "id": opening.id,
            "verb": opening.verb,
            "principal": opening.principal,
            "use_case": opening.use_case,
            "outcome": closing.outcome,
            "facts": {**opening.facts, **closing.facts},
        }


@dataclass(slots=True)
class _Request:
    digest: bytes
    principal: str
    approver: str | None = None
    expires_at: datetime | None = None
    is_used: bool = False


class FakeApprovals:
    """Approvals in memory. A grant is for one use, expires, and is bound to a digest.

    A grant has the id of its approval.
    """

    def __init__(self, *, clock: Clock, ids: Ids, lifetime_s: float = 3600.0) -> None:
        self._clock = clock
        self._ids = ids
        self._lifetime_s = lifetime_s
        self._requests: dict[str, _Request] = {}
        self.error: Exception | None = None

    async def request(
        self, action: AnyAction, *, digest: bytes, decision: Decision, labels: Labels, record: RecordId
    ) -> str:
        """File a request, but only once for the same digest and principal."""
        await checkpoint()
        if self.error is not None:
            raise self.error
        for approval_id, request in self._requests.items():
            if request.digest == digest and request.principal == action.principal.id and not request.is_used:
                return approval_id
        approval_id = f"approval-{len(self._requests) + 1}"
        self._requests[approval_id] = _Request(digest, action.principal.id)
        return approval_id

    def approve(self, approval_id: str, *, approver: str) -> str:
        """Approve a request and return the grant's id."""
        request = self._requests[approval_id]
        request.approver = approver
        request.expires_at = self._clock.now() + timedelta(seconds=self._lifetime_s)
        return approval_id

    async def redeem(self, grant: str, *, digest: bytes, principal: str) -> Grant:
        """Consume a grant."""
        await checkpoint()
        if self.error is not None:
            raise self.error
        request = self._requests.get(grant)
        if request is None or request.approver is None or request.expires_at is None:
            raise Denied("this grant is unknown or not approved yet: ask for an approval first")
        if request.is_used or request.expires_at <= self._clock.now():
            raise Denied("this grant is used or expired: ask for another approval")
        if request.digest != digest or request.principal != principal:
            raise Denied("this grant is for another action: send the request exactly as it was approved")
        if request.approver == request.principal:
            raise Denied("this grant was approved by whoever asked for it: have somebody else approve")
        request.is_used = True
        return Grant(grant, digest, request.approver, request.expires_at)


class FakeConfigSection:
    """A section in memory: for each tenant, `[[name]]` tables with an `id`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.stored: dict[TenantId, dict[str, Mapping[str, Any]]] = {}

    @property
    def name(self) -> str:
        """The table's name."""
        return self._name

    @property
    def lists_entries(self) -> bool:
        """False, because the section lists no entries."""
        return False

    def check(self, table: Any, document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Return the entries by id."""
        if not isinstance(table, list):
            raise Invalid(f"write it as [[{self._name}]]", param=self._name)
        entries: dict[str, Mapping[str, Any]] = {}
        for index, row in enumerate(cast("list[Any]", table)):
            if not isinstance(row, dict) or "id" not in row:
                raise Invalid("every entry has an id", param=f"{self._name}[{index}].id")
            entry = cast("dict[str, Any]", row)
            entries[str(entry["id"])] = entry
        return entries

    async def plan(self, desired: Any, *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """Return the changes that `apply` would make."""
        await checkpoint()
        current = self.stored.get(tenant, {})
        wanted: dict[str, Mapping[str, Any]] = desired
        changes = [Change(self._name, id_, "create") for id_ in wanted if id_ not in current]
        changes += [
            Change(self._name, id_, "change") for id_ in wanted if id_ in current and current[id_] != wanted[id_]
        ]
        return changes + [Change(self._name, id_, "remove") for id_ in current if id_ not in wanted]

    async def apply(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """Store the entries."""
        await checkpoint()
        self.stored[tenant] = dict(desired)


@dataclass(slots=True)
class FakePerformer:
    """Calls `do` with the run, or streams `items`. It raises `error` in place of the end.

    `runs` lists the runs, and `closed` counts the streams that ended in any way.
    """

    do: Callable[[Run[Any, Any, Any]], Any] = lambda run: run.payload
    items: Sequence[Any] = ()
    error: BaseException | None = None
    measures: Measures = field(default_factory=Measures)
    runs: list[Run[Any, Any, Any]] = field(default_factory=list[Run[Any, Any, Any]])
    closed: int = 0

    async def run(self, run: Run[Any, Any, Any]) -> Any:
        """Return the result of `do`."""
        self.runs.append(run)
        await checkpoint()
        run.measures = self.measures
        if self.error is not None:
            raise self.error
        return self.do(run)

    def stream(self, run: Run[Any, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Stream the items."""
        return self._stream(run)

    @asynccontextmanager
    async def _stream(self, run: Run[Any, Any, Any]) -> AsyncGenerator[AsyncIterator[Any]]:
        self.runs.append(run)
        try:
            async with aclosing(self._items(run)) as items:
                yield items
        finally:
            self.closed += 1

    async def _items(self, run: Run[Any, Any, Any]) -> AsyncGenerator[Any]:
        run.measures = self.measures
        for item in self.items:
            await checkpoint()
            yield item
        if self.error is not None:
            raise self.error


def journal_full() -> Unavailable:
    """Return the error of a recorder whose journal is over its limit."""
    return Unavailable("the journal is over its limit", retry_after_s=1.0)
