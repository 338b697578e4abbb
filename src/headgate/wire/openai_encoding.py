"""Encodes the typed form as OpenAI's chat requests and answers.

`unsaid` names the lost fields. `openai_calls` lists the quirks.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from headgate.kernel.errors import Invalid
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
from headgate.wire.openai_calls import limit_name
from headgate.wire.openai_words import finish_reason_of, openai_tool_id, tokens_of
from headgate.wire.schemas import input_schema_of, is_openai_strict, openai_parameters

_Json = dict[str, Any]

_MAX_STOPS: Final = 4
_MAX_USER_CHARS: Final = 64
_REASONING_KEYS: Final = ("reasoning_content", "reasoning")
_EFFORTS: Final = ((2048, "low"), (12_000, "medium"))


def write_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request.

    Raises:
        Invalid: this wire format cannot express the conversation.
    """
    return msgspec.json.encode(_Writer(conversation, outgoing).request())


def unsaid(conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
    """Return the names of our fields that `write_request` leaves out, in order.

    Raises:
        Invalid: as `write_request`.
    """
    writer = _Writer(conversation, outgoing)
    writer.request()
    return tuple(dict.fromkeys(writer.unsaid))


def write_answer(reply: Reply, *, model: str, created: int = 0, legacy: bool = False) -> bytes:
    """Write an answer of another wire as a chat completion.

    Args:
        legacy: whether to write the first tool call as `function_call`.
    """
    text = "".join(part.text for part in reply.parts if isinstance(part, Text))
    refusal = "".join(part.text for part in reply.parts if isinstance(part, Refusal))
    reasoning = "".join(part.text for part in reply.parts if isinstance(part, Reasoning))
    calls = [_call(part) for part in reply.parts if isinstance(part, ToolUse)]
    message: _Json = {"role": "assistant", "content": text or None, "refusal": refusal or None}
    if reasoning:
        message["reasoning_content"] = reasoning
    finish = finish_reason_of(reply.stop_reason, has_called=bool(calls))
    if calls and legacy:
        message["function_call"] = calls[0]["function"]
        finish = "function_call" if finish == "tool_calls" else finish
    elif calls:
        message["tool_calls"] = calls
    choice: _Json = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return msgspec.json.encode(
        {
            "id": reply.id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice],
            "usage": tokens_of(reply.usage),
        }
    )


class _Writer:
    """Writes one request, and notes the fields that it leaves out."""

    def __init__(self, conversation: Conversation, outgoing: Outgoing) -> None:
        self._conversation = conversation
        self._outgoing = outgoing
        self._quirks = outgoing.quirks
        self._reasoning_key = next((key for key in _REASONING_KEYS if key in outgoing.quirks), None)
        self._tool_names: dict[str, str] = {}
        self.unsaid: list[str] = []

    def request(self) -> _Json:
        said = self._conversation
        body: _Json = {"model": self._outgoing.model}
        messages = said.messages if "system_turns" in self._quirks else self._with_system_first(said.messages)
        self._tool_names = {
            part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolUse)
        }
        body["messages"] = [turn for message in messages for turn in self._turns(message)]
        body.update(self._tools())
        body.update(self._limit())
        body.update(self._sampling())
        body.update(self._output())
        body.update(self._effort())
        if said.user is not None:
            body["user"] = self._user(said.user)
        if said.stream:
            body["stream"] = True
            if "no_stream_options" not in self._quirks:
                body["stream_options"] = {"include_usage": True}
        return body

    def _user(self, name: str) -> str:
        """Return the user's name, or a stable digest of a name that is too long for the wire."""
        if len(name) <= _MAX_USER_CHARS:
            return name
        self.unsaid.append("user")
        return hashlib.sha256(name.encode()).hexdigest()

    def _with_system_first(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return the messages with all system text in one message at the start.

        The templates of many models accept no other form.
        """
        system = [part for message in messages if message.role == "system" for part in message.parts]
        others = [message for message in messages if message.role != "system"]
        if not system:
            return messages
        before = next((place for place, message in enumerate(messages) if message.role != "system"), len(messages))
        if any(message.role == "system" for message in messages[before:]):
            self.unsaid.append("system_position")
        return (Message("system", tuple(system)), *others)

    def _turns(self, message: Message) -> Iterator[_Json]:
        match message.role:
            case "system":
                role = "developer" if "developer_role" in self._quirks else "system"
                yield {"role": role, "content": self._content(message.parts, between="\n\n")}
            case "user":
                yield from self._user_turns(message.parts)
            case "assistant":
                yield self._assistant_turn(message.parts)

    def _user_turns(self, parts: Sequence[Part]) -> Iterator[_Json]:
        """Yield one message for each tool result, right after its call, then one for the rest."""
        rest: list[Part] = []
        for part in parts:
            if not isinstance(part, ToolResult):
                rest.append(part)
                continue
            if part.is_error:
                self.unsaid.append("tool_result.is_error")
            # Tool messages hold text only. Media follow in a user message, under the call's name.
            told = [_as_text(inner) for inner in part.parts]
            media = [inner for inner in told if not isinstance(inner, Text)]
            if media:
                rest += [Text(self._label(part.tool_use_id)), *media]
            text = self._content([inner for inner in told if isinstance(inner, Text)])
            yield {"role": "tool", "tool_call_id": openai_tool_id(part.tool_use_id), "content": text}
        if rest:
            yield {"role": "user", "content": self._content(rest)}

    def _label(self, tool_use_id: str) -> str:
        name = self._tool_names.get(tool_use_id)
        of = f" of {sent_name(name)}" if name else ""
        return f"From the result of tool call {openai_tool_id(tool_use_id)}{of}:"

    def _assistant_turn(self, parts: Sequence[Part]) -> _Json:
        turn: _Json = {"role": "assistant"}
        texts = [part for part in parts if isinstance(part, Text)]
        calls = [_call(replace(part, name=sent_name(part.name))) for part in parts if isinstance(part, ToolUse)]
        refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
        reasoning = "".join(part.text for part in parts if isinstance(part, Reasoning))
        turn["content"] = self._content(texts) if texts else ("" if not calls and not refusal else None)
        if refusal:
            turn["refusal"] = refusal
        if reasoning and self._reasoning_key is not None:
            turn[self._reasoning_key] = reasoning
        if any(isinstance(part, Reasoning) for part in parts) and (self._reasoning_key is None or not reasoning):
            self.unsaid.append("reasoning")
        if calls:
            turn["tool_calls"] = calls
        return turn

    def _content(self, said: Sequence[Part], *, between: str = "\n") -> str | list[_Json]:
        """Return text alone as a string, which every server understands, or else the parts."""
        parts = [part for part in map(_as_text, said) if not isinstance(part, Text) or part.text]
        texts = [part for part in parts if isinstance(part, Text)]
        takes_marks = "cache_breakpoints" in self._quirks
        has_marks = any(part.cache for part in texts)
        if has_marks and not takes_marks:
            self.unsaid.append("cache")
        is_plain = len(texts) < 2 or "text_parts" not in self._quirks
        if is_plain and len(texts) == len(parts) and not (has_marks and takes_marks):
            return between.join(part.text for part in texts)
        return [_part(part, marks=takes_marks) for part in parts]

    def _tools(self) -> _Json:
        said = self._conversation
        if not said.tools:
            return {}
        body: _Json = {"tools": [self._tool(tool) for tool in said.tools]}
        if said.tool_choice is not None:
            body["tool_choice"] = _choice(said.tool_choice, said.tools)
        if said.parallel_tools is not None:
            body["parallel_tool_calls"] = said.parallel_tools
        return body

    def _tool(self, tool: Tool) -> _Json:
        removed: list[str] = []
        schema = openai_parameters(input_schema_of(tool.schema, removed))
        self.unsaid += [f"tools.{keyword}" for keyword in removed]
        function: _Json = {"name": sent_name(tool.name), "parameters": schema}
        if tool.description is not None:
            function["description"] = tool.description
        strict = self._strict(tool.strict, schema, "tools")
        if strict is not None:
            function["strict"] = strict
        return {"type": "function", "function": function}

    def _strict(self, asked: bool | None, schema: Mapping[str, Any], where: str) -> bool | None:
        """Return whether to have the provider enforce a schema.

        It cannot enforce a schema with an open object or an optional property.
        """
        if not asked or is_openai_strict(schema):
            return asked
        self.unsaid.append(f"{where}.strict")
        return False

    def _limit(self) -> _Json:
        asked = self._conversation.max_tokens
        if asked == 0:
            # Anthropic accepts 0, to warm a cache. Omitting it here would remove the limit.
            raise Invalid("max_tokens: must be at least 1 for this model", param="max_tokens")
        limits = [limit for limit in (asked, self._outgoing.cap_output_tokens) if limit]
        return {limit_name(self._quirks): min(limits)} if limits else {}

    def _sampling(self) -> _Json:
        said = self._conversation
        body: _Json = {}
        for name, value in (("temperature", said.temperature), ("top_p", said.top_p)):
            if value is None:
                continue
            if "fixed_sampling" in self._quirks:
                self.unsaid.append(name)
            else:
                body[name] = value
        if said.top_k is not None:
            if "top_k" in self._quirks:
                body["top_k"] = said.top_k
            else:
                self.unsaid.append("top_k")
        if said.stop:
            body["stop"] = list(said.stop[:_MAX_STOPS])
            if len(said.stop) > _MAX_STOPS:
                self.unsaid.append("stop")
        if said.seed is not None:
            body["seed"] = said.seed
        return body

    def _output(self) -> _Json:
        output = self._conversation.output
        if output is None:
            return {}
        if output.schema is None:
            return {"response_format": {"type": "json_object"}}
        schema: _Json = {"name": output.name, "schema": output.schema}
        strict = self._strict(output.strict, output.schema, "output")
        if strict is not None:
            schema["strict"] = strict
        return {"response_format": {"type": "json_schema", "json_schema": schema}}

    def _effort(self) -> _Json:
        said = self._conversation
        effort = said.reasoning_effort
        if effort is None and said.reasoning_tokens is not None:
            effort = next((name for limit, name in _EFFORTS if said.reasoning_tokens <= limit), "high")
        if effort is None:
            return {}
        if "reasoning_effort" not in self._quirks:
            self.unsaid.append("reasoning_effort")
            return {}
        return {"reasoning_effort": effort}


def _as_text(part: Part) -> Part:
    """Return a text document as text, under its title; the wire's files are for other formats."""
    if not isinstance(part, Document) or part.data is None or not (part.media_type or "").startswith("text/"):
        return part
    try:
        text = base64.b64decode(part.data, validate=True).decode()
    except ValueError as exc:
        raise Invalid("messages: a text file is not base64 of UTF-8", param="messages") from exc
    return Text(f"{part.name}\n\n{text}" if part.name else text)


def _part(part: Part, *, marks: bool) -> _Json:
    match part:
        case Text(text, cache):
            mark: _Json = {"prompt_cache_breakpoint": {"mode": "explicit"}} if cache and marks else {}
            return {"type": "text", "text": text, **mark}
        case Image():
            url = part.url if part.data is None else f"data:{part.media_type or 'image/png'};base64,{part.data}"
            image: _Json = {"url": url}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case Document():
            if part.data is None:
                raise Invalid("this model takes no documents by address; send the document itself", param="messages")
            media_type = part.media_type or "application/pdf"
            data = f"data:{media_type};base64,{part.data}"
            # The wire demands a name. This default tells nothing about the document.
            return {"type": "file", "file": {"filename": part.name or "document", "file_data": data}}
        case Refusal(text):
            return {"type": "refusal", "refusal": text}
        case _:
            raise Invalid(f"a message may not hold a {type(part).__name__.lower()} here", param="messages")


def _call(part: ToolUse) -> _Json:
    function = {"name": part.name, "arguments": part.arguments or "{}"}
    return {"id": openai_tool_id(part.id), "type": "function", "function": function}


def _choice(choice: ToolChoice, tools: Sequence[Tool]) -> str | _Json:
    if choice.mode != "named":
        return choice.mode
    if choice.name not in {tool.name for tool in tools}:
        raise Invalid("tool_choice names a tool that is not in tools", param="tool_choice")
    return {"type": "function", "function": {"name": sent_name(choice.name or "")}}
