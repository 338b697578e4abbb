"""The way from a client's body to the action of a model call, and from its result to the client's body.

The data plane goes it for a request, and a batch for each of its lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from headgate.admin.file_search import FileSearches, SearchCaller
from headgate.admin.offers import Port
from headgate.admin.turns import Turn, Turns
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.pipeline import Done
from headgate.kernel.record import Fact
from headgate.wire.dialect import ClientDialect, Match
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply


class Asked(NamedTuple):
    """What a call asks for: a verb on an alias or on a deployment."""

    verb: Verb[ModelCall, ModelEvent, ModelReply]
    resource: Resource


AskedBy = Callable[[TenantId, ModelCall], Asked]
"""Returns what a call asks for."""

ASKED_BY: Port[AskedBy] = Port("what calls of models ask for")

_LARGE_BODY_BYTES = 256 << 10
"""Larger bodies are decoded in a thread, because decoding would block the event loop."""

_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})
_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


class Begun(NamedTuple):
    """A decoded call.

    Args:
        turn: its turn in a wire whose answers are kept.
        variant: the variant of its route.
    """

    call: ModelCall
    turn: Turn | None
    variant: str = ""


class WireCalls:
    """Decodes bodies into calls, makes their actions, and renders their results.

    Args:
        searches: returns the feature that searches in files, or None without one.
    """

    def __init__(
        self,
        *,
        dialects: Dialects,
        asked_by: AskedBy,
        turns: Turns,
        searches: Callable[[], FileSearches | None] = lambda: None,
    ) -> None:
        self._dialects = dialects
        self._asked_by = asked_by
        self._searches = searches
        self.turns = turns

    async def begin(
        self, dialect: ClientDialect, match: Match, body: bytes, *, headers: Mapping[str, str], principal: Principal
    ) -> Begun:
        """Decode a body. Call `end` after the answer.

        Raises:
            Invalid: a field is invalid, or the call continues an answer that this principal does not have.
            NotFound: the call names a conversation or an item that this principal does not have.
            ConversationLocked: another answer to the conversation is on its way.
        """
        if len(body) > _LARGE_BODY_BYTES:
            call = await asyncio.to_thread(dialect.read_call, body, headers=headers, match=match)
        else:
            call = dialect.read_call(body, headers=headers, match=match)
        return Begun(call, await self.turns.begin(call, principal), match.variant)

    def action(
        self,
        begun: Begun,
        principal: Principal,
        use_case: UseCase,
        *,
        floor: Labels = BOTTOM,
        grant: str | None = None,
        deadline_s: float | None = None,
        attributes: Mapping[str, str] = _NO_ATTRIBUTES,
        facts: Mapping[str, Fact] = _NO_FACTS,
    ) -> Action[ModelCall, ModelEvent, ModelReply]:
        """Return the action of a call.

        Args:
            floor: labels that the caller raised.
            grant: the id of the caller's approval.
            attributes: of the action, for rules.
            facts: for its record.
        """
        call, turn, _ = begun
        if turn is not None:
            call, floor = turn.call, floor.join(turn.floor)
            if turn.found is not None:
                facts = {**facts, "search_record": turn.found.record}
        verb, resource = self._asked_by(principal.tenant, call)
        return Action(
            verb=verb,
            principal=principal,
            resource=resource,
            payload=call,
            context=Context(
                use_case=use_case, floor=floor, grant=grant, deadline_s=deadline_s, attributes=attributes, facts=facts
            ),
        )

    async def search_files(self, begun: Begun, caller: SearchCaller) -> None:
        """Run the search in files that a call asks for, before `action`.

        Raises:
            HeadgateError: the search was refused or failed.
        """
        searches = self._searches()
        if begun.turn is not None and not begun.variant and searches is not None:
            await self.turns.search_files(begun.turn, searches, caller)

    async def answer(self, begun: Begun, done: Done[Any, Any, ModelReply], *, created: int) -> bytes:
        """Return the whole answer for the client, and keep it where the client wants it kept.

        Args:
            created: the time in seconds since 1970.
        """
        call, turn, variant = begun
        asked = call if turn is None else turn.asked
        body = self._dialects.render_reply(done.result, wire=call.wire, model=call.model, call=asked, created=created)
        if turn is not None:
            body = turn.named(body)
            await self.turns.keep(turn, body, done.run)
            if variant:
                body = self.turns.compacted(turn, body, done.run)
        return body

    async def end(self, begun: Begun) -> None:
        """Let go of the conversation that a failed call continues, if it does."""
        turn = begun.turn
        if turn is not None and turn.state.conversation is not None and not turn.is_in_background:
            await self.turns.let_go(turn)
