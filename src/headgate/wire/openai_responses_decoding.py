"""Decodes requests and answers of OpenAI's Responses wire into the typed form.

`Conversation.dropped` names the fields that the typed form cannot carry. The decoder refuses an
item without which the request would mean something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from headgate.kernel.errors import Invalid
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
from headgate.wire.openai_responses_words import flat_name, tools_of
from headgate.wire.token_counts import object_of
from headgate.wire.unportable import check_offered, is_meaningless, refuse_openai

_Json = Mapping[str, Any]
_CARRIED: Final = frozenset(
    {
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens"),
        *("temperature", "top_p", "text", "reasoning", "user", "safety_identifier", "stream", "stream_options"),
        *("store", "metadata", "client_metadata"),
    }
)
_HOSTED: Final = frozenset(
    {
        *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools"),
        *("mcp_call", "mcp_approval_request", "mcp_approval_response", "tool_search_call", "tool_search_output"),
    }
)
"""Items of tools that the provider ran itself. Other models see the answer that followed them."""

_MODES: Final = frozenset({"auto", "none", "required"})
_TEXT_INPUT: Final[_Json] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The schema of a tool that takes plain text."""


def read_conversation(document: JsonDocument) -> Conversation:
    """Build the typed form of a request.

    Raises:
        Invalid: an item has no counterpart on other wires; `param` names it.
    """
    return _Reader(document.fields()).conversation()


def read_answer(reply: ModelReply, document: JsonDocument) -> Reply:
    """Build the typed form of an answer."""
    fields = document.fields()
    parts = [part for item in _objects(fields.get("output")) for part in _answer_parts(item)]
    return Reply(
        id=str(fields.get("id") or ""),
        model=str(fields.get("model") or ""),
        parts=tuple(parts),
        stop_reason=reply.stop_reason,
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
        messages = tuple(self._messages())
        tools = tuple(self._tools())
        choice = self._choice({tool.name for tool in tools})
        if self._allowed is not None:
            tools = tuple(tool for tool in tools if tool.name in self._allowed)
        check_offered(tools, self._left_out, choice)
        output, reasoning = self._output(), object_of(fields.get("reasoning"))
        for name, value in fields.items():
            if name not in _CARRIED and not is_meaningless(name, value):
                refuse_openai(name)
                self._dropped.append(name)
        self._dropped += [f"reasoning.{name}" for name in reasoning if name != "effort" and reasoning[name] is not None]
        return Conversation(
            messages=messages,
            tools=tools,
            tool_choice=choice,
            parallel_tools=fields.get("parallel_tool_calls"),
            max_tokens=fields.get("max_output_tokens"),
            temperature=fields.get("temperature"),
            top_p=fields.get("top_p"),
            output=output,
            reasoning_effort=_text(reasoning.get("effort")),
            user=fields.get("safety_identifier") or fields.get("user"),
            stream=fields.get("stream") is True,
            include_usage=True,
            dropped=tuple(dict.fromkeys(self._dropped)),
        )

    def _messages(self) -> Iterator[Message]:
        """Yield the turns; adjacent items of one author become one turn, as other wires need it."""
        instructions = self._fields.get("instructions")
        if instructions:
            yield Message("system", (Text(instructions),))
        given = self._fields.get("input")
        if isinstance(given, str):
            yield Message("user", (Text(given),))
            return
        author: Literal["user", "assistant"] = "user"
        parts: list[Part] = []
        for index, item in enumerate(_objects(given)):
            said = self._item(item, f"input[{index}]")
            if said is None:
                continue
            if parts and (said.role != author or not _may_join(parts, said.parts)):
                yield Message(author, tuple(parts))
                parts = []
            if said.role == "system":
                yield said
                continue
            author = said.role
            parts += said.parts
        if parts:
            yield Message(author, tuple(parts))

    def _item(self, item: _Json, where: str) -> Message | None:
        """Return one item as a turn; None for an item that other models do without."""
        match item.get("type", "message" if "role" in item else "item_reference"):
            case "message":
                return self._message(item, where)
            case "function_call" | "custom_tool_call":
                return Message("assistant", (_tool_use(item),))
            case "reasoning":
                if item.get("encrypted_content"):
                    self._dropped.append(f"{where}.encrypted_content")
                text = _reasoning_text(item)
                return Message("assistant", (Reasoning(text),)) if text else None
            case "function_call_output" | "custom_tool_call_output":
                parts = tuple(self._parts(item.get("output"), f"{where}.output"))
                media = tuple(part for part in parts if isinstance(part, (Text, Image, Document)))
                return Message("user", (ToolResult(str(item.get("call_id")), media),))
            case kind if kind in _HOSTED:
                self._dropped.append(f"{where}.{kind}")
                return None
            case kind:
                raise Invalid(f"{where}: an item of type {str(kind)[:60]} cannot be sent to this model", param=where)

    def _message(self, item: _Json, where: str) -> Message:
        parts = tuple(self._parts(item.get("content"), f"{where}.content"))
        role = item.get("role")
        if role == "assistant":
            return Message("assistant", parts)
        return Message("user" if role == "user" else "system", parts)

    def _parts(self, content: Any, where: str) -> Iterator[Part]:
        if isinstance(content, str):
            yield Text(content)
            return
        for index, part in enumerate(_objects(content)):
            read = _part(part)
            if read is None:
                # Without this part, the request would mean something else.
                name = f"{where}[{index}]"
                raise Invalid(f"{name}: a {str(part.get('type'))[:40]} part cannot be sent to this model", param=name)
            yield read

    def _tools(self) -> Iterator[Tool]:
        """Yield the tools that any model can call; the provider's own tools are left out."""
        for index, (tool, namespace) in enumerate(tools_of(self._fields.get("tools"))):
            kind = str(tool.get("type"))
            if kind == "function":
                yield _function(tool, namespace)
            elif kind == "custom":
                yield _custom(tool, namespace)
            else:
                self._dropped.append(f"tools[{index}].{kind}")
                self._left_out[str(tool.get("name") or kind)] = kind

    def _choice(self, offered: set[str]) -> ToolChoice | None:
        choice = self._fields.get("tool_choice")
        if isinstance(choice, str):
            if choice not in _MODES:
                raise Invalid("tool_choice must be auto, none, required or name a tool", param="tool_choice")
            return ToolChoice(cast("Literal['auto', 'none', 'required']", choice))
        if choice is None:
            return None
        said = object_of(choice)
        if said.get("type") == "allowed_tools":
            return self._choice_of_allowed(said, offered)
        name = self._name_of(said)
        named = ToolChoice("named", name)
        if name not in offered:
            check_offered((), self._left_out, named)
            raise Invalid("tool_choice names a tool that this model is not offered", param="tool_choice")
        return named

    def _choice_of_allowed(self, said: _Json, offered: set[str]) -> ToolChoice:
        """Return the mode of an `allowed_tools` choice, and keep only the allowed tools."""
        mode = said.get("mode")
        if mode not in ("auto", "required"):
            raise Invalid("tool_choice.mode must be auto or required", param="tool_choice")
        self._allowed = {self._name_of(tool) for tool in _objects(said.get("tools"))} & offered
        if not self._allowed:
            raise Invalid("tool_choice.tools: this model can be given none of them", param="tool_choice")
        return ToolChoice(mode)

    def _name_of(self, tool: _Json) -> str:
        """Return the flat name of a tool in a choice, which names no namespace."""
        name = str(tool.get("name") or tool.get("type"))
        for one, namespace in tools_of(self._fields.get("tools")):
            if one.get("name") == name:
                return flat_name(name, namespace)
        return name

    def _output(self) -> OutputSchema | None:
        text = object_of(self._fields.get("text"))
        self._dropped += [f"text.{name}" for name in text if name != "format" and text[name] is not None]
        form = object_of(text.get("format"))
        match form.get("type", "text"):
            case "text":
                return None
            case "json_object":
                return OutputSchema("answer", None)
            case "json_schema":
                strict = form.get("strict")
                described = {"description": said} if (said := _text(form.get("description"))) else {}
                schema = {**described, **object_of(form.get("schema"))}
                name = str(form.get("name") or "answer")
                return OutputSchema(name, schema, strict if isinstance(strict, bool) else None)
            case _:
                self._dropped.append("text.format")
                return None


def _may_join(parts: Sequence[Part], more: Sequence[Part]) -> bool:
    """Whether parts of one author belong to one turn: a question after tool results is a turn of its own."""
    return isinstance(parts[-1], ToolResult) == isinstance(more[0], ToolResult) if more else True


def _function(tool: _Json, namespace: str | None) -> Tool:
    schema = object_of(tool.get("parameters")) or {"type": "object", "properties": {}}
    strict = tool.get("strict")
    name = flat_name(str(tool.get("name")), namespace)
    return Tool(name, _text(tool.get("description")), schema, strict if isinstance(strict, bool) else None)


def _custom(tool: _Json, namespace: str | None) -> Tool:
    """Return a tool with plain text as its input as a function with one string; a grammar becomes a hint."""
    described = _text(tool.get("description")) or ""
    grammar = object_of(tool.get("format"))
    if grammar.get("type") == "grammar":
        hint = f"The input must follow this {grammar.get('syntax')} grammar:\n{grammar.get('definition')}"
        described = f"{described}\n\n{hint}" if described else hint
    return Tool(flat_name(str(tool.get("name")), namespace), described or None, _TEXT_INPUT)


def _part(part: _Json) -> Part | None:
    """Return one part of a message, or None if the typed form cannot carry it."""
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text":
            return Text(str(part.get("text") or ""), _cache(part))
        case "refusal":
            return Refusal(str(part.get("refusal") or ""))
        case "input_image":
            url = part.get("image_url")
            if not isinstance(url, str):
                return None
            data, media_type = _inline(url)
            return Image(data, media_type, None if data is not None else url, _text(part.get("detail")))
        case "input_file":
            # No other provider can read a file that only this provider holds, by its id.
            data, media_type = _inline(str(part.get("file_data") or ""))
            url = _text(part.get("file_url"))
            if data is None and url is None:
                return None
            return Document(data, media_type, None if data is not None else url, _text(part.get("filename")))
        case _:
            return None


def _answer_parts(item: _Json) -> Iterator[Part]:
    match item.get("type"):
        case "message":
            yield from (read for part in _objects(item.get("content")) if (read := _part(part)) is not None)
        case "function_call" | "custom_tool_call":
            yield _tool_use(item)
        case "reasoning":
            text = _reasoning_text(item)
            if text:
                yield Reasoning(text)
        case _:
            return


def _tool_use(item: _Json) -> ToolUse:
    name = flat_name(str(item.get("name")), _text(item.get("namespace")))
    arguments = item.get("arguments")
    if item.get("type") == "custom_tool_call":
        arguments = msgspec.json.encode({"input": item.get("input")}).decode()
    return ToolUse(str(item.get("call_id") or item.get("id") or ""), name, str(arguments or "{}"))


def _reasoning_text(item: _Json) -> str:
    parts = [*_objects(item.get("summary")), *_objects(item.get("content"))]
    return "\n\n".join(text for part in parts if (text := _text(part.get("text"))))


def _inline(url: str) -> tuple[str | None, str | None]:
    """Return the base64 and the media type of a data URI; (None, None) for another URL."""
    if url[:5].lower() != "data:":
        return None, None
    head, comma, data = url[5:].partition(",")
    if not comma or not head.lower().endswith(";base64"):
        return None, None
    return data, head.partition(";")[0] or None


def _cache(part: _Json) -> Literal["5m", "1h"] | None:
    mark = object_of(part.get("prompt_cache_breakpoint"))
    if mark.get("mode") != "explicit":
        return None
    return "1h" if mark.get("ttl") == "12h" else "5m"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _objects(value: Any) -> Sequence[_Json]:
    """Return the items of a list as objects; the request check has already refused other items."""
    return [object_of(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []
