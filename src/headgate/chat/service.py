"""Conversations: sealed on the way in, opened on the way out. Handlers ask policy before they call this."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from headgate.admin.register import Registration
from headgate.admin.ways import WaysOn
from headgate.chat import store
from headgate.chat.answers import Answers
from headgate.chat.bodies import ConversationView, SearchHit, SearchResult, TurnBody
from headgate.chat.excerpts import excerpt
from headgate.chat.sealing import ConversationKey, ConversationKeys
from headgate.chat.store import Before, ConversationRow, Hit, TurnRow, TurnState
from headgate.chat.words import hashes_of, hashes_to_find, plain
from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import BOTTOM, Labels, parse_labels
from headgate.kernel.ports import Clock, Ids
from headgate.substrate.database import Database, Transaction
from headgate.wire.dialects import Dialects

UNTITLED = "New conversation"
MOST_SHARED = 200

_TITLE_CHARS = 60
_SCANNED = 200
"""Turns that one page of a search looks at. Several turns of one conversation are one hit."""

_LOST_AFTER = timedelta(seconds=60)
"""The time after which an answer that nobody writes any more has lost its worker."""

_SHORTEST_NAME = 2
_MOST_FOUND = 10
"""The limit of colleagues that one search finds."""

_body = msgspec.json.Decoder(TurnBody)


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation with its key, its people and the name of its owner."""

    row: ConversationRow
    key: ConversationKey
    readers: Sequence[store.ReaderRow]
    owner: str

    @property
    def title(self) -> str:
        """The title."""
        return self.key.open(self.row.title, name="title").decode()

    @property
    def system(self) -> str | None:
        """The system prompt, or None."""
        return None if self.row.system is None else self.key.open(self.row.system, name="system").decode()

    @property
    def labels(self) -> Labels:
        """The labels of everything in it."""
        return parse_labels(self.row.labels)

    def body(self, turn: TurnRow) -> TurnBody:
        """Open a turn."""
        return _body.decode(self.key.open(turn.body, name=f"turn/{turn.id}"))

    def model_of(self, turn: TurnRow) -> str:
        """Return the model of an answer."""
        return self.body(turn).model

    def view(self, *, title: str | None = None) -> ConversationView:
        """Return it without its turns, under another title if one is given."""
        row = self.row
        return ConversationView(
            id=row.id,
            title=title or self.title,
            owner=row.person,
            owner_name=self.owner,
            model=row.model,
            use_case=row.use_case,
            labels=row.labels,
            created_at=row.created_at,
            changed_at=row.changed_at,
        )


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn to store."""

    id: str
    parent: str | None
    role: store.Role
    state: TurnState
    body: TurnBody
    labels: Labels
    record: str | None = None

    def labelled(self, labels: Labels) -> NewTurn:
        """Return the turn with these labels."""
        return replace(self, labels=labels)

    def sealed(self, key: ConversationKey, *, at: datetime) -> TurnRow:
        """Return the turn as it is stored."""
        return TurnRow(
            id=self.id,
            parent=self.parent,
            role=self.role,
            state=self.state,
            body=key.seal(msgspec.json.encode(self.body), name=f"turn/{self.id}"),
            record=self.record,
            labels=str(self.labels),
            said_at=at,
        )


@dataclass(frozen=True, slots=True)
class Chat:
    """The open feature.

    Args:
        aliases: returns the names of the models that a tenant has.
        people: returns the registered principals of a tenant by id.
        answers: the answers on their way in this worker.
        ways: finds ways on after a refusal, or None without models.
    """

    database: Database
    keys: ConversationKeys
    clock: Clock
    ids: Ids
    dialects: Dialects
    aliases: Callable[[TenantId], Collection[str]]
    people: Callable[[TenantId], Mapping[str, Registration]]
    ways: WaysOn | None = None
    answers: Answers = field(default_factory=Answers)

    async def create(
        self, *, tenant: TenantId, person: str, model: str, use_case: str, title: str | None, system: str | None
    ) -> Kept:
        """Begin a conversation."""
        key = self.keys.new(tenant=tenant, person=person, conversation=self.ids.ulid())
        now = self.clock.now()
        row = ConversationRow(
            id=key.item,
            person=person,
            model=model,
            use_case=use_case,
            key=key.wrapped,
            title=key.seal((title or UNTITLED).encode(), name="title"),
            system=key.seal(system.encode(), name="system") if system else None,
            shown=None,
            labels=str(BOTTOM),
            created_at=now,
            changed_at=now,
        )
        async with self.database.transaction(tenant=tenant) as tx:
            await store.add_conversation(tx, row, tenant=tenant)
            if title:
                await self._index(tx, key, row.id, title)
        return Kept(row, key, (), self.name_of(person, tenant=tenant))

    async def get(self, conversation_id: str, *, tenant: TenantId) -> Kept:
        """Return a conversation of any person of the tenant.

        Raises:
            NotFound: there is none, or no longer.
        """
        async with self.database.transaction(tenant=tenant) as tx:
            return await self._kept(tx, conversation_id, tenant=tenant)

    async def turns(self, kept: Kept) -> list[TurnRow]:
        """Return the turns of a conversation, oldest first, and the answers on their way.

        An answer whose worker is gone becomes a stopped one.
        """
        tenant, now = TenantId(kept.key.tenant), self.clock.now()
        async with self.database.transaction(tenant=tenant) as tx:
            # In this order an answer that ends meanwhile is in one of the two, or in both.
            answers = await store.answers_of(tx, kept.row.id, tenant=tenant)
            turns = await store.turns_of(tx, kept.row.id, tenant=tenant)
            ended = {turn.id for turn in turns}
            for row in answers:
                if row.id in ended:
                    continue
                is_lost = now - row.written_at > _LOST_AFTER
                turn = _answering(row, state="stopped" if is_lost else "running")
                if is_lost:
                    await store.add_turn(tx, turn, tenant=tenant, conversation_id=kept.row.id)
                    await store.end_answer(tx, kept.row.id, row.id, tenant=tenant)
                turns.append(turn)
        return turns

    async def begin_answer(self, kept: Kept, row: store.AnsweringRow) -> None:
        """Store an answer that begins. It takes the room of the turn that it becomes.

        Raises:
            Conflict: the conversation has the most turns that one may have.
            NotFound: the conversation was deleted meanwhile.
        """
        tenant = TenantId(kept.key.tenant)
        async with self.database.transaction(tenant=tenant) as tx:
            await self._kept(tx, kept.row.id, tenant=tenant, for_change=True)
            await _check_room(tx, kept.row.id, row.id, tenant=tenant)
            await store.begin_answer(tx, row, tenant=tenant, conversation_id=kept.row.id)

    async def write_answer(self, kept: Kept, row: store.AnsweringRow) -> bool:
        """Store how far an answer came; return whether it shall stop: it was asked to, or its conversation is gone."""
        tenant = TenantId(kept.key.tenant)
        async with self.database.transaction(tenant=tenant) as tx:
            return await store.write_answer(tx, row, tenant=tenant, conversation_id=kept.row.id) is not False

    async def stop(self, kept: Kept) -> None:
        """Ask every answer on its way in a conversation to stop, in all workers."""
        tenant = TenantId(kept.key.tenant)
        async with self.database.transaction(tenant=tenant) as tx:
            await store.stop_answers(tx, kept.row.id, tenant=tenant)
        self.answers.stop(kept.row.id)

    async def list(self, person: str, *, tenant: TenantId, before: Before | None, limit: int) -> list[Kept]:
        """Return a person's conversations, newest first."""
        async with self.database.transaction(tenant=tenant) as tx:
            rows = await store.list_conversations(tx, person, tenant=tenant, before=before, limit=limit)
        return [self._opened(row, tenant=tenant) for row in rows]

    async def of_record(self, record: str, *, tenant: TenantId, person: str) -> str | None:
        """Return the id of a person's own conversation that has an answer with this record, or None."""
        async with self.database.transaction(tenant=tenant) as tx:
            return await store.conversation_of_record(tx, record, tenant=tenant, person=person)

    async def shared_with(self, reader: str, *, tenant: TenantId) -> list[Kept]:
        """Return the conversations that others share with a person."""
        async with self.database.transaction(tenant=tenant) as tx:
            rows = await store.list_shared(tx, reader, tenant=tenant, limit=MOST_SHARED)
        return [self._opened(row, tenant=tenant) for row in rows]

    async def search(self, text: str, *, tenant: TenantId, person: str, before: str | None, limit: int) -> SearchResult:
        """Return a person's conversations with all words of a search in one message or title, newest first.

        Raises:
            Invalid: the search has no words.
        """
        words = hashes_to_find(text, key=self.keys.words_key(tenant=tenant, person=person))
        if not words:
            raise Invalid("write at least one word to search for", param="q")
        async with self.database.transaction(tenant=tenant) as tx:
            hits = await store.search(tx, words, tenant=tenant, person=person, before=before, limit=_SCANNED)
            page = _page(hits, limit=limit)
            rows = await store.conversations_of(tx, [hit.conversation for hit in page.first], tenant=tenant)
            turns = {turn.id: turn for turn in await store.turns_found(tx, page.first, tenant=tenant)}
        kept = {row.id: self._opened(row, tenant=tenant) for row in rows}
        found = [
            _hit(kept[hit.conversation], turns.get(hit.id), text) for hit in page.first if hit.conversation in kept
        ]
        return SearchResult(hits=found, next=page.next)

    async def change(
        self,
        conversation_id: str,
        *,
        tenant: TenantId,
        model: str | None,
        use_case: str | None,
        title: str | None,
        system: str | None,
    ) -> Kept:
        """Change a conversation; None leaves a field as it is, and an empty system prompt removes it."""
        async with self.database.transaction(tenant=tenant) as tx:
            kept = await self._kept(tx, conversation_id, tenant=tenant, for_change=True)
            row = replace(kept.row, model=model or kept.row.model, use_case=use_case or kept.row.use_case)
            if title is not None:
                row = replace(row, title=kept.key.seal(title.encode(), name="title"))
                await self._index(tx, kept.key, row.id, title)
            if system is not None:
                row = replace(row, system=kept.key.seal(system.encode(), name="system") if system else None)
            await store.change_conversation(tx, row, tenant=tenant)
        return replace(kept, row=row)

    async def show(self, conversation_id: str, turn: str, *, tenant: TenantId) -> None:
        """Remember the branch that its person looks at."""
        async with self.database.transaction(tenant=tenant) as tx:
            await store.show_branch(tx, conversation_id, tenant=tenant, shown=turn)

    async def add(self, conversation_id: str, turn: NewTurn, *, tenant: TenantId) -> TurnRow:
        """Store and index a turn, and raise the conversation's labels.

        The first question gives a conversation its title, unless it has one.

        Raises:
            Conflict: the conversation has the most turns that one may have.
            NotFound: the conversation was deleted meanwhile.
        """
        now = self.clock.now()
        async with self.database.transaction(tenant=tenant) as tx:
            kept = await self._kept(tx, conversation_id, tenant=tenant, for_change=True)
            await _check_room(tx, conversation_id, turn.id, tenant=tenant)
            row = turn.sealed(kept.key, at=now)
            await store.add_turn(tx, row, tenant=tenant, conversation_id=conversation_id)
            await store.end_answer(tx, conversation_id, row.id, tenant=tenant)
            await self._index(tx, kept.key, turn.id, _searched(turn.body))
            changed = replace(
                kept.row if turn.role == "assistant" else _through(kept.row, turn.body),
                shown=turn.id,
                changed_at=now,
                labels=str(kept.labels.join(turn.labels)),
            )
            if turn.role == "user" and turn.parent is None and kept.title == UNTITLED:
                title = _title_of(turn.body)
                changed = replace(changed, title=kept.key.seal(title.encode(), name="title"))
                await self._index(tx, kept.key, conversation_id, title)
            await store.change_conversation(tx, changed, tenant=tenant)
        return row

    async def delete(self, conversation_id: str, *, tenant: TenantId) -> None:
        """Delete a conversation with its key. Its texts cannot be opened afterwards."""
        async with self.database.transaction(tenant=tenant) as tx:
            await store.delete_conversation(tx, conversation_id, tenant=tenant)

    async def share(self, conversation_id: str, reader: str, *, tenant: TenantId) -> None:
        """Let another person read a conversation.

        Raises:
            NotFound: there is no such person, or the conversation was deleted meanwhile.
        """
        if reader not in self.people(tenant):
            raise NotFound(f"nobody here is called {reader!r}; choose a colleague from the list", param="person")
        async with self.database.transaction(tenant=tenant) as tx:
            kept = await self._kept(tx, conversation_id, tenant=tenant, for_change=True)
            if len(kept.readers) >= MOST_SHARED:
                raise Conflict(f"a conversation has at most {MOST_SHARED} readers; remove one first")
            await store.add_reader(tx, conversation_id, reader, tenant=tenant, now=self.clock.now())

    def find_people(self, text: str, *, tenant: TenantId, but: str) -> list[Registration]:
        """Return people whose name or id contains a text, by name; nobody for a text of one letter."""
        wanted = plain(text.strip())
        if len(wanted) < _SHORTEST_NAME:
            return []
        found = [
            one
            for one in self.people(tenant).values()
            if one.kind == "person" and one.managed_by != "built_in" and one.id != but
            if wanted in plain(one.name) or wanted in plain(one.id)
        ]
        return sorted(found, key=lambda one: (plain(one.title), one.id))[:_MOST_FOUND]

    def name_of(self, person: str, *, tenant: TenantId) -> str:
        """Return the name of a person, or the id of somebody without one."""
        known = self.people(tenant).get(person)
        return person if known is None else known.title

    async def unshare(self, conversation_id: str, reader: str, *, tenant: TenantId) -> None:
        """Stop sharing a conversation with a person."""
        async with self.database.transaction(tenant=tenant) as tx:
            await store.remove_reader(tx, conversation_id, reader, tenant=tenant)

    async def _kept(self, tx: Transaction, conversation_id: str, *, tenant: TenantId, for_change: bool = False) -> Kept:
        row = await store.conversation(tx, conversation_id, tenant=tenant, for_change=for_change)
        if row is None:
            raise NotFound("there is no such conversation; it may have been deleted")
        return self._opened(row, tenant=tenant, readers=await store.readers_of(tx, row.id, tenant=tenant))

    def _opened(self, row: ConversationRow, *, tenant: TenantId, readers: Sequence[store.ReaderRow] = ()) -> Kept:
        key = self.keys.unwrap(row.key, tenant=tenant, person=row.person, conversation=row.id)
        return Kept(row, key, readers, self.name_of(row.person, tenant=tenant))

    async def _index(self, tx: Transaction, key: ConversationKey, entry: str, text: str) -> None:
        tenant = TenantId(key.tenant)
        words = hashes_of(text, key=self.keys.words_key(tenant=tenant, person=key.owner))
        await store.put_entry(tx, Hit(entry, key.item), words, tenant=tenant, person=key.owner)


async def _check_room(tx: Transaction, conversation_id: str, turn_id: str, *, tenant: TenantId) -> None:
    """Check that a locked conversation has room for a turn beside the others and the answers on their way.

    Raises:
        Conflict: it has not.
    """
    if await store.count_turns(tx, conversation_id, tenant=tenant, but=turn_id) >= store.MOST_TURNS:
        raise Conflict(f"a conversation holds at most {store.MOST_TURNS:,} messages; begin another one")


def _through(row: ConversationRow, body: TurnBody) -> ConversationRow:
    """Return the conversation with the model and the use case of its newest question."""
    return replace(row, model=body.model or row.model, use_case=body.use_case or row.use_case)


def _answering(row: store.AnsweringRow, *, state: TurnState) -> TurnRow:
    """Return an answer on its way as a turn."""
    return TurnRow(
        id=row.id,
        parent=row.question,
        role="assistant",
        state=state,
        body=row.body,
        record=row.record,
        labels=row.labels,
        said_at=row.begun_at,
    )


def _title_of(body: TurnBody) -> str:
    """Return the first words of a message."""
    words = " ".join(body.text.split()) or ", ".join(file.name for file in body.attachments)
    if len(words) <= _TITLE_CHARS:
        return words
    head = words[:_TITLE_CHARS]
    return f"{head[: head.rfind(' ')] if ' ' in head else head}…"


def _searched(body: TurnBody) -> str:
    files = [f"{file.name} {file.text or ''}" for file in body.attachments]
    return "\n".join([body.text, *files])


class _Page(NamedTuple):
    """The newest hit of each conversation, and the last hit that was looked at if there may be more."""

    first: list[Hit]
    next: str | None


def _page(hits: Sequence[Hit], *, limit: int) -> _Page:
    first: dict[str, Hit] = {}
    last: str | None = None
    for hit in hits:
        if hit.conversation not in first and len(first) == limit:
            return _Page(list(first.values()), last)
        first.setdefault(hit.conversation, hit)
        last = hit.id
    return _Page(list(first.values()), last if len(hits) == _SCANNED else None)


def _hit(kept: Kept, turn: TurnRow | None, search: str) -> SearchHit:
    text = kept.title if turn is None else _searched(kept.body(turn))
    return SearchHit(conversation=kept.view(), turn=None if turn is None else turn.id, excerpt=excerpt(text, search))
