"""Decodes OpenAI's chat requests and answers into the typed form.

`Conversation.dropped` names the fields that the typed form cannot carry. The decoder refuses a
message with an unsupported part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    OutputSchema,
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
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import ModelReply
from headgate.wire.openai_calls import is_legacy, wants_usage
from headgate.wire.openai_words import matched_stop
from headgate.wire.unportable import check_offered, is_meaningless, refuse_openai

_Json = Mapping[str, Any]

_CARRIED: Final = frozenset(
    {
        *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens"),
        *("temperature", "top_p", "top_k", "stop", "seed", "response_format", "reasoning_effort", "user", "stream"),
        *("stream_options", "safety_identifier", "functions", "function_call"),
    }
)
_READ: Final = frozenset(
    {"role", "content", "tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning"}
)
"""The fields of a message that the decoder reads, if the message's role has them."""

_MODES: Final[Mapping[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
}


def read_conversation(document: JsonDocument) -> Conversation:
    """Build the typed form of a request.

    Raises:
        Invalid: a message has an invalid form; `param` names the message.
    """
    return _Reader(document.fields()).conversation()


def read_answer(reply: ModelReply, document: JsonDocument) -> Reply:
    """Build the typed form of an answer's first choice."""
    fields = document.fields()
    choices = _objects(fields.get("choices"))
    if not choices:
        raise Upstream("the provider's answer has no choices", retryable=False)
    choice = choices[0]
    message = _object(choice.get("message"))
    return Reply(
        id=str(fields.get("id") or ""),
        model=str(fields.get("model") or ""),
        parts=tuple(_assistant_parts(message)),
        stop_reason=reply.stop_reason,
        stop_sequence=matched_stop(choice),
        usage=reply.usage,
    )


class _Reader:
    """Reads one request, and notes the fields that it drops."""

    def __init__(self, fields: _Json) -> None:
        self._fields = fields
        self._dropped: list[str] = []
        self._left_out: dict[str, str] = {}
        self._allowed: set[str] | None = None

    def conversation(self) -> Conversation:
        fields = self._fields
        messages = tuple(self._messages(_objects(fields.get("messages"))))
        tools = tuple(self._tools())
        limits = [limit for name in ("max_completion_tokens", "max_tokens") if (limit := fields.get(name)) is not None]
        output = self._output()
        choice = self._choice(tools)
        if self._allowed is not None:
            tools = tuple(tool for tool in tools if tool.name in self._allowed)
        check_offered(tools, self._left_out, choice)
        carried = _CARRIED if is_legacy(fields) else _CARRIED - {"functions", "function_call"}
        for name, value in fields.items():
            if name not in carried and not is_meaningless(name, value):
                refuse_openai(name)
                self._dropped.append(name)
        user = fields.get("safety_identifier") or fields.get("user")
        if fields.get("user") not in (None, user):
            self._dropped.append("user")
        return Conversation(
            messages=messages,
            tools=tools,
            tool_choice=choice,
            parallel_tools=False if is_legacy(fields) else fields.get("parallel_tool_calls"),
            max_tokens=min(limits) if limits else None,
            temperature=fields.get("temperature"),
            top_p=fields.get("top_p"),
            top_k=_integer(fields.get("top_k")),
            stop=_stops(fields.get("stop")),
            seed=fields.get("seed"),
            output=output,
            reasoning_effort=fields.get("reasoning_effort"),
            user=user,
            stream=fields.get("stream") is True,
            include_usage=wants_usage(fields),
            dropped=tuple(dict.fromkeys(self._dropped)),
        )

    def _messages(self, messages: Sequence[_Json]) -> Iterator[Message]:
        """Yield messages in order; consecutive tool messages become one turn."""
        results: list[Part] = []
        for index, message in enumerate(messages):
            where = f"messages[{index}]"
            role = message.get("role")
            if role in ("tool", "function"):
                results.append(self._result(message, where))
                continue
            if results:
                yield Message("user", tuple(results))
                results = []
            match role:
                case "system" | "developer":
                    yield Message("system", tuple(self._parts(message.get("content"), where)))
                case "user":
                    yield Message("user", tuple(self._parts(message.get("content"), where)))
                case "assistant":
                    self._check_read(message, where)
                    yield Message("assistant", tuple(_assistant_parts(message)))
                case _:
                    raise Invalid(f"{where}.role is none that this model knows", param=f"{where}.role")
            for name, value in message.items():
                if name not in _READ and not is_meaningless(name, value):
                    self._dropped.append(f"{where}.{name}")
        if results:
            yield Message("user", tuple(results))

    def _check_read(self, message: _Json, where: str) -> None:
        """Note an assistant message's parts without a typed form.

        Raises:
            Invalid: the message refers to audio that only the provider holds.
        """
        if message.get("audio") is not None:
            name = f"{where}.audio"
            raise Invalid(f"{name}: audio that only its provider holds cannot be sent to this model", param=name)
        for index, part in enumerate(_objects(message.get("content"))):
            if _part(part) is None:
                self._dropped.append(f"{where}.content[{index}].{part.get('type')}")

    def _result(self, message: _Json, where: str) -> ToolResult:
        tool_id = message.get("tool_call_id")
        if tool_id is None:
            tool_id = message.get("name")  # calls of the older functions have no ids
        if not isinstance(tool_id, str):
            raise Invalid(f"{where}.tool_call_id must be a string", param=f"{where}.tool_call_id")
        parts = self._parts(message.get("content"), where)
        return ToolResult(tool_id, tuple(part for part in parts if isinstance(part, (Text, Image, Document))))

    def _parts(self, content: Any, where: str) -> Iterator[Part]:
        if isinstance(content, str):
            yield Text(content)
            return
        for index, part in enumerate(_objects(content)):
            name = f"{where}.content[{index}]"
            read = _part(part)
            if read is None:
                # Without this part, the request would mean something else.
                raise Invalid(f"{name}: a {str(part.get('type'))[:40]} part cannot be sent to this model", param=name)
            yield read

    def _tools(self) -> Iterator[Tool]:
        """Yield the tools that any model can call, and the older functions."""
        if is_legacy(self._fields):
            for index, function in enumerate(_objects(self._fields.get("functions"))):
                yield _tool(function, f"functions[{index}]")
            return
        for index, tool in enumerate(_objects(self._fields.get("tools"))):
            function = tool.get("function")
            if tool.get("type", "function") != "function" or not isinstance(function, dict):
                kind = str(tool.get("type"))
                self._dropped.append(f"tools[{index}].{kind}")
                name = _object(tool.get(kind)).get("name") or tool.get("name")
                self._left_out[str(name or kind)] = kind
                continue
            yield _tool(cast("_Json", function), f"tools[{index}].function")

    def _choice(self, tools: Sequence[Tool]) -> ToolChoice | None:
        choice = self._fields.get("function_call" if is_legacy(self._fields) else "tool_choice")
        if isinstance(choice, str):
            mode = _MODES.get(choice)
            if mode is None:
                raise Invalid("tool_choice must be auto, none, required or name a tool", param="tool_choice")
            return ToolChoice(mode)
        if choice is None:
            return None
        said = _object(choice)
        if said.get("type") == "allowed_tools":
            return self._choice_of_allowed(_object(said.get("allowed_tools")), {tool.name for tool in tools})
        name = (_object(said.get("function")) or _object(said.get(str(said.get("type")))) or said).get("name")
        check_offered(tools, self._left_out, ToolChoice("named", _text(name)))
        if not isinstance(name, str) or name not in {tool.name for tool in tools}:
            raise Invalid("tool_choice names a tool that this model is not offered", param="tool_choice")
        return ToolChoice("named", name)

    def _choice_of_allowed(self, allowed: _Json, offered: set[str]) -> ToolChoice:
        """Return the mode of an `allowed_tools` choice, and keep only the allowed tools."""
        mode = allowed.get("mode")
        if mode not in ("auto", "required"):
            raise Invalid("tool_choice.allowed_tools.mode must be auto or required", param="tool_choice")
        names = {
            str((_object(tool.get("function")) or _object(tool.get(str(tool.get("type")))) or tool).get("name"))
            for tool in _objects(allowed.get("tools"))
        }
        unknown = names - offered - self._left_out.keys()
        if unknown or not names:
            raise Invalid("tool_choice.allowed_tools names no tool, or one that is not in tools", param="tool_choice")
        self._allowed = names & offered
        if not self._allowed:
            raise Invalid("tool_choice.allowed_tools: this model can be given none of them", param="tool_choice")
        return ToolChoice(mode)

    def _output(self) -> OutputSchema | None:
        output = _object(self._fields.get("response_format"))
        match output.get("type"):
            case None | "text":
                return None
            case "json_object":
                return OutputSchema("answer", None)
            case "json_schema":
                said = _object(output.get("json_schema"))
                strict = said.get("strict")
                described = {"description": text} if (text := _text(said.get("description"))) else {}
                return OutputSchema(
                    str(said.get("name") or "answer"),
                    {**described, **_object(said.get("schema"))},
                    strict if isinstance(strict, bool) else None,
                )
            case _:
                self._dropped.append("response_format")
                return None


def _tool(said: _Json, where: str) -> Tool:
    name = said.get("name")
    if not isinstance(name, str):
        raise Invalid(f"{where}.name must be a string", param=f"{where}.name")
    schema = _object(said.get("parameters")) or {"type": "object", "properties": {}}
    strict = said.get("strict")
    return Tool(name, _text(said.get("description")), schema, strict if isinstance(strict, bool) else None)


def _part(part: _Json) -> Part | None:
    """Return one part of a message, or None if the typed form cannot carry it."""
    match part.get("type"):
        case "thinking":
            return Reasoning(thinking_text(part))
        case "text":
            return Text(str(part.get("text") or ""), _cache(part))
        case "refusal":
            return Refusal(str(part.get("refusal") or ""))
        case "image_url":
            said = part.get("image_url")
            image = _object(said)
            url = str(said if isinstance(said, str) else image.get("url") or "")
            data, media_type = _inline(url)
            return Image(data, media_type, None if data is not None else url, _text(image.get("detail")))
        case "file":
            # No other provider can read a file that only this provider holds, by its id.
            file = _object(part.get("file"))
            data, media_type = _inline(str(file.get("file_data") or ""))
            if data is None:
                return None
            return Document(data, media_type, None, _text(file.get("filename")))
        case _:
            return None


def _assistant_parts(message: _Json) -> Iterator[Part]:
    """Yield the parts of an assistant's message: reasoning, text, refusal, tool calls."""
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str) and reasoning:
        yield Reasoning(reasoning)
    content = message.get("content")
    if isinstance(content, str):
        if content:
            yield Text(content)
    else:
        yield from (read for part in _objects(content) if (read := _part(part)) is not None)
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        yield Refusal(refusal)
    for call in _objects(message.get("tool_calls")):
        yield _tool_use(call)
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        # The result is a message of role `function`, with the function's name in place of an id.
        yield _tool_use({"id": cast("_Json", legacy).get("name"), "function": legacy})


def thinking_text(part: _Json) -> str:
    """Return the text of a `thinking` part of Mistral's servers: a string or a list of texts."""
    said = part.get("thinking")
    return said if isinstance(said, str) else "".join(str(inner.get("text") or "") for inner in _objects(said))


def _tool_use(call: _Json) -> ToolUse:
    custom = call.get("custom")
    if isinstance(custom, dict):
        said = cast("_Json", custom)
        arguments = msgspec.json.encode({"input": said.get("input")}).decode()
        return ToolUse(str(call.get("id") or ""), str(said.get("name") or ""), arguments)
    function = _object(call.get("function"))
    arguments = function.get("arguments")
    # Some servers give arguments as an object.
    text = (
        arguments
        if isinstance(arguments, str)
        else msgspec.json.encode({} if arguments is None else arguments).decode()
    )
    return ToolUse(str(call.get("id") or ""), str(function.get("name") or ""), text)


def _inline(url: str) -> tuple[str | None, str | None]:
    """Return the base64 and the media type of a data URI; (None, None) for another URL."""
    if url[:5].lower() != "data:":
        return None, None
    head, comma, data = url[5:].partition(",")
    if not comma or not head.lower().endswith(";base64"):
        return None, None
    return data, head.partition(";")[0] or None


def _cache(part: _Json) -> Literal["5m", "1h"] | None:
    mark = _object(part.get("prompt_cache_breakpoint"))
    if mark.get("mode") == "explicit":
        return "1h" if mark.get("ttl") == "12h" else "5m"
    control = _object(part.get("cache_control"))
    if control.get("type") != "ephemeral":
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def _stops(stop: Any) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(cast("list[str]", stop))


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Any) -> _Json:
    return cast("_Json", value) if isinstance(value, dict) else {}


def _objects(value: Any) -> Sequence[_Json]:
    """Return the items of a list as objects; the request check has already refused other items."""
    return [_object(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []
