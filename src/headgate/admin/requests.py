"""Requests to the admin API as handlers receive them, and the services of the server that handlers call."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec

from headgate.admin.callers import AdminCaller, Gate
from headgate.admin.commands import Command, CommandVerb, Do, Facts
from headgate.admin.sessions import Session
from headgate.kernel.action import Action, Resource, Verb
from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import RecordId, TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.record import Fact
from headgate.substrate.database import Database, Transaction

if TYPE_CHECKING:
    from headgate.admin.operations import Operation

S = TypeVar("S")

QueryValue = str | int | bool

CONFIGURATION_CHANNEL = "headgate_config"
"""The PostgreSQL channel that notifies every worker of a changed configuration."""

Change = Callable[[Transaction, Facts], Awaitable[Any]]
"""Callback that makes a change in the transaction and returns the result. It may add facts for the record."""


class Performed(NamedTuple):
    """Result of a command, with the id of its record."""

    result: Any
    record: RecordId


class ChangeCheck(Protocol):
    """Checks a change of the configuration before the commit."""

    async def begin(self, transaction: Transaction, *, tenant: TenantId) -> None:
        """Lock the tenant's configuration against other changes until the transaction ends."""
        ...

    async def end(self, transaction: Transaction, *, tenant: TenantId) -> None:
        """Check the state that the transaction would commit.

        Raises:
            HeadgateError: the change would lock out every administrator, or an entry could not be read back.
        """
        ...


class RefusalNotes(Protocol):
    """Records requests that are refused before they become actions, at a limited rate."""

    def note(self, error: HeadgateError, scope: Any, *, place: str) -> None:
        """Record a refusal within the limit, and set the `record_id` of the error."""
        ...

    def has_room(self, kind: str, scope: Any) -> bool:
        """Return whether one more refusal of this kind and source gets a record, and count it."""
        ...


class EventStream(Protocol):
    """A response of server-sent events. The server sends heartbeats while no event is sent."""

    @property
    def is_started(self) -> bool:
        """Whether status 200 was sent."""
        ...

    async def begin(self, *headers: tuple[str, str]) -> None:
        """Send status 200 and the headers."""
        ...

    async def send(self, frames: bytes) -> None:
        """Send one or more complete events."""
        ...

    async def heartbeat(self) -> None:
        """Send a heartbeat."""
        ...


class Download(Protocol):
    """A response that is a file, sent piece by piece. A client sees that a broken one is not whole."""

    async def begin(self, *, media_type: str, file_name: str) -> None:
        """Send status 200 and the headers."""
        ...

    async def send(self, data: bytes) -> None:
        """Send the next piece."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """The server's services for handlers.

    Args:
        administration: the database, under the role that writes configuration.
        check: checks each change of the configuration before its commit.
        changed: refreshes this worker after a change. PostgreSQL notifies the other workers.
        events: opens a response as a stream. After the stream began, an error in the block is sent as the event
            `error`; before that it propagates. The block is cancelled when the client disconnects, and ends with
            Unauthenticated soon after the caller's session or key ends.
        download: opens a response as a file. The block ends as that of `events` does.
        as_of_now: returns a request's caller with current roles and rights; raises Unauthenticated if its session or
            key has ended.
        caller_of: returns the caller of a tenant's registered principal with a session; raises Unauthenticated if it
            is not registered.
        refusals: records failed sign-ins.
    """

    pipeline: Pipeline
    gate: Gate
    administration: Database
    check: ChangeCheck
    changed: Callable[[], Awaitable[None]]
    events: Callable[[Request], AbstractAsyncContextManager[EventStream]]
    download: Callable[[Request], AbstractAsyncContextManager[Download]]
    as_of_now: Callable[[Request], Awaitable[AdminCaller]]
    caller_of: Callable[[TenantId, str], AdminCaller]
    refusals: RefusalNotes


@dataclass(frozen=True, slots=True)
class Request:
    """One decoded request.

    Args:
        query: the declared parameters, converted to their types.
        body: an instance of the operation's body type, or None.
        caller: the authenticated caller; None for a public operation.
        session: None for a caller with a key.
        scope, send: of ASGI, for the server only.
        decided: names of the verbs that policy decided during this request.
    """

    operation: Operation
    host: Host
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, QueryValue]
    body: Any
    caller: AdminCaller | None = None
    session: Session | None = None
    scope: Any = None
    send: Any = None
    reply_headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    decided: set[str] = field(default_factory=set[str])

    @property
    def by(self) -> AdminCaller:
        """The caller. Only for operations that are not public."""
        assert self.caller is not None
        return self.caller

    @property
    def tenant(self) -> TenantId:
        """The caller's tenant."""
        return self.by.tenant_id

    def body_as(self, kind: type[S]) -> S:
        """Return the body as this type."""
        assert isinstance(self.body, kind)
        return self.body

    def text(self, name: str) -> str | None:
        """Return a string parameter, or None."""
        value = self.query.get(name)
        return None if value is None else str(value)

    def number(self, name: str, default: int) -> int:
        """Return an integer parameter."""
        return int(self.query.get(name, default))

    def switch(self, name: str) -> bool:
        """Return whether a boolean parameter is true."""
        return self.query.get(name) is True

    def authorise(self, verb: CommandVerb, resource: Resource) -> None:
        """Check that policy lets the caller read lists or metadata. Leaves no record.

        Raises:
            Denied: policy does not allow it.
        """
        self.host.gate.authorise(self.by, verb, resource)
        self.decided.add(verb.name)

    async def authorise_again(self, verb: CommandVerb, resource: Resource) -> None:
        """Check again during a long response, with the caller's current roles and rights.

        Raises:
            Denied: policy no longer allows it.
            Unauthenticated: the caller's session, key or registration is gone.
        """
        self.host.gate.authorise(await self.host.as_of_now(self), verb, resource)

    def allows(self, verb: Verb[Any, Any, Any], resource: Resource) -> bool:
        """Return whether policy lets the caller read this."""
        return self.host.gate.allows(self.by, verb, resource)

    async def run(self, action: Action[Any, Any, Any]) -> Performed:
        """Run an action. The response header `x-headgate-record` has the id of its record.

        Raises:
            HeadgateError: refused or failed; `record_id` names the record.
        """
        done = await self.host.pipeline.run(action)
        self.decided.add(action.verb.name)
        self.reply_headers.append(("x-headgate-record", done.run.record_id))
        return Performed(done.result, done.run.record_id)

    async def act(self, verb: Verb[Any, Any, Any], resource: Resource, payload: Any) -> Performed:
        """Run an action of the caller under the use case administration.

        Raises:
            HeadgateError: refused or failed; `record_id` names the record.
        """
        return await self.run(self.by.action(verb, resource, payload))

    async def perform(
        self,
        verb: CommandVerb,
        resource: Resource,
        do: Do,
        *,
        arguments: str,
        summary: Mapping[str, Fact] | None = None,
    ) -> Performed:
        """Run a command of the caller; `arguments` and `summary` are as in `Command`.

        Raises:
            HeadgateError: refused or failed; `record_id` names the record.
        """
        return await self.act(verb, resource, Command(summary=summary or {}, arguments=arguments, do=do))

    async def change(
        self,
        verb: CommandVerb,
        resource: Resource,
        make: Change,
        *,
        arguments: str,
        summary: Mapping[str, Fact] | None = None,
    ) -> Performed:
        """Decide, record and make a change of the configuration in one transaction.

        The commit notifies every worker. This worker is up to date when the method returns.

        Raises:
            HeadgateError: refused or failed; nothing was changed.
        """

        async def do(facts: Facts) -> Any:
            async with self.host.administration.transaction(tenant=self.tenant) as tx:
                result = await self._made(tx, make, facts)
                await tx.notify(CONFIGURATION_CHANNEL)
            return result

        done = await self.perform(verb, resource, do, arguments=arguments, summary=summary)
        with contextlib.suppress(HeadgateError):  # the change is committed, and the worker polls for it anyway
            await self.host.changed()
        return done

    async def rehearse(self, make: Change) -> Any:
        """Make and check a change, roll it back, and return its result.

        Raises:
            HeadgateError: the change would be refused or fail.
        """
        try:
            async with self.host.administration.transaction(tenant=self.tenant) as tx:
                raise _RehearsedError(await self._made(tx, make, {}))
        except _RehearsedError as rehearsed:
            return rehearsed.result

    def events(self) -> AbstractAsyncContextManager[EventStream]:
        """Open the answer as server-sent events; see `Host.events`."""
        return self.host.events(self)

    def download(self) -> AbstractAsyncContextManager[Download]:
        """Open the answer as a file; see `Host.download`."""
        return self.host.download(self)

    async def _made(self, tx: Transaction, make: Change, facts: Facts) -> Any:
        # One at a time: two concurrent changes could each remove the administrator that the other one keeps.
        await self.host.check.begin(tx, tenant=self.tenant)
        result = await make(tx, facts)
        await self.host.check.end(tx, tenant=self.tenant)
        return result


class _RehearsedError(Exception):
    """Ends a transaction without committing it."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def event(name: str, data: msgspec.Struct) -> bytes:
    """Encode one server-sent event with JSON data."""
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
