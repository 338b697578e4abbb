"""OpenAI's Responses API, for clients and for upstreams: `POST /v1/responses`.

`POST /v1/responses/input_tokens` counts the tokens of such a request, and `/v1/responses/compact`
summarises a conversation (`openai_compaction`).

- `openai_responses_calls` checks and edits requests, and lists the quirks of deployments.
- `openai_responses_provider_stream` and `openai_responses_client_stream` hold the streams.
- `openai_responses_state` reads and writes kept answers, and `openai_conversations` conversations.
- `openai_file_search` answers the tool `file_search` for any model.
- `openai_responses_decoding` and `openai_responses_encoding` hold the typed form.

Source: OpenAI's published API document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire import openai_background as background
from headgate.wire import openai_compaction as compaction
from headgate.wire import openai_file_search as file_search
from headgate.wire import openai_responses_binding as binding
from headgate.wire import openai_responses_state as state
from headgate.wire.conversation import Conversation, Reply
from headgate.wire.dialect import Match, Outgoing, Route, WholeDialect, WireEvent
from headgate.wire.file_search import SearchedFiles, WantedFiles
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall, ModelReply, Usage
from headgate.wire.openai_chat import ANSWER_HEADERS, kept_headers
from headgate.wire.openai_conversations import OpenAiConversations
from headgate.wire.openai_errors import read_error_event, read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_responses_calls import QUIRKS, items_in, read_responses_call, write_responses_call
from headgate.wire.openai_responses_client_stream import ResponsesWriter
from headgate.wire.openai_responses_decoding import read_answer, read_conversation
from headgate.wire.openai_responses_encoding import unsaid, write_answer, write_request
from headgate.wire.openai_responses_event import ResponsesEvent
from headgate.wire.openai_responses_provider_stream import ResponsesReader
from headgate.wire.openai_responses_words import REPLY, REQUEST, RESPONSES, stop_reason_of, usage_from
from headgate.wire.openai_words import document_of
from headgate.wire.prompt_size import prompt_tokens
from headgate.wire.replaying import responses_stream_of
from headgate.wire.stateful import AnswerUnknown, Asked, Earlier, Item, KeepingWriter, State
from headgate.wire.surrogates import parse_answer
from headgate.wire.tool_names import objects_in, with_names

_CHAT: Final = Match("chat")
_BYTES_PER_TOKEN: Final = 4
_ENDED: Final = frozenset({"completed", "incomplete"})


class OpenAiResponses:
    """The dialect.

    Implements `WholeDialect`, `StatefulDialect`, `ReadableDialect`, `SearchingDialect`, `Binding` and `TokenCounting`.
    """

    __slots__ = ()

    manifest = Manifest("dialects", RESPONSES, "The Responses API of OpenAI and of every server that speaks it.")
    name = RESPONSES
    plane = OPENAI
    routes = (
        Route("POST", "/v1/responses", "chat"),
        Route("POST", "/v1/responses/input_tokens", "count_tokens"),
        Route("POST", "/v1/responses/compact", "chat", stream=False, variant=compaction.VARIANT),
    )
    quirks = QUIRKS
    answer_headers = ANSWER_HEADERS
    kept_at = "/v1/responses/"
    conversations = OpenAiConversations()

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _CHAT) -> ModelCall:
        """Decode and check a client's request."""
        call = read_responses_call(body, headers=headers, match=match)
        return state.summarising(call) if match.variant == compaction.VARIANT else call

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with surgical edits."""
        return write_responses_call(call, outgoing)

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer; `headers` have names in lower case.

        Raises:
            Upstream: the answer is not a response, or it has failed.
        """
        try:
            document = parse_answer(body, REPLY)
            fields = document.fields()
        except Invalid as error:
            raise Upstream("the provider's answer is not a response") from error
        fault = fields.get("error")
        if fault:
            raise read_error_event(msgspec.json.encode({"error": fault}))
        output = fields.get("output")
        if fields.get("status", "completed") not in _ENDED or not isinstance(output, list):
            raise Upstream("the provider's answer is not a response that has ended")
        if not all(isinstance(item, dict) for item in cast("list[Any]", output)):
            raise Upstream("the provider's answer has output that is not of its wire's form")
        items = [item for _, item in objects_in(output)]
        parts = [part for item in items for _, part in objects_in(item.get("content"))]
        has_called = any(item.get("type") in ("function_call", "custom_tool_call") for item in items)
        has_refused = any(part.get("type") == "refusal" for part in parts)
        return ModelReply(
            wire=RESPONSES,
            content=document,
            usage=usage_from(fields.get("usage")),
            stop_reason=stop_reason_of(fields, has_refused=has_refused, has_called=has_called),
            headers=kept_headers(headers),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name; a count names none."""
        document = document_of(reply.content, REPLY)
        if "model" not in document.fields():
            return document.raw
        return document.edit_fields({("model",): msgspec.json.encode(model)}).raw

    def estimated_count(self, call: ModelCall) -> ModelReply:
        """Return an estimated count of the request's tokens; it is free of charge."""
        tokens = prompt_tokens(call.content, bytes_per_token=_BYTES_PER_TOKEN)
        count = msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})
        return ModelReply(RESPONSES, JsonDocument(count), Usage(input_tokens=0, output_tokens=0))

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with the called tools renamed."""
        document = document_of(reply.content, REPLY)
        return with_names(reply, document, _called_in(document.fields()), names)

    def read_events(self) -> ResponsesReader:
        """Return a decoder for one stream."""
        return ResponsesReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as a stream."""
        return responses_stream_of(dict(document_of(self.read_reply(body, headers={}).content, REPLY).fields()))

    def assembler(self) -> None:
        """Return None: whole answers of this wire may be as long as streams."""

    def write_events(self, call: ModelCall, *, created: int = 0) -> ResponsesWriter:
        """Return an encoder for the client that sent `call`."""
        return ResponsesWriter(call, created=created)

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request."""
        return read_conversation(document_of(content, REQUEST))

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request of this wire."""
        return write_request(conversation, outgoing)

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return the names of our fields that `from_conversation` leaves out."""
        return unsaid(conversation, outgoing)

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer of this wire."""
        return read_answer(reply, document_of(reply.content, REPLY))

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of another wire as a response, which repeats the client's request."""
        fields: Mapping[str, Any] = {} if call is None else document_of(call.content, REQUEST).fields()
        return write_answer(reply, fields=fields, model=model, created=created)

    def bound_reply(self, reply: ModelReply, tag: str) -> ModelReply:
        """Return a whole answer with the tag of its deployment in its encrypted reasoning."""
        return binding.bound_reply(reply, tag)

    def bound_event(self, event: WireEvent, tag: str) -> WireEvent:
        """Return an event with the tag of its deployment in its encrypted reasoning."""
        return binding.bound_event(cast("ResponsesEvent", event), tag)

    def state_of(self, call: ModelCall) -> State:
        """Return what a call wants of kept state."""
        return state.state_of(call)

    def unknown(self, previous: str) -> AnswerUnknown:
        """Return the error for a call that continues an unknown answer."""
        return AnswerUnknown(f"Previous response with id {previous!r} not found.", param="previous_response_id")

    def answers_of(self, items: Sequence[str]) -> Sequence[str]:
        """Return the ids of the answers whose items these may be."""
        return state.answers_of(items)

    def resolved(self, call: ModelCall, earlier: Earlier) -> ModelCall:
        """Return the call with the items that it refers to in their places."""
        return state.resolved(call, earlier)

    def after(self, call: ModelCall, earlier: Earlier) -> ModelCall:
        """Return the call with all that it continues before its own items."""
        return state.after(call, earlier)

    def new_id(self, unique: str) -> str:
        """Return the id of a new answer."""
        return f"resp_{unique}"

    def write_events_as(self, call: ModelCall, *, answer: str, created: int = 0) -> ResponsesWriter:
        """Return an encoder for an answer with this id."""
        return ResponsesWriter(call, created=created, answer_id=answer)

    def named(self, body: bytes, *, call: ModelCall, answer: str) -> bytes:
        """Return a whole answer under this id."""
        return state.named(body, call=call, answer=answer)

    def wanted_files(self, call: ModelCall) -> WantedFiles | None:
        """Return the search in files that a call asks for, or None."""
        return file_search.wanted_files(call)

    def with_found(self, call: ModelCall, found: SearchedFiles) -> ModelCall:
        """Return a call with the passages in place of the search."""
        return file_search.with_found(call, found)

    def told_found(self, body: bytes, found: SearchedFiles, *, call: ModelCall, answer: str) -> bytes:
        """Return a whole answer that names the search and the cited files."""
        return file_search.told_found(body, found, call=call, answer=answer)

    def write_found(
        self, writer: KeepingWriter, found: SearchedFiles, *, call: ModelCall, answer: str
    ) -> file_search.FoundWriter:
        """Return an encoder that does the same to a stream."""
        return file_search.FoundWriter(writer, found, call=call, answer=answer)

    def exchange(self, call: ModelCall, body: bytes) -> bytes:
        """Return the exchange of a client's call and its whole answer."""
        return state.exchange(call, body)

    def items_of(self, exchange: bytes) -> Sequence[Item]:
        """Return the items of a call and its answer that a conversation keeps."""
        return state.items_of(exchange)

    def told_items(self, exchange: bytes) -> Sequence[str]:
        """Return the ids of the answer's items."""
        return state.told_items(exchange)

    def queued(self, call: ModelCall, *, answer: str, created: int) -> bytes:
        """Return an answer in the background before it begins."""
        fields = document_of(call.content, REQUEST).fields()
        return background.queued(fields, answer=answer, model=call.model, created=created)

    def with_status(self, body: bytes, status: str, *, error: HeadgateError | None = None) -> bytes:
        """Return a whole answer with another status."""
        return background.with_status(body, status, error=error)

    def starting_after(self, query: Mapping[str, str]) -> int | None:
        """Return the number after which a request reads a stream, or None."""
        return background.starting_after(query)

    def failed_event(self, body: bytes, number: int, *, error: HeadgateError) -> bytes:
        """Return the last event of an answer that has failed."""
        return background.failed_event(body, number, error=error)

    def events_after(self, frames: bytes, number: int) -> bytes:
        """Return the events of a stream with a number above `number`."""
        return background.events_after(frames, number)

    def numbers_in(self, frames: bytes) -> Sequence[int]:
        """Return the numbers of the events in frames."""
        return background.numbers_in(frames)

    def summary_in(self, body: bytes) -> str:
        """Return the summary in an answer to a request for compaction."""
        return compaction.summary_in(body)

    def compacted(self, body: bytes, *, call: ModelCall, answer: str, sealed: str) -> bytes:
        """Return the answer to a request for compaction."""
        items = items_in(document_of(call.content, REQUEST).fields())
        return compaction.compacted(body, items, answer=answer, sealed=sealed)

    def read_kept(self, asked: Asked, exchanges: Sequence[bytes], query: Mapping[str, str]) -> bytes:
        """Return the body for `GET`."""
        return state.read_kept(asked, exchanges, query)

    def forgotten(self, answer: str) -> bytes:
        """Return the body for a deleted answer."""
        return state.forgotten(answer)


def _called_in(fields: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the path and the name of each called tool in a whole answer."""
    for place, item in objects_in(fields.get("output")):
        if item.get("type") in ("function_call", "custom_tool_call"):
            yield ("output", place, "name"), str(item.get("name"))


dialect: Final[WholeDialect] = OpenAiResponses()
"""The dialect of responses."""
