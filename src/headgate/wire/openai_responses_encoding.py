"""Encodes the typed form as requests and answers of OpenAI's Responses wire.

`unsaid` names the lost fields. `openai_responses_calls` lists the quirks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
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
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Outgoing
from headgate.wire.names import sent_name
from headgate.wire.openai_responses_words import (
    CalledTool,
    call_id,
    called_tools,
    echoed,
    incomplete_reason,
    item_id,
    response_id,
    text_input,
    usage_of,
)
from headgate.wire.schemas import input_schema_of, is_openai_strict, openai_parameters

_Json = dict[str, Any]

_MIN_OUTPUT_TOKENS: Final = 16
_MAX_USER_CHARS: Final = 64
_EFFORTS: Final = ((2048, "low"), (12_000, "medium"))


def write_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request.

    Raises:
        Invalid: this wire format cannot express the conversation.
    """
    return msgspec.json.encode(_Writer(conversation, outgoing).request())


def unsaid(conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
    """Return the names of our fields that `write_request` leaves out, in order."""
    writer = _Writer(conversation, outgoing)
    writer.request()
    return tuple(dict.fromkeys(writer.unsaid))


def write_answer(reply: Reply, *, fields: Mapping[str, Any], model: str, created: int) -> bytes:
    """Write an answer of another wire as a response.

    Args:
        fields: the client's request, which the response repeats.
    """
    has_called = any(isinstance(part, ToolUse) for part in reply.parts)
    has_refused = any(isinstance(part, Refusal) for part in reply.parts)
    reason = incomplete_reason(reply.stop_reason, has_called=has_called, has_refused=has_refused)
    told = response_id(reply.id)
    return msgspec.json.encode(
        {
            **response_head(fields, answer=told, model=model, created=created),
            "status": "incomplete" if reason else "completed",
            "completed_at": None if reason else created,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": list(_items(reply.parts, answer=told, tools=called_tools(fields), is_whole=reason is None)),
            "usage": usage_of(reply.usage),
        }
    )


def response_head(fields: Mapping[str, Any], *, answer: str, model: str, created: int) -> _Json:
    """Return a response that has just begun."""
    return {
        "id": answer,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        **echoed(fields),
        "model": model,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }


def message_item(answer: str, index: int, content: Sequence[_Json], *, status: str) -> _Json:
    """Return the output item of a message."""
    head = {"id": item_id("msg", answer, index), "type": "message", "status": status, "role": "assistant"}
    return {**head, "content": content}


def reasoning_item(answer: str, index: int, text: str | None) -> _Json:
    """Return the output item of reasoning; other wires' reasoning appears as a summary."""
    summary = [] if text is None else [{"type": "summary_text", "text": text}]
    return {"id": item_id("rs", answer, index), "type": "reasoning", "summary": summary}


def tool_item(answer: str, index: int, call: ToolUse, tool: CalledTool | None, *, status: str) -> _Json:
    """Return the output item of a tool call, in the form of the client's own tool."""
    tool = tool or CalledTool(call.name)
    prefix, kind = ("ctc", "custom_tool_call") if tool.is_custom else ("fc", "function_call")
    item: _Json = {
        "id": item_id(prefix, answer, index),
        "type": kind,
        "status": status,
        "call_id": call_id(call.id, answer, index),
        "name": tool.name,
    }
    if tool.namespace is not None:
        item["namespace"] = tool.namespace
    if tool.is_custom:
        return {**item, "input": text_input(call.arguments) if call.arguments else ""}
    return {**item, "arguments": call.arguments}


def output_text(text: str) -> _Json:
    """Return a part of a message with text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> _Json:
    """Return a part of a message with a refusal."""
    return {"type": "refusal", "refusal": text}


def _items(parts: Sequence[Part], *, answer: str, tools: Mapping[str, CalledTool], is_whole: bool) -> Iterator[_Json]:
    """Yield the output items; adjacent text becomes one message."""
    status = "completed" if is_whole else "incomplete"
    content: list[_Json] = []
    index = 0
    for part in parts:
        match part:
            case Text(text) if text:
                content.append(output_text(text))
                continue
            case Refusal(text) if text:
                content.append(refusal_part(text))
                continue
            case Reasoning(text) if text:
                item = reasoning_item(answer, index + bool(content), text)
            case ToolUse():
                arguments = part.arguments or "{}"
                whole = ToolUse(part.id, part.name, arguments)
                item = tool_item(answer, index + bool(content), whole, tools.get(part.name), status=status)
            case _:
                continue
        if content:
            yield message_item(answer, index, content, status=status)
            content, index = [], index + 1
        yield item
        index += 1
    if content:
        yield message_item(answer, index, content, status=status)


class _Writer:
    """Writes one request, and notes the fields that it leaves out."""

    def __init__(self, conversation: Conversation, outgoing: Outgoing) -> None:
        self._conversation = conversation
        self._outgoing = outgoing
        self.unsaid: list[str] = []

    def request(self) -> _Json:
        said = self._conversation
        body: _Json = {"model": self._outgoing.model}
        body["input"] = [item for message in said.messages for item in self._turn(message)]
        if not body["input"]:
            raise Invalid("messages: at least one message with content is needed", param="messages")
        body["store"] = False
        body.update(self._tools())
        body.update(self._sampling())
        body.update(self._output())
        if said.user is not None:
            body["safety_identifier"] = self._user(said.user)
        if said.stream:
            body["stream"] = True
        return body

    def _user(self, name: str) -> str:
        if len(name) <= _MAX_USER_CHARS:
            return name
        self.unsaid.append("user")
        return hashlib.sha256(name.encode()).hexdigest()

    def _turn(self, message: Message) -> Iterator[_Json]:
        """Yield the items of a turn, in the order of its parts."""
        role = "developer" if message.role == "system" else message.role
        content: list[_Json] = []
        for part in message.parts:
            if isinstance(part, (Text, Refusal, Image, Document)):
                content += self._content(part, role)
                continue
            if content:
                yield {"role": role, "content": content}
                content = []
            match part:
                case ToolUse():
                    name, arguments = sent_name(part.name), part.arguments or "{}"
                    call = call_id(part.id, "", 0)
                    yield {"type": "function_call", "call_id": call, "name": name, "arguments": arguments}
                case ToolResult():
                    yield self._result(part)
                case _:
                    # The provider takes back its own reasoning only, and in encrypted form.
                    self.unsaid.append("reasoning")
        if content:
            yield {"role": role, "content": content}

    def _result(self, result: ToolResult) -> _Json:
        if result.is_error:
            self.unsaid.append("tool_result.is_error")
        output: str | list[_Json]
        if all(isinstance(part, Text) for part in result.parts):
            output = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        else:
            output = [item for part in result.parts for item in self._content(part, "user")]
        return {"type": "function_call_output", "call_id": call_id(result.tool_use_id, "", 0), "output": output}

    def _content(self, part: Text | Refusal | Image | Document, role: str) -> Iterator[_Json]:
        match part:
            case Text(text, cache):
                if cache is not None:
                    self.unsaid.append("cache")
                if text:
                    yield {"type": "output_text" if role == "assistant" else "input_text", "text": text}
            case Refusal(text):
                yield {"type": "refusal", "refusal": text}
            case Image():
                url = part.url if part.data is None else f"data:{part.media_type or 'image/png'};base64,{part.data}"
                yield {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
            case Document():
                if part.data is None:
                    yield {"type": "input_file", "file_url": part.url}
                    return
                data = f"data:{part.media_type or 'application/pdf'};base64,{part.data}"
                yield {"type": "input_file", "filename": part.name or "document", "file_data": data}

    def _tools(self) -> _Json:
        said = self._conversation
        if not said.tools:
            return {}
        body: _Json = {"tools": [self._tool(tool) for tool in said.tools]}
        choice = said.tool_choice
        if choice is not None and choice.mode == "named":
            if choice.name not in {tool.name for tool in said.tools}:
                raise Invalid("tool_choice names a tool that is not in tools", param="tool_choice")
            body["tool_choice"] = {"type": "function", "name": sent_name(choice.name or "")}
        elif choice is not None:
            body["tool_choice"] = choice.mode
        if said.parallel_tools is not None:
            body["parallel_tool_calls"] = said.parallel_tools
        return body

    def _tool(self, tool: Tool) -> _Json:
        removed: list[str] = []
        schema = openai_parameters(input_schema_of(tool.schema, removed))
        self.unsaid += [f"tools.{keyword}" for keyword in removed]
        strict = self._strict(tool.strict, schema, "tools")
        # An absent `strict` means true on this wire.
        item: _Json = {"type": "function", "name": sent_name(tool.name), "parameters": schema, "strict": strict}
        return item if tool.description is None else {**item, "description": tool.description}

    def _strict(self, asked: bool | None, schema: Mapping[str, Any], where: str) -> bool:
        if not asked or is_openai_strict(schema):
            return bool(asked)
        self.unsaid.append(f"{where}.strict")
        return False

    def _sampling(self) -> _Json:
        said = self._conversation
        body: _Json = {}
        limits = [limit for limit in (said.max_tokens, self._outgoing.cap_output_tokens) if limit is not None]
        if limits:
            body["max_output_tokens"] = max(min(limits), _MIN_OUTPUT_TOKENS)
            if min(limits) < _MIN_OUTPUT_TOKENS:
                self.unsaid.append("max_tokens")
        for name, value in (("temperature", said.temperature), ("top_p", said.top_p)):
            if value is not None and "fixed_sampling" not in self._outgoing.quirks:
                body[name] = value
            elif value is not None:
                self.unsaid.append(name)
        lost = (("top_k", said.top_k), ("stop", said.stop or None), ("seed", said.seed))
        self.unsaid += [name for name, value in lost if value is not None]
        effort = said.reasoning_effort
        if effort is None and said.reasoning_tokens is not None:
            effort = next((name for limit, name in _EFFORTS if said.reasoning_tokens <= limit), "high")
        if effort is not None:
            body["reasoning"] = {"effort": effort}
        return body

    def _output(self) -> _Json:
        output = self._conversation.output
        if output is None:
            return {}
        if output.schema is None:
            return {"text": {"format": {"type": "json_object"}}}
        strict = self._strict(output.strict, output.schema, "output")
        schema: _Json = {"type": "json_schema", "name": output.name, "schema": output.schema, "strict": strict}
        return {"text": {"format": schema}}
