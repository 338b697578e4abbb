"""Conversations from a seed, sealed and indexed by the feature's own code, and copied into its tables."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import msgspec
import psycopg

from headgate.chat.bodies import TurnBody
from headgate.chat.sealing import ConversationKey, ConversationKeys
from headgate.chat.words import hashes_of
from headgate.substrate.clock import format_ulid
from headgate.testing.postgres import TemporaryDatabase

TURNS = 4
RARE = "quagmire"
"""A word that one conversation in ten thousand has."""

_VOCABULARY = 20_000
_SYLLABLES = (
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "ke",
    "li",
    "mo",
    "nu",
    "pa",
    "re",
    "si",
    "to",
    "vu",
    "wa",
    "ze",
    "no",
)
_TENANT = "default"
_DAYS = 400


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary whose words are as common as their place says: the first is twice as common as the second."""

    words: tuple[str, ...]
    sums: tuple[float, ...]

    @classmethod
    def of(cls, seed: int) -> Words:
        """Make the vocabulary."""
        rng = random.Random(seed)
        words: dict[str, None] = {}
        while len(words) < _VOCABULARY:
            words["".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4)))] = None
        return cls(tuple(words), tuple(accumulate(1 / place for place in range(1, _VOCABULARY + 1))))

    def text(self, rng: random.Random, count: int) -> str:
        """Return so many words."""
        last = self.sums[-1]
        return " ".join(self.words[bisect(self.sums, rng.random() * last)] for _ in range(count))


@dataclass(frozen=True)
class Filling:
    """Where conversations go, and whose they are."""

    keys: ConversationKeys
    person: str
    count: int
    seed: int
    until: datetime
    _known: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def hashes(self, text: str) -> list[int]:
        """Return the hashes of a text. Each word is hashed once, because hashing takes most of the filling."""
        key = self.keys.words_key(tenant=_TENANT, person=self.person)
        for word in set(text.split()) - self._known.keys():
            self._known[word] = hashes_of(word, key=key)
        return sorted({one for word in text.split() for one in self._known[word]})


def fill(database: TemporaryDatabase, filling: Filling, *, words: Words) -> None:
    """Copy a person's conversations into the tables."""
    with psycopg.connect(database.owner.conninfo) as connection, connection.cursor() as cursor:
        index = "CREATE INDEX entries_by_words ON chat.entries USING gin (words) WITH (fastupdate = off)"
        cursor.execute("DROP INDEX chat.entries_by_words")
        for batch in _batches(filling, words):
            _copy(
                cursor,
                "conversations (tenant, id, person, model, use_case, key, title, labels, created_at, changed_at)",
                batch.conversations,
            )
            _copy(cursor, "turns (tenant, conversation, id, parent, role, state, body, labels, said_at)", batch.turns)
            _copy(cursor, "entries (tenant, person, conversation, id, words)", batch.entries)
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute(index)
        cursor.execute("ANALYZE chat.conversations, chat.turns, chat.entries")


class _Batch:
    def __init__(self) -> None:
        self.conversations: list[tuple[object, ...]] = []
        self.turns: list[tuple[object, ...]] = []
        self.entries: list[tuple[object, ...]] = []


def _batches(filling: Filling, words: Words, *, size: int = 1_000) -> Iterator[_Batch]:
    rng = random.Random(filling.seed)
    batch = _Batch()
    for number in range(filling.count):
        at = filling.until - timedelta(days=_DAYS) * (1 - number / filling.count)
        _add(batch, filling, words, rng, at=at, is_rare=number % 10_000 == 1)
        if len(batch.conversations) == size:
            yield batch
            batch = _Batch()
    yield batch


def _add(batch: _Batch, filling: Filling, words: Words, rng: random.Random, *, at: datetime, is_rare: bool) -> None:
    key = filling.keys.new(tenant=_TENANT, person=filling.person, conversation=_ulid(at, rng))
    title = words.text(rng, 6)
    _index(batch, filling, key, key.conversation, title)
    parent: str | None = None
    for place in range(TURNS):
        moment = at + timedelta(seconds=20 * (place + 1))
        turn, role = _ulid(moment, rng), ("user", "assistant")[place % 2]
        text = words.text(rng, 80 if place % 2 else 25) + (f" {RARE}" if is_rare and place == 1 else "")
        body = key.seal(msgspec.json.encode(TurnBody(text=text, model="local-chat")), name=f"turn/{turn}")
        batch.turns.append(
            (_TENANT, key.conversation, turn, parent, role, "whole", body, "confidentiality=public", moment)
        )
        _index(batch, filling, key, turn, text)
        parent = turn
    sealed = key.seal(title.encode(), name="title")
    batch.conversations.append(
        (
            _TENANT,
            key.conversation,
            filling.person,
            "local-chat",
            "getting-started",
            key.wrapped,
            sealed,
            "confidentiality=public",
            at,
            at + timedelta(minutes=2),
        )
    )


def _index(batch: _Batch, filling: Filling, key: ConversationKey, entry: str, text: str) -> None:
    found = filling.hashes(text)
    batch.entries.append((_TENANT, filling.person, key.conversation, entry, found))


def _ulid(at: datetime, rng: random.Random) -> str:
    return format_ulid(int(at.astimezone(UTC).timestamp() * 1000) << 80 | rng.getrandbits(80))


def _copy(cursor: psycopg.Cursor[tuple[object, ...]], table: str, rows: list[tuple[object, ...]]) -> None:
    with cursor.copy(f"COPY chat.{table} FROM STDIN") as copy:  # pyright: ignore[reportArgumentType] - constants above
        for row in rows:
            copy.write_row(row)
