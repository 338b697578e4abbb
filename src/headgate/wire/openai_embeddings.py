"""OpenAI's embeddings, for clients and upstreams: `POST /v1/embeddings`.

A request keeps its bytes, except for the model's name and an `encoding_format` of null. The
dialect removes that null, because some servers refuse it. A token array has no strings to scan, so
its content is opaque, and guard labels it `unscanned`. Answers pass unchanged except for the
model's name.

Source: schema `CreateEmbeddingRequest` of OpenAI's API document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Never, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import EventReader, EventWriter, Match, Outgoing, Route, WholeDialect
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.json_edits import Path, replace_text
from headgate.wire.model_call import ModelCall, ModelReply, Usage
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


class OpenAiEmbeddings:
    """The dialect; implements `WholeDialect`. It has no streams and no typed form."""

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

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Refuse: embeddings call no tools."""
        _refuse()

    def read_events(self) -> EventReader:
        """Refuse: the wire has no streams."""
        _refuse()

    def replay(self, body: bytes) -> bytes:
        """Refuse: the wire has no streams."""
        _refuse()

    def assembler(self) -> None:
        """Return None: the wire has no streams."""

    def write_events(self, call: ModelCall, *, created: int = 0) -> EventWriter:
        """Refuse: the wire has no streams."""
        _refuse()

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_conversation(self, content: Content) -> Conversation:
        """Refuse: embeddings are no conversation."""
        _refuse()

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Refuse: embeddings are no conversation."""
        _refuse()

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Refuse: embeddings are no conversation."""
        _refuse()

    def to_reply(self, reply: ModelReply) -> Reply:
        """Refuse: embeddings are no conversation."""
        _refuse()

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Refuse: embeddings are no conversation."""
        _refuse()


def _refuse() -> Never:
    raise Invalid("embeddings are neither streamed nor turned into another wire's requests")


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


def _has_tokens(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value[0], str)


def _is_tokens(value: object) -> bool:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(items) and all(_is_integer(item) for item in items)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


dialect: Final[WholeDialect] = OpenAiEmbeddings()
"""The dialect of embeddings."""
