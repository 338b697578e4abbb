"""Reranking in the common form, for clients and for upstreams: `POST /v1/rerank` and `/v2/rerank`.

Cohere, Jina and vLLM share the form: a query, documents, and the indices of the documents with their
scores. A client that wants the documents back gets its own, whatever the provider returns. An answer
of the provider passes unchanged except for the model's name.

Source: Cohere's API reference, "Rerank" of versions 1 and 2; Jina's API reference, "Reranker"; vLLM's
documentation, "Re-rank API".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import AnswerHeaders, Match, Outgoing, Route
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_calls import read_model
from headgate.wire.openai_chat import kept_headers
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_words import document_of
from headgate.wire.ranking import Rank, RankingTexts, Ranks
from headgate.wire.surrogates import parse_answer
from headgate.wire.token_counts import count_of, object_of

NAME: Final = "rerank"
ANSWER_HEADERS: Final = AnswerHeaders(
    rate_limits=("x-ratelimit-", "x-endpoint-monthly-call-limit", "x-trial-endpoint-call-limit"),
    request_ids=("x-request-id",),
)

_RERANK: Final = Match("rerank")
_MAX_DOCUMENTS: Final = 10_000
_KEYS: Final = frozenset(
    {
        *("model", "query", "documents", "top_n", "return_documents", "rank_fields", "max_chunks_per_doc"),
        *("max_tokens_per_doc", "text", "truncate_prompt_tokens", "user", "priority"),
        *("id", "results", "index", "relevance_score", "document", "meta", "usage", "total_tokens", "prompt_tokens"),
        *("api_version", "version", "billed_units", "search_units", "object", "tokens", "input_tokens"),
    }
)
_REQUEST: Final = Layout(known_keys=_KEYS, fields={"query": "user", "documents": "user"})
_REPLY: Final = Layout(known_keys=_KEYS, fields={"results": "user"})
_CARRIED: Final = frozenset({"model", "query", "documents", "top_n", "return_documents"})


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Result]
    meta: Any = None
    usage: Any = None


class Rerank(OneAnswer):
    """The dialect; implements `WholeDialect`, `RankingClient` and `RankingProvider`."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Reranking as Cohere, Jina and vLLM write it.")
    name = NAME
    plane = OPENAI
    routes = (Route("POST", "/v1/rerank", "rerank"), Route("POST", "/v2/rerank", "rerank"))
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _RERANK) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        document = JsonDocument.parse(body, layout=_REQUEST)
        fields = document.fields()
        model = read_model(fields)
        if not isinstance(fields.get("query"), str):
            raise Invalid("query must be a string", param="query")
        documents: Any = fields.get("documents")
        if not _are_documents(documents):
            told = f"documents must be a list of 1 to {_MAX_DOCUMENTS} strings or objects"
            raise Invalid(told, param="documents")
        top_n = fields.get("top_n")
        if top_n is not None and (not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1):
            raise Invalid("top_n must be a whole number, at least 1", param="top_n")
        if not isinstance(fields.get("return_documents"), bool | None):
            raise Invalid("return_documents must be true or false", param="return_documents")
        return ModelCall(
            wire=NAME, content=document, model=model, operation="rerank", counts=(("searches", searches(documents)),)
        )

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with the deployment's model."""
        return document_of(call.content, _REQUEST).edit_fields({("model",): msgspec.json.encode(outgoing.model)}).raw

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Check an answer.

        Raises:
            Upstream: the answer holds no ranks.
        """
        return read_ranked(body, wire=NAME, headers=headers)

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name, if it has one."""
        document = document_of(reply.content, _REPLY)
        if "model" not in document.fields():
            return document.raw
        return document.edit_fields({("model",): msgspec.json.encode(model)}).raw

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_ranking(self, content: Content) -> RankingTexts:
        """Build the typed form of a request.

        Raises:
            Invalid: a document has no text.
        """
        fields = document_of(content, _REQUEST).fields()
        return RankingTexts(
            cast("str", fields["query"]),
            tuple(_text(one) for one in fields["documents"]),
            fields.get("top_n"),
            tuple(name for name, value in fields.items() if name not in _CARRIED and value is not None),
        )

    def from_ranking(self, texts: RankingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request, without the documents in its answer."""
        said: dict[str, Any] = {"model": outgoing.model, "query": texts.query, "documents": texts.documents}
        if texts.top_n is not None:
            said["top_n"] = texts.top_n
        return msgspec.json.encode(said)

    def to_ranks(self, reply: ModelReply) -> Ranks:
        """Build the typed form of an answer."""
        answer = msgspec.convert(document_of(reply.content, _REPLY).fields(), _Answer)
        return Ranks([Rank(one.index, one.relevance_score) for one in answer.results], reply.usage)

    def from_ranks(self, ranks: Ranks, *, model: str, call: ModelCall) -> bytes:
        """Write the ranks of another wire, the best first, with the client's documents if it wants them back."""
        fields = document_of(call.content, _REQUEST).fields()
        documents: Sequence[Any] = fields["documents"]
        results: list[dict[str, Any]] = []
        best = sorted(ranks.ranks, key=lambda rank: -rank.score)
        for rank in best[: fields.get("top_n") or len(best)]:
            result: dict[str, Any] = {"index": rank.place, "relevance_score": rank.score}
            if fields.get("return_documents") is True and 0 <= rank.place < len(documents):
                given = documents[rank.place]
                result["document"] = {"text": given} if isinstance(given, str) else given
            results.append(result)
        said: dict[str, Any] = {"model": model, "results": results}
        counts = dict(ranks.usage.counts)
        if "searches" in counts:
            said["meta"] = {"api_version": {"version": "2"}, "billed_units": {"search_units": counts["searches"]}}
        if ranks.usage.input_tokens is not None:
            said["usage"] = {"prompt_tokens": ranks.usage.input_tokens, "total_tokens": ranks.usage.input_tokens}
        return msgspec.json.encode(said)


def read_ranked(body: bytes, *, wire: str, headers: Mapping[str, str]) -> ModelReply:
    """Check an answer in the common form.

    Raises:
        Upstream: the answer holds no ranks.
    """
    try:
        document = parse_answer(body, _REPLY)
        answer = msgspec.convert(document.value, _Answer)
    except (Invalid, msgspec.ValidationError) as error:
        raise Upstream("the provider's answer ranks no documents") from error
    billed = object_of(object_of(answer.meta).get("billed_units"))
    units = count_of(billed.get("search_units"))
    tokens = object_of(answer.usage)
    return ModelReply(
        wire=wire,
        content=document,
        usage=Usage(
            input_tokens=count_of(tokens.get("total_tokens")) or count_of(billed.get("input_tokens")),
            output_tokens=0,
            counts=(("searches", units),) if units else (),
        ),
        stop_reason="stop",
        headers=kept_headers(headers),
    )


def searches(documents: Sequence[Any]) -> int:
    """Return the searches that Cohere bills: one for each hundred documents that have begun."""
    return -(-len(documents) // 100)


def _are_documents(value: Any) -> bool:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return 0 < len(items) <= _MAX_DOCUMENTS and all(isinstance(one, str | dict) for one in items)


def _text(document: Any) -> str:
    """Return the text of a document.

    Raises:
        Invalid: the document is an object without a text.
    """
    text = document if isinstance(document, str) else object_of(document).get("text")
    if not isinstance(text, str):
        raise Invalid("documents: this model takes strings, or objects with a text", param="documents")
    return text


dialect: Final = Rerank()
"""The dialect of reranking."""
