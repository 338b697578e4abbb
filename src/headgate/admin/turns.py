"""Turns: calls of dialects whose answers are kept, with what they continue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import structlog

from headgate.admin.file_search import FileSearches, SearchCaller
from headgate.admin.threads import Conversations, KeptAnswer, KeptItem, KeptSummary, Threads
from headgate.kernel.errors import HeadgateError, Invalid, NotFound
from headgate.kernel.identity import Principal
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.ports import Ids
from headgate.kernel.run import Run
from headgate.wire.dialects import Dialects
from headgate.wire.file_search import SearchedFiles, SearchingDialect
from headgate.wire.model_call import ModelCall
from headgate.wire.stateful import Earlier, KeepingWriter, ReadableDialect, State, StatefulDialect

log = structlog.get_logger(__name__)

MAX_ID_CHARS = 128

_KEEPING_S = 10.0


class FoundInFiles(NamedTuple):
    """A search in files that was run for a turn, with its dialect and the id of its record."""

    dialect: SearchingDialect
    files: SearchedFiles
    record: str


@dataclass(slots=True)
class Turn:
    """A call of a dialect whose answers are kept.

    Args:
        asked: the client's own call, with the items that it refers to.
        call: the call with all that it continues.
        floor: the labels of what it continues that it cannot lower.
        answer: the id of its answer.
    """

    dialect: StatefulDialect
    state: State
    asked: ModelCall
    call: ModelCall
    floor: Labels
    answer: str
    principal: Principal
    found: FoundInFiles | None = field(default=None)
    """The search in files that was run for it."""
    is_over: bool = field(default=False)
    """Whether the answer is kept, or is not to be kept."""
    was_kept: bool = field(default=False)
    """Whether the answer is kept where its client wants it."""
    is_in_background: bool = field(default=False)
    """Whether a task of its own writes the answer, and lets go of the conversation."""

    def writer(self, *, created: int) -> KeepingWriter:
        """Return the encoder of its stream."""
        writer = self.dialect.write_events_as(self.asked, answer=self.answer, created=created)
        if self.found is None:
            return writer
        return self.found.dialect.write_found(writer, self.found.files, call=self.asked, answer=self.answer)

    def named(self, body: bytes) -> bytes:
        """Return its whole answer under its id; a token count has none."""
        if self.asked.operation != "chat":
            return body
        body = self.dialect.named(body, call=self.asked, answer=self.answer)
        if self.found is None:
            return body
        return self.found.dialect.told_found(body, self.found.files, call=self.asked, answer=self.answer)


class _Found(NamedTuple):
    """What a call continues, with its labels that the call cannot lower."""

    earlier: Earlier
    floor: Labels


class Turns:
    """Begins turns, and keeps their answers."""

    def __init__(self, threads: Threads, conversations: Conversations, dialects: Dialects, ids: Ids) -> None:
        self._threads = threads
        self._conversations = conversations
        self._dialects = dialects.stateful
        self._readable = dialects.readable
        self._searching = dialects.searching
        self._ids = ids

    async def begin(self, call: ModelCall, principal: Principal) -> Turn | None:
        """Return the turn of a call; None for a call that neither needs nor leaves kept state.

        A turn of a conversation holds it; call `let_go` in the end.

        Raises:
            AnswerUnknown: the call continues an answer that this principal does not have.
            NotFound: the call names a conversation or an item that this principal does not have.
            ConversationLocked: another answer to the conversation is on its way.
        """
        dialect = self._dialects.get(call.wire)
        state = None if dialect is None else dialect.state_of(call)
        if dialect is None or state is None:
            return None
        answer = dialect.new_id(self._ids.ulid().lower())
        is_kept = call.operation == "chat" and (state.is_kept or state.conversation is not None)
        turn = Turn(dialect, state, call, call, BOTTOM, answer, principal, is_over=not is_kept)
        if not (state.previous or state.conversation or state.items or state.sealed or state.begins):
            return turn
        try:
            earlier, turn.floor = await self._earlier(turn)
            if state.items or state.sealed:
                turn.asked = await asyncio.to_thread(self._readable[call.wire].resolved, call, earlier)
            turn.call = await asyncio.to_thread(dialect.after, turn.asked, earlier)
        except BaseException:
            await self.let_go(turn)
            raise
        return turn

    def readable(self, turn: Turn) -> ReadableDialect:
        """Return the dialect of a turn, for what its clients read."""
        return self._readable[turn.asked.wire]

    async def search_files(self, turn: Turn, searches: FileSearches, caller: SearchCaller) -> None:
        """Run the search in files that a turn asks for, if it does, and give its call the passages.

        Raises:
            NotFound: the caller has no such vector store.
            Denied: policy does not allow it.
        """
        dialect = self._searching.get(turn.asked.wire)
        wanted = None if dialect is None else dialect.wanted_files(turn.call)
        if dialect is None or wanted is None:
            return
        found = await searches.search(wanted, caller)
        if found is None:
            return
        turn.found = FoundInFiles(dialect, SearchedFiles(wanted, found.texts), found.record)
        turn.call, turn.floor = dialect.with_found(turn.call, turn.found.files), turn.floor.join(found.labels)

    async def keep(self, turn: Turn, body: bytes | None, run: Run[Any, Any, Any]) -> None:
        """Keep a whole answer before its client has it; a failure is logged, as the answer is paid for."""
        if turn.is_over or body is None:
            return
        turn.is_over = True
        labels = run.labelled.labels.join(run.output_labels)
        # The scan of the next call finds the categories of the text again, and may mask it.
        floor = replace(labels, categories=run.labelled.floor.categories)
        exchange, readable = turn.dialect.exchange(turn.asked, body), self._readable.get(turn.asked.wire)
        kept = KeptAnswer(
            id=turn.answer,
            previous=turn.state.previous,
            exchange=exchange,
            labels=labels,
            floor=floor,
            items=() if readable is None else readable.told_items(exchange),
        )
        try:
            async with asyncio.timeout(_KEEPING_S):
                if turn.state.is_kept:
                    await self._threads.keep(kept, principal=turn.principal)
                if turn.state.conversation is not None and readable is not None:
                    await self._conversations.settle(
                        turn.state.conversation,
                        [KeptItem(*item) for item in readable.items_of(exchange)],
                        labels=labels,
                        floor=floor,
                        holder=turn.answer,
                        principal=turn.principal,
                    )
            turn.was_kept = True
        except (HeadgateError, TimeoutError) as error:
            log.warning("answer_not_kept", answer=turn.answer, record=run.record_id, why=str(error))

    def compacted(self, turn: Turn, body: bytes, run: Run[Any, Any, Any]) -> bytes:
        """Return the answer to a request for compaction, for the whole answer with the summary.

        Raises:
            Upstream: the model wrote no summary.
        """
        readable = self._readable[turn.asked.wire]
        labels = run.labelled.labels.join(run.output_labels)
        floor = replace(labels, categories=run.labelled.floor.categories)
        summary = KeptSummary(readable.summary_in(body), labels, floor)
        sealed = self._threads.sealed(summary, principal=turn.principal)
        return readable.compacted(body, call=turn.call, answer=turn.answer, sealed=sealed)

    async def let_go(self, turn: Turn) -> None:
        """Let go of the conversation of a turn, if it has one that it still holds."""
        if turn.state.conversation is None:
            return
        try:
            async with asyncio.timeout(_KEEPING_S):
                await self._conversations.let_go(turn.state.conversation, holder=turn.answer, principal=turn.principal)
        except (HeadgateError, TimeoutError) as error:
            # Its time ends soon by itself.
            log.warning("conversation_held", conversation=turn.state.conversation, why=str(error))

    async def _earlier(self, turn: Turn) -> _Found:
        """Return what a call continues."""
        state, principal = turn.state, turn.principal
        exchanges: Sequence[bytes] = ()
        items: Sequence[bytes] = ()
        named: Sequence[bytes] = ()
        floor = BOTTOM
        if state.conversation is not None:
            held = await self._conversations.hold(state.conversation, holder=turn.answer, principal=principal)
            if held is None:
                raise NotFound(
                    f"Conversation with id {state.conversation[:MAX_ID_CHARS]!r} not found.", param="conversation"
                )
            items, floor = [item.body for item in held.items], held.floor
        elif state.previous is not None:
            thread = await self.thread(state.previous, principal)
            if not thread:
                raise turn.dialect.unknown(state.previous[:MAX_ID_CHARS])
            exchanges, floor = [one.exchange for one in thread], _joined(thread)
        if state.items:
            # Each id is at most as long as a body, and the number of items is bounded.
            answers = self._readable[turn.asked.wire].answers_of(state.items)
            having = await self._threads.having(state.items, answers=answers, principal=principal)
            having = [one for one in having if one.labels.flows_to(principal.clearance)]
            named, floor = [one.exchange for one in having], floor.join(_joined(having))
        summaries = {one: self._opened(one, principal) for one in state.sealed}
        for summary in summaries.values():
            floor = floor.join(summary.floor)
        return _Found(Earlier(exchanges, items, named, {one: found.text for one, found in summaries.items()}), floor)

    def _opened(self, sealed: str, principal: Principal) -> KeptSummary:
        summary = self._threads.opened(sealed.partition("-")[2], principal=principal)
        if not summary.labels.flows_to(principal.clearance):
            raise Invalid("input: a compaction item has content that you may no longer read", param="input")
        return summary

    async def thread(self, answer: str, principal: Principal) -> Sequence[KeptAnswer]:
        """Return a thread that may still flow to its principal; empty if it is not kept for this one."""
        thread = await self._threads.thread(answer, principal=principal)
        return thread if all(one.labels.flows_to(principal.clearance) for one in thread) else ()


def _joined(thread: Sequence[KeptAnswer]) -> Labels:
    labels = BOTTOM
    for one in thread:
        labels = labels.join(one.floor)
    return labels
