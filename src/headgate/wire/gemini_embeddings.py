"""Gemini's embeddings, for clients and upstreams: `embedContent` and `batchEmbedContents`.

Calls of one text and of several have answers of two forms. The gateway always asks a provider for
several, so a call crosses even between clients and providers of this wire.

Source: Google's reference of the Generative Language API, "Embeddings".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import Match, Outgoing
from headgate.wire.embedding import EmbeddingTexts, Vectors
from headgate.wire.gemini import ANSWER_HEADERS, routes_of
from headgate.wire.gemini_calls import model_of
from headgate.wire.gemini_errors import read_upstream_error
from headgate.wire.gemini_forms import canonical
from headgate.wire.gemini_plane import GEMINI
from headgate.wire.gemini_words import EMBEDDING, document_of
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_embeddings import EmbeddingsReply
from headgate.wire.token_counts import count_of, object_of
from headgate.wire.tool_names import objects_in

NAME: Final = "gemini_embeddings"

_EMBED: Final = Match("embed")
_MAX_INPUTS: Final = 2048


class _Vector(msgspec.Struct):
    values: list[float]


class _Answer(msgspec.Struct, rename="camel"):
    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None
    usage_metadata: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class GeminiEmbeddings(OneAnswer):
    """The dialect; implements both ends and `EmbeddingCrossing`. It has no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Embeddings of Google, and of every server that speaks its wire.")
    name = NAME
    plane = GEMINI
    routes = (*routes_of("embedContent", "embed"), *routes_of("batchEmbedContents", "embed"))
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _EMBED) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        document = canonical(body, EMBEDDING)
        fields = document.fields()
        if len(requests := _requests(fields)) > _MAX_INPUTS:
            raise Invalid(f"requests must have at most {_MAX_INPUTS} items", param="requests")
        for one in requests:
            _text(one)
        model = model_of(match, fields)
        named = document.edit_fields({("model",): msgspec.json.encode(model)})
        return ModelCall(wire=NAME, content=named, model=model, operation="embed")

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode an answer.

        Raises:
            Upstream: the answer holds no embeddings.
        """
        answer = _answer(body)
        tokens = count_of(object_of(answer.usage_metadata).get("promptTokenCount"))
        return ModelReply(
            wire=NAME,
            content=EmbeddingsReply(body),
            usage=Usage(input_tokens=tokens, output_tokens=0),
            stop_reason="stop",
            headers=tuple((name, headers[name]) for name in headers if name.startswith(ANSWER_HEADERS.told)),
        )

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_texts(self, content: Content) -> EmbeddingTexts:
        """Build the typed form of a request; the first text decides the fields of all."""
        requests = _requests(document_of(content, EMBEDDING).fields())
        first = requests[0]
        dropped = tuple(name for name in first if name not in ("model", "content", "taskType", "outputDimensionality"))
        task = first.get("taskType")
        return EmbeddingTexts(
            tuple(_text(one) for one in requests),
            count_of(first.get("outputDimensionality")),
            task=task if isinstance(task, str) else None,
            dropped=dropped,
        )

    def from_texts(self, texts: EmbeddingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of several texts."""
        shared: dict[str, Any] = {"model": f"models/{outgoing.model.removeprefix('models/')}"}
        if texts.task is not None:
            shared["taskType"] = texts.task
        if texts.dimensions is not None:
            shared["outputDimensionality"] = texts.dimensions
        requests = [{**shared, "content": {"parts": [{"text": text}]}} for text in texts.texts]
        return msgspec.json.encode({"requests": requests})

    def unsaid_of_texts(self, texts: EmbeddingTexts) -> tuple[str, ...]:
        """Return nothing: the wire has every field."""
        return ()

    def to_vectors(self, reply: ModelReply) -> Vectors:
        """Build the typed form of an answer."""
        answer = _answer(reply.content.to_bytes())
        given = answer.embeddings if answer.embedding is None else [answer.embedding]
        return Vectors([one.values for one in given or ()], reply.usage)

    def from_vectors(self, vectors: Vectors, *, model: str, call: ModelCall) -> bytes:
        """Write the vectors in the form of the client's method."""
        made = [{"values": one} for one in vectors.vectors]
        is_batch = "requests" in document_of(call.content, EMBEDDING).fields()
        said: dict[str, Any] = {"embeddings": made} if is_batch else {"embedding": made[0] if made else {}}
        if vectors.usage.input_tokens is not None:
            said["usageMetadata"] = {"promptTokenCount": vectors.usage.input_tokens}
        return msgspec.json.encode(said)


def _answer(body: bytes) -> _Answer:
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Upstream("the provider's answer holds no embeddings", retryable=False) from error
    if answer.embedding is None and answer.embeddings is None:
        raise Upstream("the provider's answer holds no embeddings", retryable=False)
    return answer


def _requests(fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the requests of one text each.

    Raises:
        Invalid: the body has neither `requests` nor `content`.
    """
    given = fields.get("requests", [fields])
    requests = cast("list[Any]", given) if isinstance(given, list) else []
    found = [one for _, one in objects_in(requests)]
    if not found or len(found) < len(requests):
        raise Invalid("requests must be a list of at least one object", param="requests")
    return found


def _text(request: Mapping[str, Any]) -> str:
    """Return the text of a request.

    Raises:
        Invalid: the content has a part other than text, or none.
    """
    parts = objects_in(object_of(request.get("content")).get("parts"))
    texts: list[Any] = [part.get("text") for _, part in parts]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Invalid("content must have parts with text only", param="content")
    return "".join(texts)


dialect: Final = GeminiEmbeddings()
"""The dialect of embeddings."""
