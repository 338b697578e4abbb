"""Moderations of OpenAI, and reranking of Cohere, Jina, vLLM and Text Embeddings Inference.

Source: the providers' API references.
"""

from __future__ import annotations

from typing import Any, cast

from headgate.testing.simulator.answer import Answer, Refused, dump
from headgate.testing.simulator.openai_wire import demand
from headgate.testing.simulator.script import Failure, Script

_CATEGORIES = ("harassment", "hate", "self-harm", "sexual", "violence")


def moderations(request: dict[str, Any]) -> Answer:
    """Return moderations: a text is flagged as violence if it has the word."""
    demand(request, "input")
    given: Any = request["input"]
    texts = cast("list[Any]", given) if isinstance(given, list) else [given]
    results = [_result(str(one)) for one in texts]
    return Answer(body=dump({"id": "modr-1", "model": request.get("model"), "results": results}))


def rerank(request: dict[str, Any], script: Script, *, path: str) -> Answer:
    """Return ranks: a document scores by the words that it shares with the query."""
    if path == "/rerank":
        demand(request, "query", "texts")
        return Answer(body=dump([{"index": at, "score": score} for at, score in _ranks(request, request["texts"])]))
    demand(request, "model", "query", "documents")
    documents: list[Any] = request["documents"]
    if path.startswith("/v2/") and (
        "return_documents" in request or not all(isinstance(one, str) for one in documents)
    ):
        raise Refused(Failure(400, "unknown field: parameter 'return_documents' is not a valid field"))
    ranks = _ranks(request, [one if isinstance(one, str) else one["text"] for one in documents])
    results = [
        {"index": at, "relevance_score": score, **_document(documents[at], request)}
        for at, score in ranks[: request.get("top_n") or len(ranks)]
    ]
    if path.startswith("/v2/"):
        meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
        return Answer(body=dump({"id": "rank-1", "results": results, "meta": meta}))
    usage = {} if script.tokens is None else {"usage": {"total_tokens": script.tokens.prompt}}
    return Answer(body=dump({"model": request["model"], "results": results, **usage}))


def _ranks(request: dict[str, Any], texts: list[str]) -> list[tuple[int, float]]:
    asked = set(str(request["query"]).lower().split())
    scores = [len(asked & set(text.lower().split())) / (len(asked) or 1) for text in texts]
    return sorted(enumerate(scores), key=lambda one: -one[1])


def _document(document: Any, request: dict[str, Any]) -> dict[str, Any]:
    if not request.get("return_documents"):
        return {}
    return {"document": {"text": document} if isinstance(document, str) else document}


def _result(text: str) -> dict[str, Any]:
    flagged = "violence" in text.lower()
    return {
        "flagged": flagged,
        "categories": {name: flagged and name == "violence" for name in _CATEGORIES},
        "category_scores": {name: 0.93 if flagged and name == "violence" else 0.0001 for name in _CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
