"""The typed form of reranking, built only to translate between wire formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from headgate.kernel.content import Content
from headgate.wire.dialect import Outgoing
from headgate.wire.model_call import ModelCall, ModelReply, Usage


class RankingTexts(NamedTuple):
    """A request to rank documents by their relevance to a query.

    Args:
        top_n: the number of documents in the answer, or None for all.
        dropped: the names of the fields that the typed form does not carry.
    """

    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    dropped: tuple[str, ...] = ()


class Rank(NamedTuple):
    """The relevance of one document: its place in the request, and its score."""

    place: int
    score: float


class Ranks(NamedTuple):
    """The documents of an answer, the most relevant one first."""

    ranks: Sequence[Rank]
    usage: Usage


class RankingClient(Protocol):
    """The methods of a dialect for clients whose rankings cross wires."""

    def to_ranking(self, content: Content) -> RankingTexts:
        """Build the typed form of a request.

        Raises:
            Invalid: a document has no text.
        """
        ...

    def from_ranks(self, ranks: Ranks, *, model: str, call: ModelCall) -> bytes:
        """Write the ranks of another wire as an answer for the client that sent `call`."""
        ...


class RankingProvider(Protocol):
    """The methods of a dialect for providers whose rankings cross wires."""

    def from_ranking(self, texts: RankingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        ...

    def to_ranks(self, reply: ModelReply) -> Ranks:
        """Build the typed form of an answer of this wire."""
        ...
