"""From the typed form to OpenAI's chat requests and answers. What the wire cannot say is named by `unsaid`.

Quirks are listed in `openai_calls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from headgate.wire.openai_calls import limit_name
from headgate.wire.openai_words import finish_reason_of, openai_tool_id, tokens_of

_Json = dict[str, Any]

_MAX_STOPS: Final = 4
_REASONING_KEYS: Final = ("reasoning_content", "reasoning")
_EFFORTS: Final = ((2048, "low"), (12_000, "medium"))


def write_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request.

    Raises:
        Invalid: no request of this wire says the same.
    """
    return msgspec.json.encode(_Writer(conversation, outgoing).request())


def unsaid(conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
    """Return what of a conversation `write_request` leaves out, by the names of our fields, in order.

    Raises:
        Invalid: as `write_request`.
    """
    writer = _Writer(conversation, outgoing)
    writer.request()
    return tuple(dict.fromkeys(writer.unsaid))


def write_answer(reply: Reply, *, model: str, created: int = 0, legacy: bool = False) -> bytes:
    """Write an answer of another wire as a chat completion; `legacy`: its first call as `function_call`."""
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
    """Writes one request, noting what it leaves out."""

    def __init__(self, conversation: Conversation, outgoing: Outgoing) -> None:
        self._conversation = conversation
        self._outgoing = outgoing
        self._quirks = outgoing.quirks
        self._reasoning_key = next((key for key in _REASONING_KEYS if key in outgoing.quirks), None)
        self.unsaid: list[str] = []

    def request(self) -> _Json:
        said = self._conversation
        body: _Json = {"model": self._outgoing.model}
        body["messages"] = [turn for message in said.messages for turn in self._turns(message)]
        body.update(self._tools())
        body.update(self._limit())
        body.update(self._sampling())
        body.update(self._output())
        body.update(self._effort())
        if said.user is not None:
            body["user"] = said.user
        if said.stream:
            body["stream"] = True
            if "no_stream_options" not in self._quirks:
                body["stream_options"] = {"include_usage": True}
        return body

    def _turns(self, message: Message) -> Iterator[_Json]:
        match message.role:
            case "system":
                role = "developer" if "developer_role" in self._quirks else "system"
                yield {"role": role, "content": self._content(message.parts)}
            case "user":
                yield from self._user_turns(message.parts)
            case "assistant":
                yield self._assistant_turn(message.parts)

    def _user_turns(self, parts: Sequence[Part]) -> Iterator[_Json]:
        """Give a message for each tool result, next to the call that it answers, then one for the rest."""
        rest: list[Part] = []
        for part in parts:
            if not isinstance(part, ToolResult):
                rest.append(part)
                continue
            if part.is_error:
                self.unsaid.append("tool_result.is_error")
            # Tool messages hold text only; what else a tool answered follows as the user's.
            rest += [inner for inner in part.parts if not isinstance(inner, Text)]
            text = self._content([inner for inner in part.parts if isinstance(inner, Text)])
            yield {"role": "tool", "tool_call_id": openai_tool_id(part.tool_use_id), "content": text}
        if rest:
            yield {"role": "user", "content": self._content(rest)}

    def _assistant_turn(self, parts: Sequence[Part]) -> _Json:
        turn: _Json = {"role": "assistant"}
        texts = [part for part in parts if isinstance(part, Text)]
        calls = [_call(part) for part in parts if isinstance(part, ToolUse)]
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

    def _content(self, parts: Sequence[Part]) -> str | list[_Json]:
        """Return text as a string where there is one text, which every server understands, else the list of parts."""
        if any(isinstance(part, Text) and part.cache for part in parts):
            self.unsaid.append("cache")
        match parts:
            case []:
                return ""
            case [Text(text)]:
                return text
            case _:
                return [_part(part) for part in parts if not (isinstance(part, Text) and not part.text)]

    def _tools(self) -> _Json:
        said = self._conversation
        if not said.tools:
            return {}
        body: _Json = {"tools": [_tool(tool) for tool in said.tools]}
        if said.tool_choice is not None:
            body["tool_choice"] = _choice(said.tool_choice, said.tools)
        if said.parallel_tools is not None:
            body["parallel_tool_calls"] = said.parallel_tools
        return body

    def _limit(self) -> _Json:
        asked = self._conversation.max_tokens
        if asked == 0:
            # Anthropic takes it, to warm a cache; left out, it would mean as many tokens as there may be.
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
        if output.strict is not None:
            schema["strict"] = output.strict
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


def _part(part: Part) -> _Json:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
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
            return {"type": "file", "file": {"filename": part.name or "document", "file_data": data}}
        case Refusal(text):
            return {"type": "refusal", "refusal": text}
        case _:
            raise Invalid(f"a message may not hold a {type(part).__name__.lower()} here", param="messages")


def _call(part: ToolUse) -> _Json:
    function = {"name": part.name, "arguments": part.arguments or "{}"}
    return {"id": openai_tool_id(part.id), "type": "function", "function": function}


def _tool(tool: Tool) -> _Json:
    function: _Json = {"name": tool.name, "parameters": tool.schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice, tools: Sequence[Tool]) -> str | _Json:
    if choice.mode != "named":
        return choice.mode
    if choice.name not in {tool.name for tool in tools}:
        raise Invalid("tool_choice names a tool that is not in tools", param="tool_choice")
    return {"type": "function", "function": {"name": choice.name}}
