"""Encodes the typed form as requests of Amazon Bedrock's Converse API.

The encoder leaves out the fields that the wire format cannot express. `unsaid` names them, so that
the gateway can disclose them.

Quirks of a deployment that change the output:

- `claude`: the model is one of Anthropic's. It takes `top_k` and `thinking` as additional fields,
  and signed reasoning of earlier turns, whose signatures hold on every platform.
- `no_system`: the model takes no system prompts, as older Titan and Mistral models. They join the
  first message.
- `prompt_caching`: the model takes cache points. Without this quirk, `cache_control` is left out.
- `json_schema`: the model enforces a schema for its answer. Without this quirk, the prompt has it.
- `no_tool_choice`: the model takes tools but no choice of a tool.

Source: API reference of Amazon Bedrock Runtime, "Converse"; user guide, "Supported models and features".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.anthropic_encoding import tool_input
from headgate.wire.anthropic_words import anthropic_tool_id
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Outgoing
from headgate.wire.names import sent_name
from headgate.wire.schemas import anthropic_strict, input_schema_of

_Json = dict[str, Any]

QUIRKS: Final = frozenset({"claude", "no_system", "prompt_caching", "json_schema", "no_tool_choice"})
"""The quirks that a deployment's configuration may name."""

_MOST_CACHE_POINTS: Final = 4
_MIN_THINKING_TOKENS: Final = 1024
_BUDGETS: Final[Mapping[str, int]] = {"low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 65536}
_IMAGE_FORMATS: Final[Mapping[str, str]] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENT_FORMATS: Final[Mapping[str, str]] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_NOT_IN_A_NAME: Final = re.compile(r"[^0-9A-Za-z\s()\[\]-]")
_MOST_NAME_CHARS: Final = 200
_ANY_OBJECT: Final[_Json] = {"type": "object", "properties": {}}
_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no words before or after it, no code fence."


def write_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request.

    Raises:
        Invalid: this wire format cannot express the request, such as an image by its URL.
    """
    return msgspec.json.encode(_Writer(conversation, outgoing).request())


def unsaid(conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
    """Return the fields that `write_request` leaves out or weakens, by our names, in order.

    Raises:
        Invalid: as `write_request`.
    """
    writer = _Writer(conversation, outgoing)
    writer.request()
    return tuple(dict.fromkeys(writer.unsaid))


@dataclass(slots=True)
class _Writer:
    """Builds one request and notes the fields that it cannot express."""

    conversation: Conversation
    outgoing: Outgoing
    unsaid: list[str] = field(default_factory=list[str])

    def has(self, quirk: str) -> bool:
        return quirk in self.outgoing.quirks

    def request(self) -> _Json:
        talk = self.conversation
        turns = _Turns(self)
        system = turns.add_all(talk.messages)
        system += self._schema_in_words()
        if system and (self.has("no_system") or not turns.turns):
            turns.begin_with(system)
            system = []
        if not turns.turns:
            raise Invalid("messages: at least one message with content is needed", param="messages")
        turns.check_answered()
        body: _Json = {"messages": turns.turns}
        if system:
            body["system"] = system
        limits = self._inference()
        if limits:
            body["inferenceConfig"] = limits
        body.update(self._tools(turns.tools_used))
        body.update(self._output())
        more = self._additional(limits, turns)
        if more:
            body["additionalModelRequestFields"] = more
        for name, value in (("seed", talk.seed), ("user", talk.user), ("parallel_tools", talk.parallel_tools)):
            if value is not None:
                self.unsaid.append(name)
        _limit_cache_points(body)
        return body

    def _schema_in_words(self) -> list[_Json]:
        """Return a system text that asks for JSON, where the model enforces no schema."""
        output = self.conversation.output
        if output is None or (output.schema is not None and self.has("json_schema")):
            return []
        self.unsaid.append("output")
        if output.schema is None:
            return [{"text": _JSON_ONLY}]
        return [{"text": f"{_JSON_ONLY} It follows this JSON schema: {msgspec.json.encode(output.schema).decode()}"}]

    def _inference(self) -> _Json:
        talk = self.conversation
        said: _Json = {}
        cap = self.outgoing.cap_output_tokens
        most = cap if talk.max_tokens is None else talk.max_tokens
        if most is not None:
            said["maxTokens"] = most if cap is None else min(most, cap)
        if talk.temperature is not None:
            # Other wires allow up to 2.
            if talk.temperature > 1.0:
                self.unsaid.append("temperature")
            said["temperature"] = min(talk.temperature, 1.0)
        if talk.top_p is not None:
            said["topP"] = talk.top_p
        if talk.stop:
            said["stopSequences"] = list(talk.stop)
        return said

    def _tools(self, used: Sequence[str]) -> _Json:
        talk = self.conversation
        choice = talk.tool_choice
        names = {tool.name for tool in talk.tools}
        if choice is not None and choice.mode == "named" and choice.name not in names:
            raise Invalid(
                f"tool_choice names the tool {(choice.name or '')[:80]!r}, which is absent", param="tool_choice"
            )
        if choice is not None and choice.mode == "required" and not talk.tools:
            raise Invalid("tool_choice demands a tool call, and there are no tools", param="tool_choice")
        if choice is not None and choice.mode == "none":
            # The wire has no such choice, and demands the tools of earlier calls.
            tools = [_declared(name) for name in dict.fromkeys(used)]
            if len(tools) > 0:
                self.unsaid.append("tool_choice")
            return {"toolConfig": {"tools": tools}} if tools else {}
        tools = [self._tool(tool) for tool in talk.tools]
        if not tools:
            tools = [_declared(name) for name in dict.fromkeys(used)]
        if not tools:
            return {}
        config: _Json = {"tools": tools}
        if choice is not None and self.has("no_tool_choice"):
            self.unsaid.append("tool_choice")
        elif choice is not None:
            config["toolChoice"] = (
                {"tool": {"name": sent_name(choice.name or "")}}
                if choice.mode == "named"
                else {"any" if choice.mode == "required" else "auto": {}}
            )
        return {"toolConfig": config}

    def _tool(self, tool: Tool) -> _Json:
        removed: list[str] = []
        schema = input_schema_of(tool.schema, removed)
        said: _Json = {"name": sent_name(tool.name)}
        if tool.description:
            said["description"] = tool.description
        if tool.strict and self.has("json_schema"):
            schema = anthropic_strict(schema, removed)
            said["strict"] = True
        elif tool.strict:
            self.unsaid.append("tools.strict")
        said["inputSchema"] = {"json": schema}
        self.unsaid += [f"tools.{keyword}" for keyword in removed]
        return {"toolSpec": said}

    def _output(self) -> _Json:
        output = self.conversation.output
        if output is None or output.schema is None or not self.has("json_schema"):
            return {}
        removed: list[str] = []
        schema = anthropic_strict(output.schema, removed)
        self.unsaid += [f"output.{keyword}" for keyword in removed]
        structure = {"name": output.name, "schema": msgspec.json.encode(schema).decode()}
        return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": structure}}}}

    def _additional(self, limits: _Json, turns: _Turns) -> _Json:
        """Return the fields of Anthropic's models; remove sampling fields that thinking excludes."""
        talk = self.conversation
        if not self.has("claude"):
            wanted = (("top_k", talk.top_k), ("reasoning_tokens", talk.reasoning_tokens))
            self.unsaid += [name for name, value in wanted if value is not None]
            if talk.reasoning_effort not in (None, "none"):
                self.unsaid.append("reasoning_effort")
            return {}
        said: _Json = {} if talk.top_k is None else {"top_k": talk.top_k}
        budget = talk.reasoning_tokens or _BUDGETS.get(talk.reasoning_effort or "")
        if budget is None:
            return said
        most = limits.setdefault("maxTokens", self.outgoing.default_output_tokens)
        budget = min(budget, most - 1)
        forces_a_tool = talk.tool_choice is not None and talk.tool_choice.mode in ("required", "named")
        if budget < _MIN_THINKING_TOKENS or forces_a_tool or turns.continues_unsigned:
            self.unsaid.append("reasoning_effort" if talk.reasoning_tokens is None else "reasoning_tokens")
            return said
        for name, ours in (("temperature", "temperature"), ("topP", "top_p")):
            if limits.pop(name, None) is not None:
                self.unsaid.append(ours)
        if said.pop("top_k", None) is not None:
            self.unsaid.append("top_k")
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}


class _OpenCall(NamedTuple):
    """A tool call without a result: its id in the conversation and its id in the request."""

    said: str
    unique: str


class _Turns:
    """Orders messages for this wire: turns alternate, and results follow right after their calls."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self.turns: list[_Json] = []
        self.tools_used: list[str] = []
        self._open: list[_OpenCall] = []
        self._ids: set[str] = set()
        self._names: set[str] = set()

    @property
    def continues_unsigned(self) -> bool:
        """Whether the model continues after the result of a call without signed reasoning before it."""
        if len(self.turns) < 2 or not any("toolResult" in block for block in self.turns[-1]["content"]):
            return False
        return not any("reasoningContent" in block for block in self.turns[-2]["content"])

    def add_all(self, messages: Iterable[Message]) -> list[_Json]:
        """Add messages; return the blocks of the system prompt."""
        system: list[_Json] = []
        for message in messages:
            if message.role == "system":
                if self.turns:
                    self._writer.unsaid.append("system_position")
                system += self._blocks(message.parts)
            else:
                self._add(message.role, message.parts)
        return system

    def begin_with(self, blocks: Sequence[_Json]) -> None:
        """Put blocks before all others, in a user's turn."""
        if not self.turns or self.turns[0]["role"] != "user":
            self.turns.insert(0, {"role": "user", "content": []})
        self.turns[0]["content"][:0] = blocks

    def check_answered(self) -> None:
        """Refuse tool calls without a result; the provider's own error would be harder to read."""
        if self._open and self.turns[-1]["role"] == "user":
            raise _unanswered(self._open[0].said)

    def _add(self, role: str, parts: Sequence[Part]) -> None:
        if role == "assistant" and self._open and self.turns[-1]["role"] != "assistant":
            raise _unanswered(self._open[0].said)
        blocks = list(self._blocks(parts))
        if not blocks:
            return
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": []})
        content: list[_Json] = self.turns[-1]["content"]
        results = [block for block in blocks if "toolResult" in block]
        if results:
            first_other = next((i for i, block in enumerate(content) if "toolResult" not in block), len(content))
            content[first_other:first_other] = results
        content += [block for block in blocks if "toolResult" not in block]

    def _blocks(self, parts: Iterable[Part]) -> Iterator[_Json]:
        for part in parts:
            match part:
                case Reasoning():
                    yield from self._reasoning(part)
                case ToolResult():
                    yield self._result(part)
                case ToolUse():
                    yield self._use(part)
                case _:
                    yield from self._readable(part)

    def _reasoning(self, part: Reasoning) -> Iterator[_Json]:
        if self._writer.has("claude") and part.redacted is not None:
            yield {"reasoningContent": {"redactedContent": part.redacted}}
        elif self._writer.has("claude") and part.signature:
            said = {"text": part.text, "signature": part.signature}
            yield {"reasoningContent": {"reasoningText": said}}
        else:
            self._writer.unsaid.append("reasoning")

    def _use(self, part: ToolUse) -> _Json:
        unique = anthropic_tool_id(part.id)
        if unique in self._ids:
            # Some servers restart their ids in each answer, or send none.
            unique = anthropic_tool_id(f"{part.id}#{len(self._ids)}")
        self._ids.add(unique)
        name = sent_name(part.name)
        self.tools_used.append(name)
        self._open.append(_OpenCall(part.id, unique))
        return {"toolUse": {"toolUseId": unique, "name": name, "input": tool_input(part.arguments, fault=Invalid)}}

    def _result(self, part: ToolResult) -> _Json:
        content = [block for one in part.parts for block in self._readable(one) if "cachePoint" not in block]
        said: _Json = {"toolUseId": self._answered(part.tool_use_id), "content": content}
        if part.is_error:
            said["status"] = "error"
        return {"toolResult": said}

    def _answered(self, said: str) -> str:
        """Close the first open call with that id, and return its id in the request."""
        for call in self._open:
            if call.said == said:
                self._open.remove(call)
                return call.unique
        raise Invalid(
            f"messages: the result for tool call {said[:80]!r} does not follow a turn that makes this call",
            param="messages",
        )

    def _readable(self, part: Text | Image | Document | Refusal) -> Iterator[_Json]:
        match part:
            case Text(text, cache):
                if not text.strip():
                    return
                yield {"text": text}
                if cache is not None and self._writer.has("prompt_caching"):
                    yield {"cachePoint": {"type": "default", **({"ttl": "1h"} if cache == "1h" else {})}}
                elif cache is not None:
                    self._writer.unsaid.append("cache_control")
            case Refusal(text):
                if text.strip():
                    yield {"text": text}
            case Image():
                if part.detail not in (None, "auto"):
                    self._writer.unsaid.append("image_detail")
                yield {"image": _image(part)}
            case _:
                yield {"document": self._document(part)}

    def _document(self, part: Document) -> _Json:
        kind = _DOCUMENT_FORMATS.get((part.media_type or "").partition(";")[0])
        if kind is None and (part.media_type or "").startswith("text/"):
            kind = "txt"
        if part.data is None:
            source = _at(part.url, what="file")
            kind = kind or "pdf"
        else:
            source = {"bytes": _base64(part.data)}
        if kind is None:
            raise Invalid(
                f"messages: a file of type {(part.media_type or 'unknown')[:40]!r} cannot be sent to this model; send"
                " PDF, plain text, Markdown, HTML, CSV, Word or Excel",
                param="messages",
            )
        return {"format": kind, "name": self._name(part.name), "source": source}

    def _name(self, said: str | None) -> str:
        """Return a name that the wire accepts and that no other document of the request has."""
        plain = " ".join(_NOT_IN_A_NAME.sub("-", said or "Document").split())[: _MOST_NAME_CHARS - 8] or "Document"
        name, count = plain, 1
        while name in self._names:
            count += 1
            name = f"{plain} {count}"
        self._names.add(name)
        return name


def _declared(name: str) -> _Json:
    """Return the definition of a tool that only earlier calls name; the wire demands one."""
    return {"toolSpec": {"name": name, "inputSchema": {"json": _ANY_OBJECT}}}


def _unanswered(tool_use_id: str) -> Invalid:
    return Invalid(
        f"messages: tool call {tool_use_id[:80]!r} has no result in the turn that follows it", param="messages"
    )


def _image(image: Image) -> _Json:
    if image.data is None:
        url = image.url or ""
        ending = url.rpartition(".")[2].lower()
        return {"format": _IMAGE_FORMATS.get(f"image/{ending}", "png"), "source": _at(url, what="image")}
    kind = _IMAGE_FORMATS.get(image.media_type or "")
    if kind is None:
        raise Invalid(
            f"messages: an image of type {(image.media_type or 'unknown')[:40]!r} cannot be sent to this model; "
            "send jpeg, png, gif or webp",
            param="messages",
        )
    return {"format": kind, "source": {"bytes": _base64(image.data)}}


def _at(url: str | None, *, what: str) -> _Json:
    """Return the source of media by its address; the wire reads only from S3."""
    if url is not None and url.startswith("s3://"):
        return {"s3Location": {"uri": url}}
    raise Invalid(
        f"messages: this model cannot fetch the {what} from its URL; send its content as base64", param="messages"
    )


def _base64(data: str) -> str:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Invalid("messages: an image or file is not valid base64", param="messages") from exc
    return data


def _limit_cache_points(body: _Json) -> None:
    """Keep the last four cache points, for the longest prefixes; models refuse a fifth."""
    lists: list[list[_Json]] = [body.get("system", []), *(turn["content"] for turn in body["messages"])]
    surplus = sum("cachePoint" in block for blocks in lists for block in blocks) - _MOST_CACHE_POINTS
    for blocks in lists:
        for block in [one for one in blocks if "cachePoint" in one]:
            if surplus > 0:
                blocks[:] = [one for one in blocks if one is not block]
                surplus -= 1
