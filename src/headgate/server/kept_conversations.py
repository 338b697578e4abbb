"""Conversations of programs at the data plane: the paths that make, read, change and delete them.

Each request is an action of its caller. A conversation of somebody else is as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from headgate.admin.commands import Command, CommandVerb, digest_of
from headgate.admin.threads import (
    THREAD_DELETE,
    THREAD_READ,
    THREAD_WRITE,
    Conversations,
    Keeping,
    KeptConversation,
    KeptItem,
)
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Content
from headgate.kernel.errors import NotFound
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock, Ids
from headgate.kernel.run import Run
from headgate.server.api.errors import MethodNotAllowed
from headgate.server.identity import Caller
from headgate.server.kept_answers import Told
from headgate.wire.dialects import Dialects
from headgate.wire.stateful import ConversationWire

_MAX_ID_CHARS = 128
_NEW = "new"


class Place(NamedTuple):
    """The conversation and the item in a path; "" where the path has none.

    Args:
        has_items: whether the path goes on with `items`.
    """

    wire: ConversationWire
    conversation: str = ""
    has_items: bool = False
    item: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the place offers."""
        if self.item:
            return ("DELETE", "GET")
        if self.has_items:
            return ("GET", "POST")
        return ("DELETE", "GET", "POST") if self.conversation else ("POST",)


class Asking(NamedTuple):
    """A request for a conversation."""

    method: str
    query: Mapping[str, str]
    body: bytes
    caller: Caller


class KeptConversations:
    """Answers the paths of conversations."""

    def __init__(
        self, pipeline: Pipeline, conversations: Conversations, dialects: Dialects, *, clock: Clock, ids: Ids
    ) -> None:
        self._pipeline = pipeline
        self._kept = conversations
        self._wires = [one.conversations for one in dialects.readable.values()]
        self._clock = clock
        self._ids = ids

    def place(self, path: str) -> Place | None:
        """Return the place of a path, or None if it belongs to no conversations."""
        for wire in self._wires:
            if path == wire.path:
                return Place(wire)
            if not path.startswith(f"{wire.path}/"):
                continue
            conversation, _, rest = path.removeprefix(f"{wire.path}/").partition("/")
            items, _, item = rest.partition("/")
            is_known = items in ("", "items") and 0 < len(conversation) <= _MAX_ID_CHARS and len(item) <= _MAX_ID_CHARS
            return Place(wire, conversation, items == "items", item) if is_known else None
        return None

    async def answer(self, place: Place, asking: Asking) -> Told:
        """Answer a request.

        Raises:
            NotFound: this caller has no such conversation or item.
            Denied: policy does not allow it.
            ConversationLocked: items cannot be added while an answer is on its way.
        """
        if asking.method not in place.methods:
            raise MethodNotAllowed(asking.method, allowed=place.methods)
        match asking.method:
            case "GET":
                return await self._command(THREAD_READ, place, asking, self._read)
            case "DELETE":
                return await self._command(THREAD_DELETE, place, asking, self._delete)
            case _ if place.has_items:
                return await self._write(place, asking, place.wire.read_items(asking.body), self._add)
            case _ if place.conversation:
                return await self._write(place, asking, place.wire.read_body(asking.body, is_new=False), self._rewrite)
            case _:
                return await self._write(place, asking, place.wire.read_body(asking.body, is_new=True), self._create)

    async def _read(self, place: Place, asking: Asking) -> bytes:
        kept = await self._found(place, asking.caller)
        if place.item:
            return next((item.body for item in kept.items if item.id == place.item), b"") or _no_item(place)
        if place.has_items:
            return place.wire.page([item.body for item in kept.items], asking.query)
        return _shown(place.wire, kept)

    async def _delete(self, place: Place, asking: Asking) -> bytes:
        principal = asking.caller.principal
        if not place.item:
            if not await self._kept.forget(place.conversation, principal=principal):
                raise _missing(place)
            return place.wire.deleted(place.conversation)
        kept = await self._found(place, asking.caller)
        if not await self._kept.remove(place.conversation, place.item, principal=principal):
            _no_item(place)
        return _shown(place.wire, kept)

    async def _create(self, place: Place, asking: Asking, run: Run[Keeping, Any, Any]) -> bytes:
        content, unique = run.payload.content, self._ids.ulid().lower()
        kept = KeptConversation(
            id=place.wire.new_id(unique),
            created_at=self._clock.now(),
            metadata=place.wire.metadata_in(content),
            labels=run.labelled.labels,
            floor=_floor(run),
            items=[KeptItem(*item) for item in place.wire.items_in(content, unique=unique)],
        )
        await self._kept.create(kept, principal=asking.caller.principal)
        run.facts["thread"] = kept.id
        return _shown(place.wire, kept)

    async def _rewrite(self, place: Place, asking: Asking, run: Run[Keeping, Any, Any]) -> bytes:
        metadata, labels = place.wire.metadata_in(run.payload.content), run.labelled.labels
        principal = asking.caller.principal
        if not await self._kept.rewrite(place.conversation, metadata, labels=labels, principal=principal):
            raise _missing(place)
        return _shown(place.wire, await self._found(place, asking.caller))

    async def _add(self, place: Place, asking: Asking, run: Run[Keeping, Any, Any]) -> bytes:
        items = place.wire.items_in(run.payload.content, unique=self._ids.ulid().lower())
        if not await self._kept.add(
            place.conversation,
            [KeptItem(*item) for item in items],
            labels=run.labelled.labels,
            floor=_floor(run),
            principal=asking.caller.principal,
        ):
            raise _missing(place)
        return place.wire.page([item.body for item in items], {"order": "asc"})

    async def _found(self, place: Place, caller: Caller) -> KeptConversation:
        kept = await self._kept.find(place.conversation, principal=caller.principal)
        if kept is None or not kept.labels.flows_to(caller.principal.clearance):
            raise _missing(place)
        return kept

    async def _command(
        self, verb: CommandVerb, place: Place, asking: Asking, do: Callable[[Place, Asking], Awaitable[bytes]]
    ) -> Told:
        arguments = digest_of(place.conversation, place.has_items, place.item, dict(asking.query))
        command = Command({}, arguments, lambda _: do(place, asking))
        return await self._act(verb, place, command, asking.caller)

    async def _write(
        self,
        place: Place,
        asking: Asking,
        content: Content,
        do: Callable[[Place, Asking, Run[Keeping, Any, Any]], Awaitable[bytes]],
    ) -> Told:
        return await self._act(THREAD_WRITE, place, Keeping(content, lambda run: do(place, asking, run)), asking.caller)

    async def _act(self, verb: Verb[Any, Any, Any], place: Place, payload: Any, caller: Caller) -> Told:
        context = Context(use_case=caller.use_case, floor=caller.floor)
        resource = Resource("thread", place.conversation or _NEW)
        done = await self._pipeline.run(Action(verb, caller.principal, resource, payload, context))
        return Told(done.result, done.run.record_id)


def _floor(run: Run[Keeping, Any, Any]) -> Labels:
    return run.labelled.floor


def _shown(wire: ConversationWire, kept: KeptConversation) -> bytes:
    return wire.whole(kept.id, created=int(kept.created_at.timestamp()), metadata=kept.metadata)


def _missing(place: Place) -> NotFound:
    return NotFound(f"Conversation with id {place.conversation!r} not found.")


def _no_item(place: Place) -> bytes:
    raise NotFound(f"Item with id {place.item!r} not found.")
