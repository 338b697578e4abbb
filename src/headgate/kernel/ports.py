"""The ports of the pipeline: small protocols that the features implement.

The features do not import one another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from headgate.kernel.action import Action
from headgate.kernel.content import Content, Labelled
from headgate.kernel.decision import Decision, Grant, RuleHit
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.labels import Clearance, Labels
from headgate.kernel.measures import Measures
from headgate.kernel.record import Closing, Fact, Opening
from headgate.kernel.run import Run

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - as in action.py
R = TypeVar("R")


class Clock(Protocol):
    """The time, passed in so that tests can control it."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class Ids(Protocol):
    """A source of new identifiers, passed in so that tests can predict them."""

    def ulid(self) -> str:
        """Return a new ULID: 26 characters that sort by time, strictly increasing within one process."""
        ...

    def token(self, size_bytes: int = 32) -> str:
        """Return a URL-safe secret of that many random bytes."""
        ...


class Labeller(Protocol):
    """Labels an action's content. Detectors only raise labels, never lower them."""

    def label(self, action: Action[Any, Any, Any]) -> Labelled:
        """Return labels and findings of the action's payload, in bounded time and without I/O.

        The pipeline calls this from a worker thread for large payloads.
        """
        ...

    def glance(self, action: Action[Any, Any, Any]) -> Labelled | None:
        """Return the same result if one pass over the content is enough; None if it is not."""
        ...


class Decider(Protocol):
    """Decides whether an action may run, and with which obligations.

    It does no I/O. An error inside counts as a refusal.
    """

    def decide(self, action: Action[Any, Any, Any], labelled: Labelled) -> Decision:
        """Return the decision.

        Raises:
            Unavailable: the policies at hand are older than the use case's risk class allows.
        """
        ...

    def as_of_now(self, action: Action[Any, Any, Any]) -> Action[Any, Any, Any]:
        """Return a running action with the current state of its principal and its use case."""
        ...


class RecordMasker(Protocol):
    """Writes the masked copy of content for the record: every finding is masked.

    The methods return None where masking is impossible, such as for content that no scan can read.
    """

    def payload(self) -> bytes | None:
        """Return the masked payload."""
        ...

    def result(self, content: Content) -> bytes | None:
        """Return the masked form of a whole result, before any value is restored in it."""
        ...

    def channels(self, texts: Mapping[str, str], *, is_whole: bool) -> bytes:
        """Return the masked texts of a stream by channel; `is_whole` is False if they were cut."""
        ...


class Exchange(Protocol):
    """The content of one action, in both directions.

    `payload` is the transformed payload, and `labels` are its labels. The pipeline passes items and
    results through `item`, `finish` and `result`, one at a time, large ones on a worker thread.
    These methods label them, restore masked values that the receiver may see, and hold back text
    until it is scanned.
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
        """The joined labels of the context and of everything released so far."""
        ...

    @property
    def keeper(self) -> RecordMasker | None:
        """The writer of the record's masked copy; None unless an obligation demands one."""
        ...

    @property
    def is_transparent(self) -> bool:
        """Whether items and results pass unchanged, so that the pipeline can skip this exchange."""
        ...

    def item(self, item: Any) -> Sequence[Any]:
        """Take one stream item and return the items to release now, in order."""
        ...

    def finish(self) -> Sequence[Any]:
        """Return the items still held back when the stream ended without closing its channels."""
        ...

    def result(self, result: Any) -> Any:
        """Take the whole result and return the released one."""
        ...

    def closing_facts(self) -> Mapping[str, Fact]:
        """Return counts for the closing record, such as `restored.email`."""
        ...


class Transformer(Protocol):
    """Applies obligations to content."""

    def transform(
        self, action: Action[Any, Any, Any], *, labelled: Labelled, decision: Decision, receiver: Clearance
    ) -> Exchange:
        """Return the exchange for this action, in bounded time and without I/O.

        Args:
            receiver: the clearance of the principal that receives the result.
        """
        ...


class Reservation(Protocol):
    """The reserved rate and money of one action. Settled exactly once, without awaiting."""

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Charge the usage and give back the rest. `performed` is False when nothing was done."""
        ...


class Admitter(Protocol):
    """Enforces limits of rate, concurrency and money."""

    async def reserve(self, action: Action[Any, Any, Any], decision: Decision) -> Reservation:
        """Reserve the action's maximum use.

        Raises:
            OverBudget: with `retry_after_s` where waiting helps.
        """
        ...


class Ticket(Protocol):
    """A handle to wait until an appended record is durable."""

    async def durable(self) -> None:
        """Return once the record is on disk.

        Raises:
            Unavailable: the record could not be written.
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
        """Append a closing. Only `open` refuses for lack of space."""
        ...


class Performer(Protocol[P, I, R]):
    """Performs one verb. The pipeline has already applied the obligations to `run.payload`."""

    async def run(self, run: Run[P, I, R]) -> R:
        """Perform the action and return the whole result."""
        ...

    def stream(self, run: Run[P, I, R]) -> AbstractAsyncContextManager[AsyncIterator[I]]:
        """Perform the action and yield its items as they come; leaving the context stops it.

        Entering returns at once. The work starts with the request for the first item.
        """
        ...


class Approvals(Protocol):
    """Approvals by people, for actions that policy answers with *ask*."""

    async def request(
        self, action: Action[Any, Any, Any], *, digest: bytes, decision: Decision, labels: Labels, record: RecordId
    ) -> str:
        """File an approval request and return its id; idempotent by digest and principal.

        Args:
            labels: of the final payload, shown to the approver.
            record: of the refused action.

        Raises:
            OverBudget: too many requests of this principal are already waiting.
        """
        ...

    async def redeem(self, grant: str, *, digest: bytes, principal: str) -> Grant:
        """Consume a grant.

        Raises:
            Denied: the grant is unknown, used, expired, bound to another digest, or approved by the
                requester.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of records in feed order, with the cursor of the next page; None at the end."""

    records: tuple[Mapping[str, Any], ...]
    cursor: str | None


class RuleSet:
    """The rules that matched in a record. Sets are equal by identity, so that counting them is cheap."""

    __slots__ = ("hits",)

    def __init__(self, hits: tuple[RuleHit, ...]) -> None:
        self.hits = hits


class Figures(Protocol):
    """The fields of a closed record that usage is counted from.

    `opened_at` is RFC 3339 text in UTC, and `principal` a pseudonym. `key_id`, `outcome` and `error`
    are empty where there is none. `facts` are those of both halves.
    """

    @property
    def opened_at(self) -> str: ...  # noqa: D102 - as above
    @property
    def verb(self) -> str: ...  # noqa: D102
    @property
    def principal(self) -> str: ...  # noqa: D102
    @property
    def key_id(self) -> str: ...  # noqa: D102
    @property
    def use_case(self) -> str: ...  # noqa: D102
    @property
    def resource(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def error(self) -> str: ...  # noqa: D102
    @property
    def duration_us(self) -> int: ...  # noqa: D102
    @property
    def rules(self) -> RuleSet: ...  # noqa: D102
    @property
    def facts(self) -> Mapping[str, Fact]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FiguresPage:
    """One page of figures in feed order. `figures` decodes while it is read, once.

    Args:
        count: of the records.
        cursor: of the next page; None if this page is empty.
    """

    figures: Iterable[Figures]
    count: int
    cursor: str | None


class Records(Protocol):
    """A feed of records for features that evaluate them, such as metering."""

    async def figures_after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> FiguresPage:
        """Return the figures of at most `limit` records after the cursor, oldest first; much cheaper than `after`."""
        ...

    async def after(self, cursor: str | None, *, tenant: TenantId, limit: int) -> RecordPage:
        """Return records after the cursor, oldest first. Delivery is at least once and in order."""
        ...

    async def get(self, record: RecordId, *, tenant: TenantId) -> Mapping[str, Any]:
        """Return one record.

        Raises:
            NotFound: the tenant has no record of that id.
        """
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: the change that `apply` would make to one declared entry."""

    section: str
    id: str
    does: str
    detail: str = ""


Document = Mapping[str, Sequence[dict[str, Any]]]
"""Entries by section, as tables of `headgate.toml`."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the configuration, with the whole state before and after.

    Args:
        by: id of the principal who makes the change.
        named: the sections of the file or request, as given.
        before: the stored state.
        now: the state after the change.
    """

    tenant: TenantId
    by: str
    named: Document
    before: Document
    now: Document


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake in an edit, or a warning about it.

    Args:
        section, id: of the entry at fault.
        is_conflict: whether the entry contradicts the stored state, rather than is invalid itself.
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
        """Whether the section is also an `EntrySection`."""
        ...

    def check(self, table: Any, document: Mapping[str, Any]) -> Any:
        """Decode the table, given the whole document for references into other sections.

        Raises:
            Invalid: `param` is the dotted key at fault; the message names the nearest valid name.
        """
        ...

    async def plan(self, desired: Any, *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """Return the changes that `apply` would make; reads only."""
        ...

    async def apply(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """Apply the desired state within the transaction; idempotent."""
        ...


class EntrySection(ConfigSection, Protocol):
    """A section with entries that the API can read, put and remove one by one.

    The API runs the same checks as the file.
    """

    @property
    def uses(self) -> Mapping[str, str]:
        """The reference keys of an entry, each with the name of the section that it refers to."""
        ...

    @property
    def keeps(self) -> Sequence[str]:
        """Keys that keep their stored value when an entry omits them, to avoid a lockout."""
        ...

    @property
    def entry_type(self) -> type[Any]:
        """The struct of an entry, for the completion of keys."""
        ...

    @property
    def built_in(self) -> Collection[str]:
        """Ids of the entries that Headgate brings and a file cannot change."""
        ...

    def is_implied(self, table: Mapping[str, Any]) -> bool:
        """Return whether another action brought the entry and brings it again, such as a program by its key.

        An export leaves it out, unless somebody declared it.
        """
        ...

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """Yield the mistakes of an edit that only a look at the whole configuration shows."""
        ...

    def tables(self, desired: Any) -> Sequence[dict[str, Any]]:
        """Return the result of `check` as tables of the file, without keys that are None."""
        ...

    async def entries(self, *, tenant: TenantId, transaction: Any) -> Sequence[dict[str, Any]]:
        """Return the stored entries as tables of the file, sorted by id."""
        ...

    async def put_entries(self, desired: Any, *, tenant: TenantId, transaction: Any) -> None:
        """Add or replace the entries that `check` returned; other entries stay as they are."""
        ...

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Any) -> None:
        """Remove one entry.

        Raises:
            NotFound: no entry has that id, or it is built in.
        """
        ...
