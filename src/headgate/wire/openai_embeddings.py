"""OpenAI's embeddings, for clients and upstreams: `POST /v1/embeddings`.

A request keeps its bytes, except for the model's name and an `encoding_format` of null. The
dialect removes that null, because some servers refuse it. A token array has no strings to scan, so
its content is opaque, and guard labels it `unscanned`. Answers pass unchanged except for the
model's name.

Source: schema `CreateEmbeddingRequest` of OpenAI's API document.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import Match, Outgoing, Route, WholeDialect
from headgate.wire.embedding import EmbeddingTexts, Vectors
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.json_edits import Path, replace_text
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_calls import read_model
from headgate.wire.openai_chat import ANSWER_HEADERS, kept_headers
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_words import document_of, tokens_from
from headgate.wire.token_counts import leniently_decoded

NAME: Final = "openai_embeddings"

_EMBED: Final = Match("embed")
_MAX_INPUTS: Final = 2048
_KEYS: Final = frozenset({"model", "input", "encoding_format", "dimensions", "user", "truncate_prompt_tokens"})
_REQUEST: Final = Layout(known_keys=_KEYS, fields={"input": "user"})


class _Embeddings(msgspec.Struct):
    """The checked fields of an answer; the vectors stay undecoded."""

    data: list[msgspec.Raw]
    usage: msgspec.Raw = msgspec.Raw(b"null")
    model: str | None = None


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _VectorsAnswer(msgspec.Struct):
    data: list[_Vector]


class EmbeddingsReply(Content):
    """An answer's bytes as content; vectors hold no text, so it has no segments."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def segments(self) -> tuple[()]:
        """Return nothing."""
        return ()

    def surface(self) -> bytes:
        """Return nothing."""
        return b""

    def edit(self, texts: Mapping[int, str]) -> EmbeddingsReply:
        """Return the answer unchanged.

        Raises:
            IndexError: `texts` is not empty; an answer has no segments.
        """
        if texts:
            raise IndexError("an answer of embeddings has no segments")
        return self

    def to_bytes(self) -> bytes:
        """Return the original bytes."""
        return self.raw


class OpenAiEmbeddings(OneAnswer):
    """The dialect; implements `WholeDialect` and `EmbeddingCrossing`. It has no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Embeddings of OpenAI and of every server that speaks them.")
    name = NAME
    plane = OPENAI
    routes = (Route("POST", "/v1/embeddings", "embed"),)
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _EMBED) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        document = JsonDocument.parse(body, layout=_REQUEST)
        fields = document.fields()
        model = read_model(fields)
        _check_input(fields.get("input"))
        dimensions = fields.get("dimensions")
        if dimensions is not None and (not _is_integer(dimensions) or dimensions < 1):
            raise Invalid("dimensions must be a whole number, at least 1", param="dimensions")
        if fields.get("encoding_format") not in (None, "float", "base64"):
            raise Invalid("encoding_format must be float or base64", param="encoding_format")
        content = document.opaque() if _has_tokens(fields["input"]) else document
        return ModelCall(wire=NAME, content=content, model=model, operation="embed")

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with the deployment's model."""
        document = document_of(call.content, _REQUEST)
        edits: dict[Path, bytes | None] = {("model",): msgspec.json.encode(outgoing.model)}
        if document.fields().get("encoding_format", "") is None:
            edits["encoding_format",] = None
        return document.edit_fields(edits).raw

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Check an answer without decoding its vectors.

        Raises:
            Upstream: the answer holds no embeddings.
        """
        try:
            answer = msgspec.json.decode(body, type=_Embeddings)
            tokens = tokens_from(leniently_decoded(bytes(answer.usage)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Upstream("the provider's answer holds no embeddings") from error
        return ModelReply(
            wire=NAME,
            content=EmbeddingsReply(body),
            usage=Usage(input_tokens=tokens.prompt_tokens or tokens.total_tokens, output_tokens=0),
            stop_reason="stop",
            headers=kept_headers(headers),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name."""
        raw = reply.content.to_bytes()
        name = msgspec.json.decode(raw, type=_Embeddings).model
        return replace_text(raw, ("model",), old=name or "", new=msgspec.json.encode(model))

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_texts(self, content: Content) -> EmbeddingTexts:
        """Build the typed form of a request.

        Raises:
            Invalid: the input is token ids, which only models with the same tokens understand.
        """
        fields = document_of(content, _REQUEST).fields()
        if _has_tokens(given := fields["input"]):
            raise Invalid("input: token ids cannot be sent to this model; send the text", param="input")
        texts = (given,) if isinstance(given, str) else tuple(cast("list[str]", given))
        dropped = tuple(name for name in ("user", "truncate_prompt_tokens") if fields.get(name) is not None)
        return EmbeddingTexts(texts, fields.get("dimensions"), dropped=dropped)

    def from_texts(self, texts: EmbeddingTexts, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request."""
        said: dict[str, Any] = {"model": outgoing.model, "input": texts.texts, "encoding_format": "float"}
        if texts.dimensions is not None:
            said["dimensions"] = texts.dimensions
        return msgspec.json.encode(said)

    def unsaid_of_texts(self, texts: EmbeddingTexts) -> tuple[str, ...]:
        """Return the name of the field that `from_texts` leaves out."""
        return ("task",) if texts.task is not None else ()

    def to_vectors(self, reply: ModelReply) -> Vectors:
        """Build the typed form of an answer."""
        try:
            answer = msgspec.json.decode(reply.content.to_bytes(), type=_VectorsAnswer)
        except msgspec.DecodeError as error:
            raise Upstream("the provider's answer holds no embeddings", retryable=False) from error
        ordered = sorted(answer.data, key=lambda one: one.index)
        return Vectors([one.embedding for one in ordered], reply.usage)

    def from_vectors(self, vectors: Vectors, *, model: str, call: ModelCall) -> bytes:
        """Write the vectors of another wire, as numbers or as base64, as the client asked."""
        is_packed = document_of(call.content, _REQUEST).fields().get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(one) if is_packed else one}
            for index, one in enumerate(vectors.vectors)
        ]
        sent = vectors.usage.input_tokens or 0
        usage = {"prompt_tokens": sent, "total_tokens": sent}
        return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def _check_input(value: Any) -> None:
    """Accept a string, a list of strings, a list of tokens, or a list of lists of tokens."""
    if isinstance(value, str):
        return
    items = cast("list[Any]", value) if isinstance(value, list) else []
    if not items:
        raise Invalid("input must be a string, or a list of strings or of tokens", param="input")
    if all(isinstance(item, str) for item in items) or all(_is_tokens(item) for item in items):
        if len(items) > _MAX_INPUTS:
            raise Invalid(f"input must have at most {_MAX_INPUTS} items", param="input")
        return
    if not _is_tokens(items):
        raise Invalid("input must be a string, or a list of strings or of tokens", param="input")


def _packed(vector: Sequence[float]) -> str:
    """Return a vector as base64 of little-endian floats of 32 bits."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _has_tokens(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value[0], str)


def _is_tokens(value: object) -> bool:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(items) and all(_is_integer(item) for item in items)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


dialect: Final[WholeDialect] = OpenAiEmbeddings()
"""The dialect of embeddings."""
