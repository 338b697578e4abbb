"""The cache of answers' labels, for stateless clients that send the whole conversation each time.

The cache holds a keyed hash of each answer's text, with its labels. When a client sends the text
back as the assistant's, it gets these labels again. Other text may come from anyone, so it is
untrusted. Decision 0005 describes the storage and the retention.

A provider refuses its own signed reasoning if the text has changed. So the cache also holds, for
the deployment that signed it, the form of the reasoning before values were restored in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

from headgate.guard.pseudonyms import CODE_SIZE, TOKEN
from headgate.kernel.errors import Invalid
from headgate.kernel.hashing import interned
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import BOTTOM, EMPTY, Integrity, Labels, parse_labels
from headgate.kernel.ports import Clock

MOST_CHARS = 1 << 20
"""Longer answers are not cached; sent back, they are untrusted."""

_CHANCE_CHARS = 64
"""Shorter texts can be equal by chance, so they are cached only for their own use case and caller."""

_UNTRUSTED = Labels(integrity=Integrity.UNTRUSTED)
_NOWHERE = Labels(regions=EMPTY)
_MOST_BYTES = 474
_DIGEST_BYTES = 16


class Table(Protocol):
    """A bounded table of hashes and values; it may drop entries at any time."""

    def get(self, key: bytes) -> bytes | None:
        """Return a value, or None."""
        ...

    def put(self, key: bytes, value: bytes, *, written_at: int) -> None:
        """Store a value of at most 474 bytes; replaces an older one."""
        ...


class RememberedThinking(NamedTuple):
    """The original form of a reasoning text that a client sends back.

    Args:
        codes: the codes of the pseudonyms in the original.
        is_said: tells whether a text equals the original exactly.
    """

    codes: frozenset[str]
    is_said: Callable[[str], bool]


class AnswerMemory:
    """The cache of answers' labels.

    Args:
        key: of the hashes, at least 32 random bytes; the same in all workers.
    """

    def __init__(self, table: Table, *, key: bytes, clock: Clock) -> None:
        self._table = table
        self._key = hashlib.blake2b(key, digest_size=32, person=b"hg-answers").digest()
        self._thoughts_key = hashlib.blake2b(key, digest_size=32, person=b"hg-thoughts").digest()
        self._clock = clock

    def remember(self, texts: Iterable[str], labels: Labels, *, use_case: UseCase, caller: str) -> None:
        """Cache released texts with their labels, joined with any earlier labels of them."""
        now = int(self._clock.now().timestamp())
        for text in texts:
            if text and len(text) <= MOST_CHARS:
                key = self._hash(text, use_case, caller)
                known = self._known(key)
                joined = labels if known is None else known.join(labels)
                self._table.put(key, _written(joined), written_at=now)

    def recall(self, texts: Iterable[str], *, use_case: UseCase, caller: str) -> Labels:
        """Return the joined labels of these texts; untrusted if one of them is not cached."""
        labels = BOTTOM
        for text in texts:
            if text:
                known = self._known(self._hash(text, use_case, caller)) if len(text) <= MOST_CHARS else None
                labels = labels.join(known or _UNTRUSTED)
        return labels

    def remember_thought(self, said: str, shown: str, *, place: str, use_case: UseCase) -> None:
        """Cache a reasoning text's original form (`said`) under its released form (`shown`)."""
        codes = sorted({token[-CODE_SIZE:] for token in TOKEN.findall(said)})
        value = self._hash_thought(said, place, use_case) + "".join(codes).encode()
        if len(value) <= _MOST_BYTES:
            key = self._hash_thought(shown, place, use_case)
            self._table.put(key, value, written_at=int(self._clock.now().timestamp()))

    def recall_thought(self, shown: str, *, place: str, use_case: UseCase) -> RememberedThinking | None:
        """Return the original form of a reasoning text; None if it is not from this place."""
        value = self._table.get(self._hash_thought(shown, place, use_case))
        if value is None:
            return None
        digest, codes = value[:_DIGEST_BYTES], value[_DIGEST_BYTES:].decode()
        return RememberedThinking(
            frozenset(codes[at : at + CODE_SIZE] for at in range(0, len(codes), CODE_SIZE)),
            partial(self._is_thought, digest, place, use_case),
        )

    def _is_thought(self, digest: bytes, place: str, use_case: UseCase, text: str) -> bool:
        return self._hash_thought(text, place, use_case) == digest

    def _known(self, key: bytes) -> Labels | None:
        value = self._table.get(key)
        return None if value is None else _read(value)

    def _hash(self, text: str, use_case: UseCase, caller: str) -> bytes:
        scope = (use_case.tenant, *((use_case.id, caller) if len(text) < _CHANCE_CHARS else ("", "")))
        return _hashed(self._key, *scope, text)

    def _hash_thought(self, text: str, place: str, use_case: UseCase) -> bytes:
        return _hashed(self._thoughts_key, use_case.tenant, use_case.id, place, text)


def _hashed(key: bytes, *fields: str) -> bytes:
    data = "\0".join(fields).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=_DIGEST_BYTES).digest()


@lru_cache(maxsize=1024)  # conversations repeat a few
def _read(value: bytes) -> Labels:
    return interned(parse_labels(value.decode()))


@lru_cache(maxsize=1024)
def _written(labels: Labels) -> bytes:
    """Return labels in the cache's format; unreadable entries flow nowhere until they expire."""
    text = str(labels)
    try:
        is_readable = parse_labels(text).join(Labels(tenant=labels.tenant, as_of=labels.as_of)) == labels
    except Invalid:
        is_readable = False
    return (text if is_readable and len(text) <= _MOST_BYTES else str(_NOWHERE)).encode()
