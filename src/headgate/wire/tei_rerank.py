"""Reranking of Hugging Face's Text Embeddings Inference, for providers: `POST /rerank`.

A server has one model, and its answer is a list of indices with scores. It returns all documents, so
the gateway leaves out those beyond the client's `top_n`.

Source: the OpenAPI document of Text Embeddings Inference, `RerankRequest` and `Rank`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import AnswerHeaders, Outgoing
from headgate.wire.json_document import PLAIN
from headgate.wire.model_call import ModelReply
from headgate.wire.one_answer import OneAnswerOfProvider
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.ranking import Rank, RankingTexts, Ranks
from headgate.wire.surrogates import parse_answer

NAME: Final = "tei_rerank"


class _Rank(msgspec.Struct):
    index: int
    score: float


class TeiRerank(OneAnswerOfProvider):
    """The dialect; implements `ProviderDialect` and `RankingProvider`."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Reranking of Text Embeddings Inference.")
    name = NAME
    quirks = EMPTY
    answer_headers = AnswerHeaders(request_ids=("x-request-id",))

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Check an answer.

        Raises:
            Upstream: the answer holds no ranks.
        """
        try:
            document = parse_answer(body, PLAIN)
            msgspec.convert(document.value, list[_Rank])
        except (Invalid, msgspec.ValidationError) as error:
            raise Upstream("the provider's answer ranks no documents") from error
        return ModelReply(NAME, document, stop_reason="stop")

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def from_ranking(self, texts: RankingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request; the server has one model, so the request names none."""
        return msgspec.json.encode({"query": texts.query, "texts": texts.documents, "truncate": True})

    def to_ranks(self, reply: ModelReply) -> Ranks:
        """Build the typed form of an answer."""
        ranks = msgspec.json.decode(reply.content.to_bytes(), type=list[_Rank])
        return Ranks([Rank(one.index, one.score) for one in ranks], reply.usage)


dialect: Final = TeiRerank()
"""The dialect of this server's reranking."""
