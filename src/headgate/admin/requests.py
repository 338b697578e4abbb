"""A request to the admin API, as a feature's handler gets it, and what the handler can have done."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec

from headgate.admin.callers import AdminCaller, Gate
from headgate.admin.commands import Command, CommandVerb, Do, Facts
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
"""The database's channel on which every worker hears that the configuration changed."""

Change = Callable[[Transaction, Facts], Awaitable[Any]]
"""Makes a change within the transaction and returns the result; may add facts for the record."""


class Performed(NamedTuple):
    """What a command returned, and the record that tells of it."""

    result: Any
    record: RecordId


class ChangeCheck(Protocol):
    """Says whether a change of the configuration may be committed."""

    async def begin(self, transaction: Transaction, *, tenant: TenantId) -> None:
        """Wait until no other change of this tenant is under way, and keep others waiting until the end."""
        ...

    async def end(self, transaction: Transaction, *, tenant: TenantId) -> None:
        """Look at the state that would be committed.

        Raises:
            HeadgateError: nobody would be left who could undo it, or it could not be read back.
        """
        ...


class EventStream(Protocol):
    """An answer as server-sent events, kept alive while nothing is said."""

    @property
    def is_started(self) -> bool:
        """Whether status 200 is out."""
        ...

    async def begin(self, *headers: tuple[str, str]) -> None:
        """Send status 200 and the headers."""
        ...

    async def send(self, frames: bytes) -> None:
        """Send whole events."""
        ...

    async def heartbeat(self) -> None:
        """Send a sign of life."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """The server, as handlers use it.

    Args:
        administration: the database under the role that writes configuration.
        check: asked about each change of the configuration.
        changed: brings this worker up to date after a change; the others are woken by the database.
        events: opens the answer to a request as a stream. An error inside becomes the event `error` once the stream
            has begun, and goes up before that. The block is cancelled when the client goes.
        as_of_now: returns a caller with what policy says of it by now; raises Unauthenticated where it is gone.
    """

    pipeline: Pipeline
    gate: Gate
    administration: Database
    check: ChangeCheck
    changed: Callable[[], Awaitable[None]]
    events: Callable[[Request], AbstractAsyncContextManager[EventStream]]
    as_of_now: Callable[[AdminCaller], AdminCaller]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready for its handler.

    Args:
        query: only parameters that the operation declares, each of its kind.
        body: of the operation's body type, or None.
        caller: who calls; None where the operation is public.
        session: the server's own knowledge of the caller's session, or None for a key.
        scope, send: of ASGI, for the server alone.
        decided: names of the verbs that policy has decided for this request.
    """

    operation: Operation
    host: Host
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, QueryValue]
    body: Any
    caller: AdminCaller | None = None
    session: Any = None
    scope: Any = None
    send: Any = None
    reply_headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    decided: set[str] = field(default_factory=set[str])

    @property
    def by(self) -> AdminCaller:
        """The caller of an operation that is not public."""
        assert self.caller is not None
        return self.caller

    @property
    def tenant(self) -> TenantId:
        """The caller's tenant."""
        return self.by.tenant_id

    def body_as(self, kind: type[S]) -> S:
        """Return the body, which the server decoded as this type."""
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
        """Have policy decide a look at lists or metadata, which leaves no record.

        Raises:
            Denied: policy does not allow it.
        """
        self.decided.add(verb.name)
        self.host.gate.authorise(self.by, verb, resource)

    def authorise_again(self, verb: CommandVerb, resource: Resource) -> None:
        """Decide the look anew with what policy says of the caller by now, for answers that last.

        Raises:
            Denied: policy does not allow it any more.
            Unauthenticated: the caller's key or registration is gone.
        """
        self.host.gate.authorise(self.host.as_of_now(self.by), verb, resource)

    def allows(self, verb: CommandVerb, resource: Resource) -> bool:
        """Tell whether policy allows the caller a look."""
        return self.host.gate.allows(self.by, verb, resource)

    async def run(self, action: Action[Any, Any, Any]) -> Performed:
        """Run an action; the answer's header `x-headgate-record` names its record.

        Raises:
            HeadgateError: refused or failed; `record_id` names the record.
        """
        self.decided.add(action.verb.name)
        done = await self.host.pipeline.run(action)
        self.reply_headers.append(("x-headgate-record", done.run.record_id))
        return Performed(done.result, done.run.record_id)

    async def act(self, verb: Verb[Any, Any, Any], resource: Resource, payload: Any) -> Performed:
        """Run an action of the caller under the use case of administration.

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
        """Decide, record and make a change of the configuration, in one transaction of the role that may write it.

        Every worker hears of it when it commits, this one before the method returns.

        Raises:
            HeadgateError: refused or failed; nothing was changed.
        """

        async def do(facts: Facts) -> Any:
            async with self.host.administration.transaction(tenant=self.tenant) as tx:
                result = await self._made(tx, make, facts)
                await tx.notify(CONFIGURATION_CHANNEL)
            return result

        done = await self.perform(verb, resource, do, arguments=arguments, summary=summary)
        with contextlib.suppress(HeadgateError):  # what was committed stays; the worker's own look follows
            await self.host.changed()
        return done

    async def rehearse(self, make: Change) -> Any:
        """Return what a change would return: it is made, checked and taken back.

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

    async def _made(self, tx: Transaction, make: Change, facts: Facts) -> Any:
        # One after the other: of two changes at once, each could leave only whom the other takes away.
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
    """Return one server-sent event with its data as JSON."""
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
