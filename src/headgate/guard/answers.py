"""What answers were labelled, for clients that keep no state here and send their conversation back each time.

An answer's text is remembered as a keyed hash with the labels it was released under; where a client sends the text back
as the assistant's, it has these labels again. Text that is not remembered may have been written by anyone: it is
untrusted. Decision 0005 says where the memory lies and how long it lasts.

Thoughts that their provider signs go back to it as it gave them, or they are refused. So it is remembered, for the
place that they came from alone, how they were before values were restored in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

from headgate.guard.pseudonyms import CODE_SIZE, TOKEN
from headgate.kernel.errors import Invalid
from headgate.kernel.hashing import same
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import BOTTOM, EMPTY, Integrity, Labels, parse_labels
from headgate.kernel.ports import Clock

MOST_CHARS = 1 << 20
"""Longer answers are not remembered; sent back, they are untrusted."""

_CHANCE_CHARS = 64
"""Shorter texts are said by chance: they are remembered for their own use case only."""

_UNTRUSTED = Labels(integrity=Integrity.UNTRUSTED)
_NOWHERE = Labels(regions=EMPTY)
_MOST_BYTES = 474
_DIGEST_BYTES = 16


class Table(Protocol):
    """Where hashes lie with what they stand for; bounded, and free to forget."""

    def get(self, key: bytes) -> bytes | None:
        """Return a value, or None."""
        ...

    def put(self, key: bytes, value: bytes, *, written_at: int) -> None:
        """Keep a value of at most 474 bytes, in place of an older one."""
        ...


class Thought(NamedTuple):
    """What is known of a thought as a client got it.

    Args:
        codes: the ends of the tokens that stood in it where it came from.
        is_said: tells whether a text is, to the letter, what came from there.
    """

    codes: frozenset[str]
    is_said: Callable[[str], bool]


class AnswerMemory:
    """Remembers what answers were labelled.

    Args:
        key: of the hashes, at least 32 random bytes; the same in all workers.
    """

    def __init__(self, table: Table, *, key: bytes, clock: Clock) -> None:
        self._table = table
        self._key = hashlib.blake2b(key, digest_size=32, person=b"hg-answers").digest()
        self._thoughts_key = hashlib.blake2b(key, digest_size=32, person=b"hg-thoughts").digest()
        self._clock = clock

    def remember(self, texts: Iterable[str], labels: Labels, *, use_case: UseCase) -> None:
        """Remember texts that were released under these labels; what they were labelled before is joined."""
        now = int(self._clock.now().timestamp())
        for text in texts:
            if text and len(text) <= MOST_CHARS:
                key = self._hash(text, use_case)
                known = self._known(key)
                joined = labels if known is None else known.join(labels)
                self._table.put(key, _written(joined), written_at=now)

    def recall(self, texts: Iterable[str], *, use_case: UseCase) -> Labels:
        """Return the labels that these texts have had, joined; untrusted where one of them is not known."""
        labels = BOTTOM
        for text in texts:
            if text:
                known = self._known(self._hash(text, use_case)) if len(text) <= MOST_CHARS else None
                labels = labels.join(known or _UNTRUSTED)
        return labels

    def remember_thought(self, said: str, shown: str, *, place: str, use_case: UseCase) -> None:
        """Remember that a place said this, and that a client was shown it like that."""
        codes = sorted({token[-CODE_SIZE:] for token in TOKEN.findall(said)})
        value = self._hash_thought(said, place, use_case) + "".join(codes).encode()
        if len(value) <= _MOST_BYTES:
            key = self._hash_thought(shown, place, use_case)
            self._table.put(key, value, written_at=int(self._clock.now().timestamp()))

    def recall_thought(self, shown: str, *, place: str, use_case: UseCase) -> Thought | None:
        """Return what is known of a thought as a client sends it back to the place; None where it is not from there."""
        value = self._table.get(self._hash_thought(shown, place, use_case))
        if value is None:
            return None
        digest, codes = value[:_DIGEST_BYTES], value[_DIGEST_BYTES:].decode()
        return Thought(
            frozenset(codes[at : at + CODE_SIZE] for at in range(0, len(codes), CODE_SIZE)),
            partial(self._is_thought, digest, place, use_case),
        )

    def _is_thought(self, digest: bytes, place: str, use_case: UseCase, text: str) -> bool:
        return self._hash_thought(text, place, use_case) == digest

    def _known(self, key: bytes) -> Labels | None:
        value = self._table.get(key)
        return None if value is None else _read(value)

    def _hash(self, text: str, use_case: UseCase) -> bytes:
        scope = (use_case.tenant, use_case.id if len(text) < _CHANCE_CHARS else "")
        return _hashed(self._key, *scope, text)

    def _hash_thought(self, text: str, place: str, use_case: UseCase) -> bytes:
        return _hashed(self._thoughts_key, use_case.tenant, use_case.id, place, text)


def _hashed(key: bytes, *fields: str) -> bytes:
    data = "\0".join(fields).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=_DIGEST_BYTES).digest()


@lru_cache(maxsize=1024)  # conversations repeat a few
def _read(value: bytes) -> Labels:
    return same(parse_labels(value.decode()))


@lru_cache(maxsize=1024)
def _written(labels: Labels) -> bytes:
    """Return labels as they are kept; what cannot be read back flows nowhere until it is forgotten."""
    text = str(labels)
    try:
        is_readable = parse_labels(text).join(Labels(tenant=labels.tenant, as_of=labels.as_of)) == labels
    except Invalid:
        is_readable = False
    return (text if is_readable and len(text) <= _MOST_BYTES else str(_NOWHERE)).encode()
