"""Encodes the typed form as Anthropic's requests and answers.

The encoder leaves out the fields that the wire format cannot express. `unsaid` names them, so that
the gateway can disclose them.

Quirks of a deployment that change the output:

- `sampling`: the deployment takes `temperature`, `top_p` and `top_k`. Models since Opus 4.7 answer
  400 to each of them.
- `thinking_budget`: the deployment takes `thinking.budget_tokens` instead of adaptive thinking
  with `output_config.effort`.
- `system_turns`: the deployment takes messages of role `system` at any place. Without this quirk,
  they join the top-level `system`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, cast

import msgspec

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.anthropic_words import (
    anthropic_message_id,
    anthropic_reason_of,
    anthropic_tool_id,
    tokens_of,
)
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Reply,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Outgoing
from headgate.wire.names import sent_name
from headgate.wire.schemas import anthropic_strict, input_schema_of
from headgate.wire.tool_arguments import tool_input

_Json = dict[str, Any]

QUIRKS: Final = frozenset({"sampling", "thinking_budget", "system_turns"})
"""The quirks that a deployment's configuration may name."""

_COUNTED: Final = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"})
MAX_BREAKPOINTS: Final = 4
MIN_THINKING_TOKENS: Final = 1024
_LEAST_TOP_P: Final = 0.95
"""The minimum `top_p` that thinking allows."""

_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no words before or after it, no code fence."
_MAX_USER_CHARS: Final = 256
_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
_BUDGETS: Final[Mapping[str, int]] = {"low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 65536}
_ANY_OBJECT: Final[_Json] = {"type": "object", "properties": {}}


def write_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request.

    Raises:
        Invalid: this wire format cannot express the request, such as a choice of a missing tool.
    """
    return msgspec.json.encode(_Writer(conversation, outgoing).request())


def write_count_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request for a token count, which takes only fields of the prompt.

    Raises:
        Invalid: as `write_request`.
    """
    request = _Writer(conversation, outgoing).request()
    return msgspec.json.encode({name: value for name, value in request.items() if name in _COUNTED})


def unsaid(conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
    """Return the fields that `write_request` leaves out or weakens, by our names, in order.

    Raises:
        Invalid: as `write_request`.
    """
    writer = _Writer(conversation, outgoing)
    writer.request()
    return tuple(dict.fromkeys(writer.unsaid))


def write_answer(reply: Reply, *, model: str) -> bytes:
    """Write an answer of another wire as a message; a refusal appears as text and as explanation.

    Raises:
        Upstream: a tool call's arguments are nested deeper than a body may be.
    """
    refusal = "".join(part.text for part in reply.parts if isinstance(part, Refusal))
    parts = list(_told_apart(reply))
    return msgspec.json.encode(
        {
            "id": anthropic_message_id(reply.id),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [block for part in parts if (block := answer_block(part)) is not None],
            "stop_reason": "refusal" if refusal else anthropic_reason_of(reply.stop_reason),
            "stop_sequence": reply.stop_sequence,
            "stop_details": refusal_details(refusal) if refusal else None,
            "usage": tokens_of(reply.usage),
        }
    )


def _told_apart(reply: Reply) -> Iterator[Part]:
    """Yield the parts of an answer; tool calls with a repeated or missing id get new ids."""
    seen: set[str] = set()
    for index, part in enumerate(reply.parts):
        if not isinstance(part, ToolUse):
            yield part
            continue
        unique = f"{reply.id}.{index}.{part.id}" if not part.id or part.id in seen else part.id
        seen.add(part.id)
        yield replace(part, id=unique)


def refusal_details(explanation: str) -> _Json:
    """Return the `stop_details` that carry a refusal's explanation."""
    return {"type": "refusal", "category": None, "explanation": explanation}


def answer_block(part: Part) -> _Json | None:
    """Return the content block of one part of an answer; None if it is empty or has no block."""
    match part:
        case Text(text) | Refusal(text):
            return {"type": "text", "text": text} if text else None
        case Reasoning(redacted=str() as data):
            return {"type": "redacted_thinking", "data": data}
        case Reasoning(text, signature):
            return {"type": "thinking", "thinking": text, "signature": signature or ""}
        case ToolUse():
            return _tool_use(part, fault=Upstream)
        case _:
            return None


@dataclass(slots=True)
class _Writer:
    """Builds one request and notes the fields that it cannot express."""

    conversation: Conversation
    outgoing: Outgoing
    unsaid: list[str] = field(default_factory=list[str])

    def request(self) -> _Json:
        talk = self.conversation
        turns = _Turns(self)
        system = turns.add_all(talk.messages)
        if talk.output is not None and talk.output.schema is None:
            # The wire has no mode for any JSON object, so the prompt asks the model for one.
            system.append({"type": "text", "text": _JSON_ONLY})
        if not turns.turns and system:
            # Prompts of system text only are common on other wires. This wire needs a user turn.
            turns.turns, system = [{"role": "user", "content": system}], []
        if not turns.turns:
            raise Invalid("messages: at least one message with content is needed", param="messages")
        turns.check_answered()
        turns.trim_prefill()
        body: _Json = {"model": self.outgoing.model, "max_tokens": self._max_tokens()}
        if system:
            body["system"] = system
        body["messages"] = turns.turns
        body.update(self._tools(turns.tools_used))
        body.update(self._sampling())
        body.update(self._thinking(body, turns))
        if talk.user is not None:
            body["metadata"] = {"user_id": self._user(talk.user)}
        if talk.seed is not None:
            self.unsaid.append("seed")
        if talk.stream:
            body["stream"] = True
        _limit_breakpoints(body)
        return body

    def _user(self, name: str) -> str:
        """Return the user's name, or a stable digest of a name that is too long for the wire."""
        if len(name) <= _MAX_USER_CHARS:
            return name
        self.unsaid.append("user")
        return hashlib.sha256(name.encode()).hexdigest()

    def _max_tokens(self) -> int:
        asked = self.conversation.max_tokens
        tokens = self.outgoing.default_output_tokens if asked is None else asked
        cap = self.outgoing.cap_output_tokens
        return tokens if cap is None else min(tokens, cap)

    def _tools(self, used: Sequence[str]) -> _Json:
        """Return `tools` and `tool_choice`; this wire takes a choice only with tools."""
        talk = self.conversation
        names = {tool.name for tool in talk.tools}
        choice = talk.tool_choice
        if choice is not None and choice.mode == "named" and choice.name not in names:
            raise Invalid(
                f"tool_choice names the tool {(choice.name or '')[:80]!r}, which is absent", param="tool_choice"
            )
        if not talk.tools:
            if choice is not None and choice.mode == "required":
                raise Invalid("tool_choice demands a tool call, and there are no tools", param="tool_choice")
            # The wire refuses calls without tool definitions: declare used tools, forbid calls.
            declared = [{"name": name, "input_schema": _ANY_OBJECT} for name in dict.fromkeys(used)]
            return {"tools": declared, "tool_choice": {"type": "none"}} if declared else {}
        said: _Json = {"tools": [self._tool(tool) for tool in talk.tools]}
        if choice is not None or talk.parallel_tools is False:
            said["tool_choice"] = _choice(choice, parallel=talk.parallel_tools)
        return said

    def _tool(self, tool: Tool) -> _Json:
        said: _Json = {"name": sent_name(tool.name)}
        if tool.description:
            said["description"] = tool.description
        removed: list[str] = []
        schema = input_schema_of(tool.schema, removed)
        said["input_schema"] = anthropic_strict(schema, removed) if tool.strict else schema
        if tool.strict:
            said["strict"] = True
        self.unsaid += [f"tools.{keyword}" for keyword in removed]
        return said

    def _sampling(self) -> _Json:
        talk = self.conversation
        said: _Json = {}
        for name, value in (("temperature", talk.temperature), ("top_p", talk.top_p), ("top_k", talk.top_k)):
            if value is None:
                continue
            if "sampling" not in self.outgoing.quirks:
                self.unsaid.append(name)
                continue
            said[name] = value
        if said.get("temperature", 0.0) > 1.0:
            # Other wires allow up to 2.
            said["temperature"] = 1.0
            self.unsaid.append("temperature")
        if "temperature" in said and said.pop("top_p", None) is not None:
            # Models take only one of the two.
            self.unsaid.append("top_p")
        # The wire refuses stop sequences of white space only.
        stop = [sequence for sequence in talk.stop if sequence.strip()]
        if len(stop) < len(talk.stop):
            self.unsaid.append("stop")
        return {**said, "stop_sequences": stop} if stop else said

    def _thinking(self, body: _Json, turns: _Turns) -> _Json:
        """Return `thinking` and `output_config`; remove sampling fields that thinking excludes."""
        talk = self.conversation
        config: _Json = {}
        if talk.output is not None:
            if talk.output.schema is None:
                self.unsaid.append("output")
            else:
                removed: list[str] = []
                config["format"] = {"type": "json_schema", "schema": anthropic_strict(talk.output.schema, removed)}
                self.unsaid += [f"output.{keyword}" for keyword in removed]
        effort = talk.reasoning_effort
        if effort == "minimal":
            self.unsaid.append("reasoning_effort")
            effort = "low"
        budget = talk.reasoning_tokens
        if effort == "none":
            return {"thinking": {"type": "disabled"}, **({"output_config": config} if config else {})}
        if effort is not None and effort not in _EFFORTS:
            self.unsaid.append("reasoning_effort")
            effort = None
        said: _Json = {}
        if "thinking_budget" in self.outgoing.quirks:
            said.update(self._budget(_BUDGETS.get(effort or "") if budget is None else budget, body, turns))
        elif effort is not None or budget is not None:
            config["effort"] = effort or _effort_for(budget or 0)
            if not _forces_a_tool(body):
                said["thinking"] = {"type": "adaptive"}
        if config:
            said["output_config"] = config
        if "thinking" in said:
            excluded = [name for name in ("temperature", "top_k") if body.get(name) is not None]
            if body.get("top_p", 1.0) < _LEAST_TOP_P:
                excluded.append("top_p")
            for name in excluded:
                del body[name]
            self.unsaid += excluded
        return said

    def _budget(self, wanted: int | None, body: _Json, turns: _Turns) -> _Json:
        if wanted is None:
            return {}
        budget = min(wanted, body["max_tokens"] - 1)
        if budget < MIN_THINKING_TOKENS or _forces_a_tool(body) or turns.continues_a_tool_call:
            # The wire would refuse this budget: max_tokens must exceed it, no choice may force a
            # tool, and signed thinking must precede tool calls.
            self.unsaid.append("reasoning_effort" if self.conversation.reasoning_tokens is None else "reasoning_tokens")
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}


class _OpenCall(NamedTuple):
    """A tool call without a result: its id in the conversation and its id in the request."""

    said: str
    unique: str


class _Turns:
    """Orders messages for this wire.

    Turns alternate. Tool results follow right after their calls, and come first in their turn.
    """

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self.turns: list[_Json] = []
        self.tools_used: list[str] = []
        self._calls: list[str] = []
        self._open: list[_OpenCall] = []
        self._ids: set[str] = set()

    @property
    def continues_a_tool_call(self) -> bool:
        """Whether the model continues after results of calls that had no signed thinking."""
        return bool(self._calls) and len(self.turns) > 1 and self.turns[-1]["role"] == "user"

    def add_all(self, messages: Iterable[Message]) -> list[_Json]:
        """Add messages; return the blocks of the top-level `system`."""
        system: list[_Json] = []
        in_place = "system_turns" in self._writer.outgoing.quirks
        for message in messages:
            if message.role != "system":
                self._add(message.role, message.parts)
            elif in_place and self.turns and not self._open:
                self._add("system", message.parts)
            else:
                if self.turns:
                    self._writer.unsaid.append("system_position")
                system += self._blocks(message.parts)
        return system

    def check_answered(self) -> None:
        """Refuse tool calls without a result; the provider's own error would be harder to read."""
        if self._open and self.turns[-1]["role"] == "user":
            raise _unanswered(self._open[0].said)

    def trim_prefill(self) -> None:
        """Strip white space from the end of a last assistant turn, where the wire refuses it."""
        last = self.turns[-1]
        if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
            last["content"][-1]["text"] = last["content"][-1]["text"].rstrip()

    def _add(self, role: str, parts: Sequence[Part]) -> None:
        blocks = list(self._blocks(parts))
        if not blocks:
            return
        results = [block for block in blocks if block["type"] == "tool_result"]
        if role == "assistant" and self._open and self.turns[-1]["role"] != "assistant":
            raise _unanswered(self._open[0].said)
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": []})
            if role == "assistant":
                self._calls = []
        content = cast("list[_Json]", self.turns[-1]["content"])
        if results:
            first_other = next((i for i, block in enumerate(content) if block["type"] != "tool_result"), len(content))
            content[first_other:first_other] = results
            content += [block for block in blocks if block["type"] != "tool_result"]
        else:
            content += blocks
        calls = [block for block in blocks if block["type"] == "tool_use"]
        self.tools_used += [call["name"] for call in calls]
        self._calls += [call["id"] for call in calls]
        said = [part.id for part in parts if isinstance(part, ToolUse)]
        self._open += [_OpenCall(said_id, call["id"]) for said_id, call in zip(said, calls, strict=True)]

    def _unique_id(self, said: str) -> str:
        """Return an id that no earlier call has.

        Some servers restart their ids in each answer, or send none.
        """
        unique = anthropic_tool_id(said)
        if unique in self._ids:
            unique = anthropic_tool_id(f"{said}#{len(self._ids)}")
        self._ids.add(unique)
        return unique

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

    def _blocks(self, parts: Iterable[Part]) -> Iterator[_Json]:
        for part in parts:
            match part:
                case Reasoning():
                    # A signature is valid only at its origin. The wire refuses unsigned reasoning.
                    self._writer.unsaid.append("reasoning")
                case ToolResult():
                    yield self._result(part)
                case ToolUse():
                    call = _tool_use(part, fault=Invalid)
                    yield {**call, "id": self._unique_id(part.id), "name": sent_name(part.name)}
                case _:
                    yield from self._readable(part)

    def _readable(self, part: Text | Image | Document | Refusal) -> Iterator[_Json]:
        match part:
            case Text(text, cache):
                if text.strip():
                    yield {"type": "text", "text": text, **_cache_control(cache)}
            case Refusal(text):
                if text.strip():
                    yield {"type": "text", "text": text}
            case Image():
                if part.detail not in (None, "auto"):
                    self._writer.unsaid.append("image_detail")
                yield {"type": "image", "source": _image_source(part)}
            case _:
                title = {"title": part.name} if part.name else {}
                yield {"type": "document", "source": _document_source(part), **title}

    def _result(self, result: ToolResult) -> _Json:
        block: _Json = {"type": "tool_result", "tool_use_id": self._answered(result.tool_use_id)}
        content = [block for part in result.parts for block in self._readable(part)]
        if content:
            block["content"] = content
        if result.is_error:
            block["is_error"] = True
        return block


def _tool_use(call: ToolUse, *, fault: type[Invalid | Upstream]) -> _Json:
    return {
        "type": "tool_use",
        "id": anthropic_tool_id(call.id),
        "name": call.name,
        "input": tool_input(call.arguments, fault=fault),
    }


def _unanswered(tool_use_id: str) -> Invalid:
    return Invalid(
        f"messages: tool call {tool_use_id[:80]!r} has no result in the turn that follows it", param="messages"
    )


def _cache_control(cache: str | None) -> _Json:
    match cache:
        case None:
            return {}
        case "1h":
            return {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
        case _:
            return {"cache_control": {"type": "ephemeral"}}


def _limit_breakpoints(body: _Json) -> None:
    """Keep the last four cache breakpoints, for the longest prefixes; the wire refuses a fifth."""
    blocks: list[_Json] = [*body.get("system", ())]
    for turn in body["messages"]:
        for block in turn["content"]:
            blocks.append(block)
            blocks += block.get("content", ())
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[: max(0, len(marked) - MAX_BREAKPOINTS)]:
        del block["cache_control"]


def _image_source(image: Image) -> _Json:
    if image.data is None:
        return {"type": "url", "url": image.url or ""}
    media_type = "image/jpeg" if image.media_type == "image/jpg" else image.media_type
    if media_type not in _IMAGE_TYPES:
        raise Invalid(
            f"messages: an image of type {(image.media_type or 'unknown')[:40]!r} cannot be sent to this model; "
            "send jpeg, png, gif or webp",
            param="messages",
        )
    return {"type": "base64", "media_type": media_type, "data": image.data}


def _document_source(document: Document) -> _Json:
    if document.data is None:
        return {"type": "url", "url": document.url or ""}
    if document.media_type == "application/pdf":
        return {"type": "base64", "media_type": "application/pdf", "data": document.data}
    if document.media_type is None or not document.media_type.startswith("text/"):
        raise Invalid(
            f"messages: a file of type {(document.media_type or 'unknown')[:40]!r} cannot be sent to this model; "
            "send PDF or plain text",
            param="messages",
        )
    try:
        text = base64.b64decode(document.data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise Invalid("messages: a text file is not base64 of UTF-8", param="messages") from exc
    return {"type": "text", "media_type": "text/plain", "data": text}


def _choice(choice: ToolChoice | None, *, parallel: bool | None) -> _Json:
    said: _Json = {"type": "auto"}
    match choice:
        case ToolChoice("required"):
            said = {"type": "any"}
        case ToolChoice("named", name):
            said = {"type": "tool", "name": sent_name(name or "")}
        case ToolChoice("none"):
            return {"type": "none"}
        case _:
            pass
    if parallel is not None:
        said["disable_parallel_tool_use"] = not parallel
    return said


def _forces_a_tool(body: _Json) -> bool:
    return body.get("tool_choice", {}).get("type") in ("any", "tool")


def _effort_for(budget: int) -> str:
    return next((effort for effort, tokens in _BUDGETS.items() if budget <= tokens), "max")
