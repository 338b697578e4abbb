"""Cohere's reranking, version 2, for providers. It takes strings only, and returns no documents.

Source: Cohere's API reference, "Rerank", version 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.kernel.errors import Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import Outgoing
from headgate.wire.model_call import ModelReply
from headgate.wire.one_answer import OneAnswerOfProvider
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.ranking import RankingTexts, Ranks
from headgate.wire.rerank import ANSWER_HEADERS, read_ranked
from headgate.wire.rerank import dialect as rerank

NAME: Final = "cohere_rerank"


class CohereRerank(OneAnswerOfProvider):
    """The dialect; implements `ProviderDialect` and `RankingProvider`."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Reranking of Cohere's platform, version 2.")
    name = NAME
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Check an answer."""
        return read_ranked(body, wire=NAME, headers=headers)

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def from_ranking(self, texts: RankingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request."""
        return rerank.from_ranking(texts, outgoing)

    def to_ranks(self, reply: ModelReply) -> Ranks:
        """Build the typed form of an answer."""
        return rerank.to_ranks(reply)


dialect: Final = CohereRerank()
"""The dialect of Cohere's reranking."""
