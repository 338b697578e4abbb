"""Gemini's API, for clients and for upstreams: `generateContent`, its streams and `countTokens`.

The path names the model. The dialect assumes nothing about the host, so it also serves Vertex AI.

- `gemini_forms` brings requests into one form. `gemini_calls` checks and edits them, and lists the
  quirks of deployments.
- `gemini_provider_stream` and `gemini_client_stream` hold the streams.
- `gemini_errors` holds the errors.
- `gemini_decoding` and `gemini_encoding` hold the typed form.

Source: Google's reference of the Generative Language API, v1beta; the `google-genai` SDK 3.x.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.anthropic_words import estimated_tokens
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import AnswerHeaders, Match, Outgoing, Route, WholeDialect
from headgate.wire.gemini_calls import QUIRKS, counted, read_chat_call, write_chat_call
from headgate.wire.gemini_client_stream import GeminiWriter, has_thoughts
from headgate.wire.gemini_decoding import read_answer, read_conversation
from headgate.wire.gemini_encoding import unsaid, write_answer, write_request
from headgate.wire.gemini_errors import read_error_event, read_upstream_error
from headgate.wire.gemini_plane import GEMINI
from headgate.wire.gemini_provider_stream import GeminiReader
from headgate.wire.gemini_words import ANSWER, NAME, REQUEST, document_of, stop_reason_of, usage_from
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall, ModelReply, Operation, StopReason, Usage
from headgate.wire.sse import frame
from headgate.wire.surrogates import parse_answer
from headgate.wire.token_counts import count_of, object_of
from headgate.wire.tool_names import objects_in, with_names

MODEL_PATHS: Final = ("/v1beta/models/", "/v1/models/", "/v1beta/tunedModels/")
"""The beginnings of paths that name a model."""

ANSWER_HEADERS: Final = AnswerHeaders(request_ids=("x-request-id", "request-id"))

_CHAT: Final = Match("chat")


def routes_of(method: str, operation: Operation, *, stream: bool | None = None) -> tuple[Route, ...]:
    """Return the routes of a method of the API."""
    return tuple(Route("POST", f"{path}{{model}}:{method}", operation, stream) for path in MODEL_PATHS)


class Gemini:
    """The dialect; implements `WholeDialect`."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "The Gemini API of Google, and of every server that speaks it.")
    name = NAME
    plane = GEMINI
    routes = (
        *routes_of("generateContent", "chat", stream=False),
        *routes_of("streamGenerateContent", "chat", stream=True),
        *routes_of("countTokens", "count_tokens"),
    )
    quirks = QUIRKS
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _CHAT) -> ModelCall:
        """Decode and check a client's request."""
        return read_chat_call(body, match=match, query=match.query)

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with surgical edits."""
        return write_chat_call(call, outgoing)

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer: candidates, the block of a prompt, or a token count.

        Raises:
            Upstream: the answer is none of them.
        """
        try:
            document = parse_answer(body, ANSWER)
            fields = document.fields()
        except Invalid as error:
            raise Upstream("the provider's answer is not of Gemini's form") from error
        if fields.get("error"):
            raise read_error_event(body)
        usage, reason = Usage(input_tokens=0, output_tokens=0), _stop_reason(fields)
        if reason is None and count_of(fields.get("totalTokens")) is None:
            raise Upstream("the provider's answer has no candidates")
        if reason is not None:
            usage = usage_from(fields.get("usageMetadata"))
        return ModelReply(
            wire=NAME,
            content=document,
            usage=usage,
            stop_reason=reason or "stop",
            headers=tuple((name, headers[name]) for name in headers if name.startswith(ANSWER_HEADERS.told)),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name."""
        document = document_of(reply.content, ANSWER)
        if "modelVersion" not in document.fields():
            return document.raw
        return document.replace(("modelVersion",), msgspec.json.encode(model)).raw

    def estimated_count(self, call: ModelCall) -> ModelReply:
        """Return an estimated count over every string, tool and image; it is free of charge."""
        return self.read_reply(self.count_reply(estimated_tokens(call.content)), headers={})

    def write_count(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request for a token count."""
        return counted(JsonDocument(write_request(conversation, outgoing)), outgoing)

    def count_in(self, reply: ModelReply) -> int:
        """Return the number of tokens in an answer."""
        return count_of(document_of(reply.content, ANSWER).fields().get("totalTokens")) or 0

    def count_reply(self, tokens: int) -> bytes:
        """Write a token count of another wire."""
        return msgspec.json.encode({"totalTokens": tokens})

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with the called functions renamed."""
        document = document_of(reply.content, ANSWER)
        return with_names(reply, document, _called_in(document.fields()), names)

    def read_events(self) -> GeminiReader:
        """Return a decoder for one stream."""
        return GeminiReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as a stream: a whole answer is also an event."""
        self.read_reply(body, headers={})
        return frame(body)

    def assembler(self) -> None:
        """Return None: whole answers of this wire may be as long as streams."""

    def write_events(self, call: ModelCall, *, created: int = 0) -> GeminiWriter:
        """Return an encoder for the client that sent `call`; this wire carries no time."""
        return GeminiWriter(call)

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request.

        Raises:
            Invalid: the request has a part that no other provider can use.
        """
        return read_conversation(document_of(content, REQUEST))

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        return write_request(conversation, outgoing)

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return the names of our fields that `from_conversation` leaves out."""
        return unsaid(conversation, outgoing)

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer of this wire."""
        return read_answer(reply, document_of(reply.content, ANSWER))

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as one of this; with thoughts if the client asked for them."""
        return write_answer(reply, model=model, has_thoughts=call is not None and has_thoughts(call))


def _stop_reason(fields: Mapping[str, Any]) -> StopReason | None:
    """Return the stop reason of a whole answer; None for an answer without candidates."""
    candidates = objects_in(fields.get("candidates"))
    if not candidates:
        return "content_filter" if object_of(fields.get("promptFeedback")).get("blockReason") else None
    _, first = candidates[0]
    parts = objects_in(object_of(first.get("content")).get("parts"))
    return stop_reason_of(first.get("finishReason"), has_called=any("functionCall" in part for _, part in parts))


def _called_in(fields: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the name of each called function in a whole answer."""
    for place, candidate in objects_in(fields.get("candidates")):
        for number, part in objects_in(object_of(candidate.get("content")).get("parts")):
            if "functionCall" in part:
                name = object_of(part["functionCall"]).get("name")
                yield ("candidates", place, "content", "parts", number, "functionCall", "name"), str(name)


dialect: Final[WholeDialect] = Gemini()
"""The dialect of chats and of token counts."""
