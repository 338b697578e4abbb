"""Anthropic's Messages API, for clients and for upstreams.

It serves `POST /v1/messages` and `POST /v1/messages/count_tokens`. A request for a token count has
no `max_tokens`, and its answer is `{"input_tokens": n}`. `anthropic_encoding` lists the quirks of
deployments, and `anthropic_state` has the threads.

Source: docs of the Messages API; the types of the `anthropic` SDK 2.x.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire import anthropic_state as state
from headgate.wire.anthropic_assembling import AnthropicAssembler
from headgate.wire.anthropic_client_stream import AnthropicWriter
from headgate.wire.anthropic_decoding import misfit, read_answer, read_conversation
from headgate.wire.anthropic_encoding import (
    MIN_THINKING_TOKENS,
    QUIRKS,
    unsaid,
    write_answer,
    write_count_request,
    write_request,
)
from headgate.wire.anthropic_errors import ThreadUnsupported, read_upstream_error
from headgate.wire.anthropic_plane import ANTHROPIC
from headgate.wire.anthropic_provider_stream import AnthropicReader
from headgate.wire.anthropic_words import NAME, estimated_tokens, stop_reason_of, tokens_from
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import AnswerHeaders, Match, Outgoing, Route
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.needs import needs_of
from headgate.wire.replaying import anthropic_stream_of
from headgate.wire.stateful import Earlier, State
from headgate.wire.surrogates import parse_answer
from headgate.wire.token_counts import count_of
from headgate.wire.tool_names import objects_in, with_names

_WIRE_KEYS: Final = frozenset(
    {
        *("model", "messages", "role", "content", "system", "max_tokens", "stream", "metadata", "user_id", "type"),
        *("text", "source", "data", "media_type", "url", "file_id", "title", "context", "citations", "enabled"),
        *("id", "name", "input", "tool_use_id", "is_error", "thinking", "signature", "budget_tokens", "display"),
        *("cache_control", "ttl", "tools", "tool_choice", "disable_parallel_tool_use", "input_schema", "description"),
        *("strict", "temperature", "top_p", "top_k", "stop_sequences", "output_config", "effort", "format", "schema"),
        *("service_tier", "container", "context_management", "mcp_servers", "stop_reason", "stop_sequence", "usage"),
        *("stop_details", "explanation", "category", "input_tokens", "output_tokens", "cache_read_input_tokens"),
        *("cache_creation_input_tokens", "cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
        *("output_tokens_details", "thinking_tokens", "server_tool_use", "inference_geo", "speed", "caller"),
    }
)
_REQUEST: Final = Layout(
    known_keys=_WIRE_KEYS,
    fields={"system": "system", "tools": "schema", "output_config": "schema"},
    turns={"messages": "user"},
    roles={"user": "user", "assistant": "assistant", "system": "system"},
    types={
        "tool_result": "tool",
        "search_result": "tool",
        "web_search_tool_result": "tool",
        "web_fetch_tool_result": "tool",
        "code_execution_tool_result": "tool",
        "bash_code_execution_tool_result": "tool",
        "text_editor_code_execution_tool_result": "tool",
        "tool_search_tool_result": "tool",
        "mcp_tool_result": "tool",
    },
    media_keys={"data": ("type", "base64")},
    signed="thinking",
)
_ANSWER: Final = Layout(
    known_keys=_WIRE_KEYS,
    fields={"content": "assistant", "stop_details": "assistant"},
    answers={"": "message"},
    signed="thinking",
)

_CHAT: Final = Match("chat")
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
# The form of a beta's name: words and small numbers, then a date. No scan sees this header, so the
# gateway forwards no other value.
_BETA: Final = re.compile(
    r"(?=.{1,64}\Z)[a-z]+[0-9]{0,3}(?:-(?:[a-z]+[0-9]{0,3}|[0-9]{1,3}[a-z]*))*-20[0-9]{2}(?:-[0-9]{2}-[0-9]{2}|[0-9]{4})"
)
_MAX_BETAS: Final = 32
# Betas that belong to the caller's own credential, or that have the provider act for that
# credential through endpoints outside the gateway.
_CLOSED_BETAS: Final = ("oauth-", "mcp-client-", "mcp-tunnels-", "managed-agents-", "message-threads-", "agent-memory-")
_KEPT_HEADERS: Final = frozenset({"request-id", "retry-after", "retry-after-ms", "x-should-retry"})
_KEPT_PREFIXES: Final = ("anthropic-ratelimit-", "x-ratelimit-")
_UNSIGNED: Final = re.compile(rb'"signature"\s*+:\s*+""')


class _BlockHead(msgspec.Struct):
    type: str


class _TurnHead(msgspec.Struct):
    role: str
    content: str | list[_BlockHead]


class _ToolHead(msgspec.Struct):
    type: str | None = None
    name: str | None = None


class _ChoiceHead(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _ThinkingHead(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class _Request(msgspec.Struct):
    """The checked fields of a request; the upstream checks all other fields."""

    model: str
    messages: list[_TurnHead]
    max_tokens: int | None = None
    stream: bool | None = None
    system: str | list[_BlockHead] | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    tools: list[_ToolHead] | None = None
    tool_choice: _ChoiceHead | None = None
    thinking: _ThinkingHead | None = None


class _ReplyHead(msgspec.Struct):
    type: str = ""
    stop_reason: str | None = None
    usage: Any = None
    input_tokens: Any = None


class AnthropicMessages:
    """The dialect; implements `WholeDialect` and `StatefulDialect`."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "The Messages API of Anthropic and of every server that speaks it.")
    name = NAME
    plane = ANTHROPIC
    routes = (
        Route("POST", "/v1/messages", "chat"),
        Route("POST", "/v1/messages/count_tokens", "count_tokens"),
    )
    quirks = QUIRKS
    answer_headers = AnswerHeaders(
        rate_limits=("anthropic-ratelimit-", "x-ratelimit-"), request_ids=("request-id", "x-request-id")
    )

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _CHAT) -> ModelCall:
        """Decode and check a request; `headers` have names in lower case.

        Raises:
            Invalid: a field is invalid; `param` names it.
            TooLarge: the body is larger or deeper than allowed.
        """
        document = JsonDocument.parse(body, layout=_REQUEST)
        fields = document.fields()
        try:
            request = msgspec.convert(document.value, _Request)
        except msgspec.ValidationError as exc:
            raise misfit(exc) from exc
        _check(request, counts=match.operation == "count_tokens", continues=state.check_thread(fields))
        return ModelCall(
            wire=NAME,
            content=document,
            model=request.model,
            operation=match.operation,
            stream=bool(request.stream) and match.operation == "chat",
            headers=_forwarded(headers),
            output_limit=request.max_tokens,
            needs=needs_of(fields),
        )

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes, edited for the deployment's model and `max_tokens` cap."""
        document = _document(call.content)
        fields = document.fields()
        if fields.get("thread") is not None:
            # Behind one key at the provider, every caller could continue everyone's threads.
            raise ThreadUnsupported(
                "thread: no provider holds it; send the whole conversation without `thread`", param="thread"
            )
        edits: dict[Path, bytes | None] = {}
        if fields.get("model") != outgoing.model:
            edits["model",] = msgspec.json.encode(outgoing.model)
        if call.stream and fields.get("stream") is not True:
            edits["stream",] = b"true"
        cap = outgoing.cap_output_tokens
        if cap is not None and call.operation == "chat" and fields.get("max_tokens", cap + 1) > cap:
            edits["max_tokens",] = msgspec.json.encode(cap)
            thinking = cast("dict[str, Any]", fields.get("thinking") or {})
            if (thinking.get("budget_tokens") or 0) >= cap > MIN_THINKING_TOKENS:
                edits["thinking", "budget_tokens"] = msgspec.json.encode(cap - 1)
        if _UNSIGNED.search(document.raw):
            edits.update(_without_unsigned(fields))
        return document.edit_fields(edits).raw

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer: a message or a token count.

        The names in `headers` are in lower case.

        Raises:
            Upstream: the answer is neither a message nor a count.
        """
        try:
            document = parse_answer(body, _ANSWER)
            head = msgspec.convert(document.value, _ReplyHead)
        except (Invalid, msgspec.ValidationError) as exc:
            raise Upstream("the provider's answer is not a message") from exc
        if head.type == "message" and isinstance(document.value.get("content"), list):
            usage = tokens_from(head.usage).usage()
        elif count_of(head.input_tokens) is not None:
            # A token count is free of charge.
            usage = Usage(input_tokens=0, output_tokens=0)
        else:
            raise Upstream("the provider's answer is neither a message nor a count")
        return ModelReply(
            wire=NAME,
            content=document,
            usage=usage,
            stop_reason=stop_reason_of(head.stop_reason),
            headers=tuple((name, headers[name]) for name in headers if _is_kept(name)),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name."""
        document = _document(reply.content)
        if "model" not in document.fields():
            return document.raw
        return document.replace(("model",), msgspec.json.encode(model)).raw

    def estimated_count(self, call: ModelCall) -> ModelReply:
        """Return an estimated count over every string, tool and image; it is free of charge."""
        count = msgspec.json.encode({"input_tokens": estimated_tokens(call.content)})
        return ModelReply(NAME, JsonDocument.parse(count), Usage(input_tokens=0, output_tokens=0))

    def write_count(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request for a token count."""
        return write_count_request(conversation, outgoing)

    def count_in(self, reply: ModelReply) -> int:
        """Return the number of tokens in an answer."""
        return count_of(_document(reply.content).fields().get("input_tokens")) or 0

    def count_reply(self, tokens: int) -> bytes:
        """Write a token count of another wire."""
        return msgspec.json.encode({"input_tokens": tokens})

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with the called tools renamed."""
        document = _document(reply.content)
        called = (
            (("content", place, "name"), str(block.get("name")))
            for place, block in objects_in(document.fields().get("content"))
            if block.get("type") == "tool_use"
        )
        return with_names(reply, document, called, names)

    def read_events(self) -> AnthropicReader:
        """Return a decoder for one stream."""
        return AnthropicReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as a stream."""
        return anthropic_stream_of(dict(_document(self.read_reply(body, headers={}).content).fields()))

    def assembler(self) -> AnthropicAssembler:
        """Return an assembler for one stream."""
        return AnthropicAssembler()

    def write_events(self, call: ModelCall, *, created: int = 0) -> AnthropicWriter:
        """Return an encoder for the client that sent `call`; this wire carries no time."""
        return AnthropicWriter(call)

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours; `headers` have names in lower case."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request.

        Raises:
            Invalid: the request has a part that no other provider can use.
        """
        if _document(content).fields().get("thread") is not None:
            raise ThreadUnsupported("thread: this model's provider holds no threads", param="thread")
        return read_conversation(content)

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request; `unsaid` names the fields that it leaves out.

        Raises:
            Invalid: this wire format cannot express the request.
        """
        return write_request(conversation, outgoing)

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return the names of our fields that `from_conversation` leaves out or weakens."""
        return unsaid(conversation, outgoing)

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer."""
        return read_answer(reply.content.to_bytes(), usage=reply.usage)

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as a message; ignore `call` and `created`."""
        return write_answer(reply, model=model)

    def state_of(self, call: ModelCall) -> State | None:
        """Return what a call wants of kept state; None for one without a thread."""
        return state.state_of(_document(call.content))

    def unknown(self, previous: str) -> state.ThreadUnknown:
        """Return the error for a call that continues an unknown thread."""
        return state.unknown()

    def after(self, call: ModelCall, earlier: Earlier) -> ModelCall:
        """Return the call with the thread before its own messages."""
        document = state.after(_document(call.content), earlier.exchanges)
        whole = self.read_call(document.raw, headers={}, match=Match(call.operation))
        return replace(whole, headers=call.headers)

    def new_id(self, unique: str) -> str:
        """Return the id of a new answer."""
        return f"msg_{unique}"

    def write_events_as(self, call: ModelCall, *, answer: str, created: int = 0) -> state.ThreadWriter:
        """Return an encoder for an answer with this id."""
        return state.ThreadWriter(call, answer_id=answer)

    def named(self, body: bytes, *, call: ModelCall, answer: str) -> bytes:
        """Return a whole answer under this id."""
        return state.named(body, answer=answer)

    def exchange(self, call: ModelCall, body: bytes) -> bytes:
        """Return the exchange of a client's call and its whole answer."""
        return state.exchange(_document(call.content), body)


dialect: Final = AnthropicMessages()
"""The dialect of messages and of token counts."""


def _check(request: _Request, *, counts: bool, continues: bool) -> None:
    """Check a request. One that continues a thread has tools and messages in it."""
    if not request.model:
        raise Invalid("model: must not be empty", param="model")
    if request.max_tokens is None and not counts:
        raise Invalid("max_tokens: field required", param="max_tokens")
    if request.max_tokens is not None and request.max_tokens < 0:
        raise Invalid("max_tokens: must not be negative", param="max_tokens")
    if not request.messages and not continues:
        raise Invalid("messages: at least one message is required", param="messages")
    for index, turn in enumerate(request.messages):
        if turn.role not in ("user", "assistant", "system"):
            param = f"messages.{index}.role"
            raise Invalid(f"{param}: {turn.role[:40]!r} is none of user, assistant, system", param=param)
    if request.temperature is not None and not 0 <= request.temperature <= 1:
        raise Invalid("temperature: must be between 0 and 1", param="temperature")
    choice = request.tool_choice
    if choice is not None and choice.type == "tool" and not continues:
        names = {tool.name for tool in request.tools or ()}
        if choice.name is None or choice.name not in names:
            raise Invalid(
                f"tool_choice.name: there is no tool {(choice.name or '')[:80]!r} in tools", param="tool_choice.name"
            )


def _forwarded(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    version = headers.get("anthropic-version", "").strip()
    if version:
        if _VERSION.fullmatch(version) is None:
            raise Invalid("anthropic-version: must be a date such as 2023-06-01", param="anthropic-version")
        kept.append(("anthropic-version", version))
    flags = [flag.strip() for flag in headers.get("anthropic-beta", "").split(",")]
    betas = [flag for flag in dict.fromkeys(flags) if _BETA.fullmatch(flag) and not flag.startswith(_CLOSED_BETAS)]
    if betas:
        kept.append(("anthropic-beta", ",".join(betas[:_MAX_BETAS])))
    return tuple(kept)


def _is_kept(header: str) -> bool:
    return header in _KEPT_HEADERS or header.startswith(_KEPT_PREFIXES)


def _document(content: Content) -> JsonDocument:
    return content if isinstance(content, JsonDocument) else JsonDocument.parse(content.to_bytes(), layout=_REQUEST)


def _without_unsigned(fields: Mapping[str, Any]) -> Mapping[Path, bytes]:
    """Return edits that remove unsigned thinking.

    Such thinking came from another wire, and Anthropic refuses it.
    """
    edits: dict[Path, bytes] = {}
    for index, turn in enumerate(cast("list[dict[str, Any]]", fields["messages"])):
        content = turn["content"]
        if isinstance(content, str):
            continue
        blocks = cast("list[dict[str, Any]]", content)
        kept = [block for block in blocks if block.get("type") != "thinking" or block.get("signature") != ""]
        if kept and len(kept) < len(blocks):
            edits["messages", index, "content"] = msgspec.json.encode(kept)
    return edits
