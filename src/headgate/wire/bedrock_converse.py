"""Amazon Bedrock's Converse API, for upstreams.

No client speaks this wire, so every call crosses from another one. The model stands in the path, and
the path also decides whether the answer is a stream. `bedrock_encoding` lists the quirks of
deployments.

Source: API reference of Amazon Bedrock Runtime, "Converse" and "ConverseStream".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.bedrock_encoding import QUIRKS, unsaid, write_request
from headgate.wire.bedrock_errors import read_upstream_error
from headgate.wire.bedrock_stream import BedrockReader
from headgate.wire.bedrock_words import ANSWER, NAME, stop_reason_of, usage_of
from headgate.wire.conversation import Conversation, Part, Reasoning, Reply, Text, ToolUse
from headgate.wire.dialect import AnswerHeaders, Outgoing
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import ModelReply
from headgate.wire.sse import frame
from headgate.wire.surrogates import parse_answer
from headgate.wire.token_counts import object_of
from headgate.wire.tool_names import objects_in, with_names

_Json = dict[str, Any]
_CONTENT: Final = ("output", "message", "content")


class BedrockConverse:
    """The dialect; implements `ProviderDialect`."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "The Converse API of Amazon Bedrock.")
    name = NAME
    quirks = QUIRKS
    answer_headers = AnswerHeaders(request_ids=("x-amzn-requestid", "x-amzn-errortype"))

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Write the typed form as a request; `unsaid` names the fields that it leaves out.

        Raises:
            Invalid: this wire format cannot express the request.
        """
        return write_request(conversation, outgoing)

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return the names of our fields that `from_conversation` leaves out or weakens."""
        return unsaid(conversation, outgoing)

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer; `headers` have names in lower case.

        Raises:
            Upstream: the answer is not of the wire's form.
        """
        try:
            document = parse_answer(body, ANSWER)
            fields = document.fields()
        except Invalid as exc:
            raise Upstream("the provider's answer is not an answer of Converse") from exc
        if not isinstance(_message(fields).get("content"), list):
            raise Upstream("the provider's answer is not an answer of Converse")
        return ModelReply(
            wire=NAME,
            content=document,
            usage=usage_of(fields.get("usage")),
            stop_reason=stop_reason_of(fields.get("stopReason")),
            headers=tuple((name, value) for name, value in headers.items() if name == "x-amzn-requestid"),
        )

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return an answer with the called tools renamed."""
        document = _document(reply.content)
        called = (
            ((*_CONTENT, place, "toolUse", "name"), str(object_of(block.get("toolUse")).get("name")))
            for place, block in objects_in(_message(document.fields()).get("content"))
            if "toolUse" in block
        )
        return with_names(reply, document, called, names)

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer."""
        document = _document(reply.content)
        fields = document.fields()
        more = object_of(fields.get("additionalModelResponseFields")).get("stop_sequence")
        return Reply(
            id=f"converse-{hashlib.sha256(document.raw).hexdigest()[:24]}",
            model="",
            parts=tuple(_parts(_message(fields).get("content"))),
            stop_reason=reply.stop_reason,
            stop_sequence=more if isinstance(more, str) else None,
            usage=reply.usage,
        )

    def read_events(self) -> BedrockReader:
        """Return a decoder for one stream."""
        return BedrockReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as a stream of server-sent events without names."""
        fields = _document(self.read_reply(body, headers={}).content).fields()
        return b"".join(frame(msgspec.json.encode(event)) for event in _events(fields))

    def assembler(self) -> None:
        """Return None: whole answers may be as long as streams."""
        return

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours; `headers` have names in lower case."""
        return read_upstream_error(status, headers=headers, body=body)


dialect: Final = BedrockConverse()
"""The dialect of Converse and ConverseStream."""


def _document(content: Content) -> JsonDocument:
    return content if isinstance(content, JsonDocument) else JsonDocument.parse(content.to_bytes(), layout=ANSWER)


def _message(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return object_of(object_of(fields.get("output")).get("message"))


def _parts(content: Any) -> Iterator[Part]:
    for _, block in objects_in(content):
        reasoning, call = object_of(block.get("reasoningContent")), object_of(block.get("toolUse"))
        words = object_of(reasoning.get("reasoningText"))
        if isinstance(text := block.get("text"), str):
            yield Text(text)
        elif isinstance(redacted := reasoning.get("redactedContent"), str):
            yield Reasoning("", redacted=redacted)
        elif isinstance(text := words.get("text"), str):
            signature = words.get("signature")
            yield Reasoning(text, signature=signature if isinstance(signature, str) else None)
        elif call and call.get("type") != "server_tool_use":
            arguments = msgspec.json.encode(call.get("input") or {}).decode()
            yield ToolUse(str(call.get("toolUseId", "")), str(call.get("name", "")), arguments)
        elif isinstance(cited := object_of(block.get("citationsContent")).get("content"), list):
            texts = [one.get("text") for _, one in objects_in(cited)]
            yield Text("".join(text for text in texts if isinstance(text, str)))


def _events(fields: Mapping[str, Any]) -> Iterator[_Json]:
    yield {"messageStart": {"role": "assistant"}}
    for index, block in objects_in(_message(fields).get("content")):
        yield from _block_events(block, index)
        yield {"contentBlockStop": {"contentBlockIndex": index}}
    stop = {name: fields[name] for name in ("stopReason", "additionalModelResponseFields") if name in fields}
    yield {"messageStop": stop}
    told = {name: fields[name] for name in ("usage", "metrics", "trace", "serviceTier") if name in fields}
    yield {"metadata": told}


def _block_events(block: Mapping[str, Any], index: int) -> Iterator[_Json]:
    call = object_of(block.get("toolUse"))
    if call:
        start = {name: value for name, value in call.items() if name != "input"}
        yield {"contentBlockStart": {"start": {"toolUse": start}, "contentBlockIndex": index}}
        arguments = msgspec.json.encode(call.get("input") or {}).decode()
        yield _block_delta({"toolUse": {"input": arguments}}, index)
        return
    reasoning = object_of(block.get("reasoningContent"))
    words = cast("Mapping[str, Any]", reasoning.get("reasoningText") or {})
    for name, value in words.items():
        yield _block_delta({"reasoningContent": {name: value}}, index)
    if reasoning and not words:
        yield _block_delta({"reasoningContent": dict(reasoning)}, index)
    if not reasoning:
        yield _block_delta(dict(block), index)


def _block_delta(delta: _Json, index: int) -> _Json:
    return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": index}}
