"""The index port: passages are found by their words and their meaning, under the access of the asker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage as it enters the index.

    Args:
        number: its place in the document, from 0.
        scope: who may read it; of `Index.scope_of`.
        body: its text and place, sealed.
        words: its length in terms.
        terms: keyed hashes with their counts.
        vector: of unit length; None where the embedder did not answer.
    """

    number: int
    scope: int
    body: bytes = field(repr=False)
    words: int
    terms: Mapping[int, int] = field(repr=False)
    vector: Vector | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """Equal readers and labels in a collection.

    Args:
        readers: sorted ids of principals, `group:NAME`, or `*` for every reader of the collection.
    """

    id: int
    collection: str
    readers: Sequence[str]
    labels: str


@dataclass(frozen=True, slots=True)
class Query:
    """A search. Without terms or without a vector, the other leg ranks alone.

    Args:
        scopes: those that the asker may read. Nothing outside them counts in any way.
        limit: the most passages to return.
        documents: those to search; None for all. Nothing outside them counts either.
    """

    terms: Mapping[int, int] = field(repr=False)
    vector: Vector | None = field(repr=False)
    scopes: Sequence[int]
    limit: int
    documents: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found. A rank counts from 1, and is None where that leg did not find it."""

    passage: int
    document: str
    number: int
    word_rank: int | None
    meaning_rank: int | None
    score: float


@dataclass(frozen=True, slots=True)
class OpenedPassage:
    """A passage with its sealed body."""

    passage: int
    document: str
    number: int
    scope: int
    body: bytes = field(repr=False)


class Index(Protocol):
    """Passages of all documents of a tenant. Every call is part of the caller's transaction."""

    async def put(
        self, tx: Transaction, document: str, passages: Sequence[IndexedPassage], *, tenant: TenantId
    ) -> None:
        """Replace all passages of a document. The deletion of the document deletes them."""
        ...

    async def scope_of(
        self, tx: Transaction, collection: str, *, readers: Sequence[str], labels: str, tenant: TenantId
    ) -> int:
        """Return the id of a scope, which is made if it is new. It stays until the transaction ends."""
        ...

    async def scopes(self, tx: Transaction, collections: Sequence[str], *, tenant: TenantId) -> list[Scope]:
        """Return all scopes of some collections."""
        ...

    async def move(self, tx: Transaction, document: str, scopes: Mapping[int, int], *, tenant: TenantId) -> None:
        """Give the passages of a document other scopes: a new one for each old one."""
        ...

    async def forget_unused_scopes(self, tx: Transaction, *, tenant: TenantId) -> int:
        """Delete scopes without passages; return their number.

        Raises:
            Conflict: another transaction began to use one of them.
        """
        ...

    async def search(self, tx: Transaction, query: Query, *, tenant: TenantId) -> list[Found]:
        """Return the best passages, the best first."""
        ...

    async def open(
        self, tx: Transaction, passages: Sequence[int], scopes: Sequence[int], *, tenant: TenantId
    ) -> list[OpenedPassage]:
        """Return the bodies of those passages that exist and are in these scopes now, in one snapshot."""
        ...
