"""OpenAI's Chat Completions, for clients and for upstreams: `POST /v1/chat/completions`.

- `openai_calls` checks and edits requests, and lists the quirks of deployments.
- `openai_provider_stream` and `openai_client_stream` hold the streams.
- `openai_errors` holds the errors.
- `openai_decoding` and `openai_encoding` hold the typed form.

Source: OpenAI's published API document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import AnswerHeaders, Match, Outgoing, Route, WholeDialect
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall, ModelReply
from headgate.wire.openai_calls import QUIRKS, is_legacy, read_chat_call, write_chat_call
from headgate.wire.openai_client_stream import OpenAiChatWriter
from headgate.wire.openai_decoding import read_answer, read_conversation
from headgate.wire.openai_encoding import unsaid, write_answer, write_request
from headgate.wire.openai_errors import read_error_event, read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_provider_stream import OpenAiChatReader
from headgate.wire.openai_words import CHAT, CHAT_REPLY, CHAT_REQUEST, document_of, stop_reason_of, tokens_from
from headgate.wire.replaying import openai_stream_of
from headgate.wire.surrogates import parse_answer
from headgate.wire.token_counts import object_of
from headgate.wire.tool_names import objects_in, with_names

ANSWER_HEADERS: Final = AnswerHeaders(rate_limits=("x-ratelimit-",), request_ids=("x-request-id", "request-id"))
"""The headers for rate limits and request ids from servers that speak OpenAI's wires."""

_CHAT: Final = Match("chat")
_KEPT_PREFIXES: Final = ("x-ratelimit-", "openai-")
_KEPT: Final = frozenset({"x-request-id", "retry-after", "retry-after-ms", "x-should-retry"})


class _Message(msgspec.Struct):
    refusal: str | None = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    stop_reason: Any = None
    matched_stop: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None


class OpenAiChat:
    """The dialect; implements `WholeDialect`."""

    __slots__ = ()

    manifest = Manifest("dialects", CHAT, "Chat Completions of OpenAI and of every server that speaks them.")
    name = CHAT
    plane = OPENAI
    routes = (Route("POST", "/v1/chat/completions", "chat"),)
    quirks = QUIRKS
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _CHAT) -> ModelCall:
        """Decode and check a client's request."""
        return read_chat_call(body, headers=headers)

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with surgical edits."""
        return write_chat_call(call, outgoing)

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer; `headers` have names in lower case.

        Raises:
            Upstream: the answer is not a chat completion, or it has no choices.
        """
        try:
            document = parse_answer(body, CHAT_REPLY)
            completion = msgspec.convert(document.value, _Completion)
        except (Invalid, msgspec.ValidationError) as error:
            if b'"error"' in body[:1000]:
                raise read_error_event(body) from error
            raise Upstream("the provider's answer is not a chat completion") from error
        if not completion.choices:
            raise Upstream("the provider's answer has no choices")
        first = completion.choices[0]
        message = first.message
        has_called = bool(message.tool_calls or message.function_call)
        reason = stop_reason_of(first.finish_reason, has_refused=bool(message.refusal), has_called=has_called)
        if reason == "stop" and (isinstance(first.stop_reason, str) or isinstance(first.matched_stop, str)):
            reason = "stop_sequence"
        return ModelReply(
            wire=CHAT,
            content=document,
            usage=tokens_from(completion.usage).usage(),
            stop_reason=reason,
            headers=kept_headers(headers),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name."""
        return document_of(reply.content, CHAT_REPLY).edit_fields({("model",): msgspec.json.encode(model)}).raw

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with the called tools renamed."""
        document = document_of(reply.content, CHAT_REPLY)
        return with_names(reply, document, _called_in(document.fields()), names)

    def read_events(self) -> OpenAiChatReader:
        """Return a decoder for one stream."""
        return OpenAiChatReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as a stream."""
        document = document_of(self.read_reply(body, headers={}).content, CHAT_REPLY)
        return openai_stream_of(dict(document.fields()))

    def assembler(self) -> None:
        """Return None: whole answers of this wire may be as long as streams."""

    def write_events(self, call: ModelCall, *, created: int = 0) -> OpenAiChatWriter:
        """Return an encoder for the client that sent `call`."""
        return OpenAiChatWriter(call, created=created)

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request."""
        return read_conversation(document_of(content, CHAT_REQUEST))

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        return write_request(conversation, outgoing)

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return the names of our fields that `from_conversation` leaves out."""
        return unsaid(conversation, outgoing)

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer of this wire."""
        return read_answer(reply, document_of(reply.content, CHAT_REPLY))

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as one of this.

        A client that offers the older `functions` gets `function_call`.
        """
        legacy = call is not None and is_legacy(document_of(call.content, CHAT_REQUEST).fields())
        return write_answer(reply, model=model, created=created, legacy=legacy)


def kept_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the answer's headers that clients act on."""
    return tuple((name, headers[name]) for name in headers if name in _KEPT or name.startswith(_KEPT_PREFIXES))


def _called_in(fields: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the name of each called tool in a whole answer."""
    for place, choice in objects_in(fields.get("choices")):
        for number, call in objects_in(object_of(choice.get("message")).get("tool_calls")):
            name = object_of(call.get("function")).get("name")
            yield ("choices", place, "message", "tool_calls", number, "function", "name"), str(name)


dialect: Final[WholeDialect] = OpenAiChat()
"""The dialect of chat completions."""
