"""What the pipeline asks of the features: small protocols, implemented by siblings that never see one another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from headgate.kernel.action import Action
from headgate.kernel.content import Content, Labelled
from headgate.kernel.decision import Decision, Grant
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Clearance, Labels
from headgate.kernel.measures import Measures
from headgate.kernel.record import Closing, Fact, Opening
from headgate.kernel.run import Run

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - as in action.py
R = TypeVar("R")


class Clock(Protocol):
    """The time, passed in so that tests can hold it."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class Ids(Protocol):
    """Fresh identifiers, passed in so that tests can foresee them."""

    def ulid(self) -> str:
        """Return a new ULID: 26 characters that sort by time, strictly increasing within one process."""
        ...

    def token(self, size_bytes: int = 32) -> str:
        """Return an unguessable URL-safe secret of that many random bytes."""
        ...


class Labeller(Protocol):
    """Says what an action's content is; detectors only ever raise."""

    def label(self, action: Action[Any, Any, Any]) -> Labelled:
        """Return labels and findings of the action's payload; bounded time, no I/O. Large ones come from any thread."""
        ...

    def glance(self, action: Action[Any, Any, Any]) -> Labelled | None:
        """Return the same where one pass over the content tells it; None where that would take longer."""
        ...


class Decider(Protocol):
    """Says whether an action may be done, and what must be done with it. No I/O; an error inside is a refusal."""

    def decide(self, action: Action[Any, Any, Any], labelled: Labelled) -> Decision:
        """Return the decision.

        Raises:
            Unavailable: the policies at hand are older than the use case's risk class allows.
        """
        ...

    def as_of_now(self, action: Action[Any, Any, Any]) -> Action[Any, Any, Any]:
        """Return a running action with what is known by now of its principal and its use case."""
        ...


class Keeper(Protocol):
    """Writes what a record keeps masked: everything that is found is replaced, whatever was masked on the way.

    None where nothing can be kept so, such as of content that no scan can read.
    """

    def payload(self) -> bytes | None:
        """Return the payload."""
        ...

    def result(self, content: Content) -> bytes | None:
        """Return a whole result as it came, before anything is restored in it."""
        ...

    def channels(self, texts: Mapping[str, str], *, is_whole: bool) -> bytes:
        """Return a stream's texts by channel, as they came; `is_whole` is False where they were cut."""
        ...


class Exchange(Protocol):
    """One action's content on its way out and back.

    `payload` is what will be performed; `labels` is what it is after transformation. Items and results that come back
    go through `item`, `finish` and `result`, one at a time, large ones on any thread: these label them, restore what
    this exchange masked where the receiver may see it, and hold back what is not yet decided.
    """

    @property
    def payload(self) -> Any:
        """The final payload."""
        ...

    @property
    def labels(self) -> Labels:
        """The labels of the final payload."""
        ...

    @property
    def facts(self) -> Mapping[str, Fact]:
        """Counts for the opening record, such as `masked.email`; no content."""
        ...

    @property
    def output_labels(self) -> Labels:
        """The join of the context and of all that was released so far."""
        ...

    @property
    def keeper(self) -> Keeper | None:
        """Writes what the record keeps, where the obligation is to keep it masked."""
        ...

    @property
    def is_transparent(self) -> bool:
        """Whether items and results pass untouched, so that the pipeline need not call."""
        ...

    def item(self, item: Any) -> Sequence[Any]:
        """Take one stream item; return what may be released now, in order."""
        ...

    def finish(self) -> Sequence[Any]:
        """Release what was held back when the stream ended without closing its channels."""
        ...

    def result(self, result: Any) -> Any:
        """Take the whole result; return what is released."""
        ...

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return counts for the closing record, such as `restored.email`."""
        ...


class Transformer(Protocol):
    """Applies obligations to content."""

    def transform(
        self, action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, receiver: Clearance
    ) -> Exchange:
        """Return the exchange for this action; `receiver` is whoever gets what comes back. Bounded time, no I/O."""
        ...


class Reservation(Protocol):
    """What an action was admitted with; settled exactly once, without awaiting."""

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Give back what was not used, charge what was. `performed` is False when nothing was done."""
        ...


class Admitter(Protocol):
    """Rates, concurrency and money."""

    async def reserve(self, action: Action[Any, Any, Any], decision: Decision) -> Reservation:
        """Reserve what the action may use.

        Raises:
            OverBudget: with `retry_after_s` where waiting helps.
        """
        ...


class Ticket(Protocol):
    """The promise that what was appended will be durable."""

    async def durable(self) -> None:
        """Return once it is on disk.

        Raises:
            Unavailable: it could not be written.
        """
        ...


class Recorder(Protocol):
    """Appends records; both methods return at once, so a record closes even while its task is being cancelled."""

    def open(self, opening: Opening) -> Ticket:
        """Append an opening.

        Raises:
            Unavailable: the journal is over its declared limit or cannot be written; nothing was appended.
        """
        ...

    def close(self, closing: Closing) -> Ticket:
        """Append a closing. Never refuses for reasons of space that opening did not already refuse for."""
        ...


class Performer(Protocol[P, I, R]):
    """Does the thing that a verb names, with obligations already applied to `run.payload`."""

    async def run(self, run: Run[P, I, R]) -> R:
        """Do it and return the whole result."""
        ...

    def stream(self, run: Run[P, I, R]) -> AbstractAsyncContextManager[AsyncIterator[I]]:
        """Do it and give the items as they come; leaving the context stops it, wherever it is.

        Entering returns at once: what takes time happens when the first item is asked for.
        """
        ...


class Approvals(Protocol):
    """Persons' approvals of actions that policy answers with *ask*."""

    async def request(
        self, action: Action[Any, Any, Any], *, digest: bytes, decision: Decision, labels: Labels, record: RecordId
    ) -> str:
        """File a request and return its id; the same digest from the same principal is filed once.

        Args:
            labels: of the final payload, for whoever decides.
            record: that tells of the action that was asked about.

        Raises:
            OverBudget: too many requests of this principal wait already.
        """
        ...

    async def redeem(self, grant: str, *, digest: bytes, principal: str) -> Grant:
        """Consume a grant.

        Raises:
            Denied: it is unknown, used, expired, bound to another digest, or approved by the requester.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records in the order of the feed, and the cursor that goes on after them; None at the end."""

    records: tuple[Mapping[str, Any], ...]
    cursor: str | None


class Records(Protocol):
    """A feed of records for features that draw conclusions from them, such as metering."""

    async def after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> RecordPage:
        """Return records after the cursor, oldest first; at least once, never reordered."""
        ...

    async def get(self, record: RecordId, *, tenant: TenantId) -> Mapping[str, Any]:
        """Return one record.

        Raises:
            NotFound: there is none of that id in this tenant.
        """
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what `apply` would do to one declared thing."""

    section: str
    id: str
    does: str
    detail: str = ""


Document = Mapping[str, Sequence[dict[str, Any]]]
"""Entries by section, as tables of the file."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the configuration, seen whole.

    Args:
        by: id of the principal who makes it.
        named: what the file or the request says of the sections that it is about.
        before: what is stored.
        now: what would be stored.
    """

    tenant: TenantId
    by: str
    named: Document
    before: Document
    now: Document


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an edit.

    Args:
        section, id: of the entry at fault.
        is_conflict: whether it is wrong because of what is stored, rather than by itself.
    """

    section: str
    id: str
    why: str
    is_conflict: bool = False


class ConfigSection(Protocol):
    """A feature's part of `headgate.toml`, so that `apply` spans features in one transaction."""

    @property
    def name(self) -> str:
        """The top-level table's name."""
        ...

    @property
    def lists_entries(self) -> bool:
        """Whether it is an `EntrySection`, too."""
        ...

    def check(self, table: Any, document: Mapping[str, Any]) -> Any:
        """Decode the table, given the whole document for references into other sections.

        Raises:
            Invalid: `param` is the dotted key at fault; the message names the nearest valid name.
        """
        ...

    async def plan(self, desired: Any, *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """Return what would change; reads only."""
        ...

    async def apply(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """Make it so within the transaction; idempotent."""
        ...


class EntrySection(ConfigSection, Protocol):
    """A section whose entries are also read, put and removed one by one, checked as in the file."""

    @property
    def uses(self) -> Mapping[str, str]:
        """The keys of an entry that name entries of other sections, with those sections' names."""
        ...

    @property
    def keeps(self) -> Sequence[str]:
        """Keys that stay as they are where an entry does not have them, so that silence locks nobody out."""
        ...

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """Give what is wrong with an edit in the eyes of this section: what no entry shows by itself."""
        ...

    def tables(self, desired: Any) -> Sequence[dict[str, Any]]:
        """Write what `check` gave as tables of the file, without what is None."""
        ...

    async def entries(self, *, tenant: TenantId, transaction: Any) -> Sequence[dict[str, Any]]:
        """Return what is stored as tables of the file, by id."""
        ...

    async def put_entries(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """Add or replace what `check` gave; other entries stay as they are."""
        ...

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Any) -> None:
        """Remove one entry.

        Raises:
            NotFound: there is none of that id, or it is built in.
        """
        ...
