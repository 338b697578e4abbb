"""Decodes Anthropic's requests and answers into the typed form.

`Conversation.dropped` lists the fields without a typed form. The decoder refuses a field whose
loss would change the meaning, such as a file that only the provider holds.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.anthropic_words import stop_reason_of
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
from headgate.wire.model_call import Usage
from headgate.wire.unportable import check_offered, is_meaningless, refuse_anthropic

_T = TypeVar("_T")

_CARRIED: Final = frozenset(
    {
        *("model", "messages", "system", "max_tokens", "stream", "metadata", "thinking", "output_config"),
        *("temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice"),
    }
)
_PARTLY_CARRIED: Final = {
    "thinking": ("type", "budget_tokens"),
    "output_config": ("effort", "format"),
    "metadata": ("user_id",),
}
_TOOL_HINTS: Final = ("defer_loading", "eager_input_streaming", "input_examples")
_EMPTY_RAW: Final = msgspec.Raw(b"")


class _CacheControl(msgspec.Struct):
    type: str = "ephemeral"
    ttl: str | None = None


class _Source(msgspec.Struct):
    type: str = ""
    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    content: msgspec.Raw = _EMPTY_RAW


class Block(msgspec.Struct):
    """A content block of any type; other types' fields are empty."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    source: _Source | str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _EMPTY_RAW
    tool_use_id: str | None = None
    tool_name: str | None = None
    tool_changes: list[Any] | None = None
    content: msgspec.Raw = _EMPTY_RAW
    citations: Any = None
    is_error: bool | None = None
    title: str | None = None
    context: str | None = None
    cache_control: _CacheControl | None = None


class _Turn(msgspec.Struct):
    role: str
    content: str | list[Block]


class _ToolDefinition(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[Any] | None = None
    cache_control: _CacheControl | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class _OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Request(msgspec.Struct):
    messages: list[_Turn]
    system: str | list[Block] | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[_ToolDefinition] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    metadata: _Metadata | None = None


class _StopDetails(msgspec.Struct):
    type: str = ""
    explanation: str | None = None


class _Answer(msgspec.Struct):
    content: list[Block]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None


_REQUEST: Final = msgspec.json.Decoder(_Request)
_KEYS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BLOCKS: Final = msgspec.json.Decoder(str | list[Block] | None)
_ANSWER: Final = msgspec.json.Decoder(_Answer)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_AT: Final = re.compile(r"(?s)(?P<what>.*) - at `\$\.?(?P<where>.*)`$")


def decoded(decoder: msgspec.json.Decoder[_T], body: bytes | msgspec.Raw) -> _T:
    """Decode a client's JSON.

    Raises:
        Invalid: the text is not JSON, or not of the wire's form (see `misfit`).
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise misfit(exc) from exc
    except msgspec.DecodeError as exc:
        raise Invalid("the body is not JSON") from exc


def misfit(error: msgspec.ValidationError) -> Invalid:
    """Return our error for JSON that is not of the wire's form.

    Its `param` is the path of the fault, such as `messages.0.role`.
    """
    found = _AT.match(str(error))
    what = found["what"] if found else str(error)
    where = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", found["where"]).lstrip(".") if found else ""
    missing = _MISSING.match(what)
    if missing:
        where = f"{where}.{missing[1]}" if where else missing[1]
        what = "field required"
    return Invalid(f"{where or 'body'}: {what}", param=where or None)


def read_conversation(content: Content) -> Conversation:
    """Build the typed form of a request.

    Raises:
        Invalid: the request has a part that no other provider can use, such as a file id.
    """
    body = content.to_bytes()
    request = decoded(_REQUEST, body)
    dropped = list(_unsaid_fields(body))
    left_out: dict[str, str] = {}
    tools = tuple(_tools(request.tools or [], dropped, left_out))
    choice = _choice(request.tool_choice)
    check_offered(tools, left_out, choice)
    thinking, output = request.thinking, request.output_config
    return Conversation(
        messages=tuple(_messages(request, dropped)),
        tools=tools,
        tool_choice=choice,
        parallel_tools=_parallel(request.tool_choice),
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(request.stop_sequences or ()),
        output=_output(output),
        reasoning_effort=_effort(thinking, output),
        reasoning_tokens=thinking.budget_tokens if thinking and thinking.type == "enabled" else None,
        user=request.metadata.user_id if request.metadata else None,
        stream=bool(request.stream),
        include_usage=True,
        dropped=tuple(dict.fromkeys(dropped)),
    )


def read_answer(body: bytes, *, usage: Usage) -> Reply:
    """Build the typed form of an answer; the caller has already read its usage.

    Raises:
        Upstream: the answer is not a message.
    """
    try:
        answer = _ANSWER.decode(body)
        parts = list(_parts(answer.content, _Place("content", [], is_answer=True)))
    except (msgspec.DecodeError, Invalid) as exc:
        raise Upstream("the provider's answer is not a message", retryable=False) from exc
    explanation = answer.stop_details.explanation if answer.stop_details else None
    if explanation:
        # `from_reply` writes a refusal twice, because some clients show only the content.
        parts = [part for part in parts if not (isinstance(part, Text) and part.text == explanation)]
        parts.append(Refusal(explanation))
    return Reply(
        id=answer.id,
        model=answer.model,
        parts=tuple(parts),
        stop_reason=stop_reason_of(answer.stop_reason),
        stop_sequence=answer.stop_sequence,
        usage=usage,
    )


def _unsaid_fields(body: bytes) -> Iterator[str]:
    """Yield the names of Anthropic-only fields; refuse those that carry state or authority."""
    for name, raw in decoded(_KEYS, body).items():
        if name in _PARTLY_CARRIED:
            inner: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any] | None) or {}
            yield from (f"{name}.{key}" for key in inner if key not in _PARTLY_CARRIED[name])
        elif name not in _CARRIED and not is_meaningless(name, msgspec.json.decode(raw)):
            refuse_anthropic(name)
            yield name


class _Place(NamedTuple):
    """The context of some content blocks.

    Attributes:
        path: the path of the blocks, for error messages.
        dropped: collects the names of dropped fields.
        is_answer: whether the model wrote the blocks.
    """

    path: str
    dropped: list[str]
    is_answer: bool = False

    def inside(self, path: str) -> _Place:
        """Return a place at a path below this one."""
        return self._replace(path=f"{self.path}.{path}")


def _messages(request: _Request, dropped: list[str]) -> Iterator[Message]:
    if request.system:
        yield Message("system", tuple(_text_or_parts(request.system, _Place("system", dropped))))
    for index, turn in enumerate(request.messages):
        place = _Place(f"messages.{index}.content", dropped, is_answer=turn.role == "assistant")
        yield Message(_role(turn.role, index), tuple(_text_or_parts(turn.content, place)))


def _role(role: str, index: int) -> Literal["system", "user", "assistant"]:
    match role:
        case "system" | "user" | "assistant":
            return role
        case _:
            param = f"messages.{index}.role"
            raise Invalid(f"{param}: {role[:40]!r} is none of user, assistant, system", param=param)


def _text_or_parts(content: str | Sequence[Block], place: _Place) -> Iterator[Part]:
    if isinstance(content, str):
        return iter((Text(content),) if content else ())
    return _parts(content, place)


def _parts(blocks: Iterable[Block], place: _Place) -> Iterator[Part]:
    for index, block in enumerate(blocks):
        at = place.inside(str(index))
        match block.type:
            case "thinking":
                yield Reasoning(block.thinking or "", signature=block.signature)
            case "redacted_thinking":
                yield Reasoning("", redacted=block.data or "")
            case "tool_use":
                yield ToolUse(
                    _needed(block.id, f"{at.path}.id"),
                    _needed(block.name, f"{at.path}.name"),
                    bytes(block.input).decode() or "{}",
                )
            case "tool_result":
                parts = tuple(_readable(_BLOCKS, block.content, at))
                tool_use_id = _needed(block.tool_use_id, f"{at.path}.tool_use_id")
                yield ToolResult(tool_use_id, parts, is_error=bool(block.is_error))
            case _:
                yield from _readables(block, at)
                continue
        if block.cache_control is not None:
            place.dropped.append("cache_control")


def _readable(
    decoder: msgspec.json.Decoder[str | list[Block] | None], raw: msgspec.Raw, place: _Place
) -> Iterator[Text | Image | Document]:
    """Yield the parts of a tool result or of a document made of blocks."""
    content = decoded(decoder, raw) if bytes(raw) else None
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for index, block in enumerate(content or ()):
        yield from _readables(block, place.inside(f"content.{index}"))


def _readables(block: Block, place: _Place) -> Iterator[Text | Image | Document]:
    match block.type:
        case "text":
            if block.text:
                yield Text(block.text, cache=_cache(block.cache_control))
                return
        case "image":
            yield _image(_source(block, place), place)
        case "document":
            if block.context:
                yield Text(block.context)
            yield from _document(block, _source(block, place), place)
        case "search_result":
            yield from _search_result(block, place)
        case "compaction" if not block.tool_changes:
            # A compaction replaces the messages before it, so the next model needs its summary.
            yield from _readable(_BLOCKS, block.content, place)
        case "tool_reference" if block.tool_name:
            yield Text(block.tool_name)
        case _ if not place.is_answer or block.type in ("compaction", "container_upload"):
            # Without this block, the request or its tools would change.
            raise Invalid(f"{place.path}: a {block.type[:60]} block cannot be sent to this model", param=place.path)
        case _:
            place.dropped.append(f"content.{block.type[:60]}")
            return
    if block.cache_control is not None:
        place.dropped.append("cache_control")
    if block.citations and block.type in ("document", "search_result"):
        place.dropped.append("citations")


def _source(block: Block, place: _Place) -> _Source:
    if not isinstance(block.source, _Source):
        raise Invalid(f"{place.path}.source: must be an object", param=f"{place.path}.source")
    return block.source


def _search_result(block: Block, place: _Place) -> Iterator[Text | Image | Document]:
    """Yield a search result as one text: its title, its source (here a string) and its content."""
    parts = list(_readable(_BLOCKS, block.content, place))
    source = block.source if isinstance(block.source, str) else None
    texts = [text for text in (block.title, source) if text]
    texts += [part.text for part in parts if isinstance(part, Text)]
    if texts:
        yield Text("\n".join(texts))
    yield from (part for part in parts if not isinstance(part, Text))


def _image(source: _Source, place: _Place) -> Image:
    match source.type:
        case "base64":
            data = _needed(source.data, f"{place.path}.source.data")
            return Image(data=data, media_type=_needed(source.media_type, f"{place.path}.source.media_type"))
        case "url":
            return Image(url=_needed(source.url, f"{place.path}.source.url"))
        case _:
            raise _not_portable(source, place)


def _document(block: Block, source: _Source, place: _Place) -> Iterator[Text | Image | Document]:
    match source.type:
        case "base64":
            data = _needed(source.data, f"{place.path}.source.data")
            yield Document(data=data, media_type=source.media_type or "application/pdf", name=block.title)
        case "text":
            text = _needed(source.data, f"{place.path}.source.data")
            yield Document(data=base64.b64encode(text.encode()).decode(), media_type="text/plain", name=block.title)
        case "url":
            yield Document(url=_needed(source.url, f"{place.path}.source.url"), name=block.title)
        case "content":
            yield from _readable(_BLOCKS, source.content, place)
        case _:
            raise _not_portable(source, place)


def _not_portable(source: _Source, place: _Place) -> Invalid:
    param = f"{place.path}.source"
    return Invalid(
        f"{param}: a source of type {source.type[:40]!r} exists only at the provider that holds it; "
        "send the content inline or by url to reach another model",
        param=param,
    )


def _needed(value: str | None, param: str) -> str:
    if value is None:
        raise Invalid(f"{param}: field required", param=param)
    return value


def _cache(control: _CacheControl | None) -> Literal["5m", "1h"] | None:
    if control is None:
        return None
    return "1h" if control.ttl == "1h" else "5m"


def _tools(definitions: Iterable[_ToolDefinition], dropped: list[str], left_out: dict[str, str]) -> Iterator[Tool]:
    """Yield the tools that any model can call; add the others to `left_out`, kinds by name."""
    for index, tool in enumerate(definitions):
        is_for_model = tool.allowed_callers is None or "direct" in tool.allowed_callers
        if tool.type not in (None, "custom") or not is_for_model:
            # Other providers have no equal of tools that this provider, or only its code, runs.
            kind = tool.type or "custom"
            dropped.append(f"tools.{kind[:60]}")
            left_out[tool.name or kind] = kind
            continue
        dropped += [f"tools.{name}" for name in _TOOL_HINTS if getattr(tool, name)]
        if tool.cache_control is not None:
            dropped.append("cache_control")
        name = _needed(tool.name, f"tools.{index}.name")
        yield Tool(name, tool.description, tool.input_schema or {"type": "object"}, strict=tool.strict)


def _choice(choice: _Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    match choice.type:
        case "auto" | "none":
            return ToolChoice(choice.type)
        case "any":
            return ToolChoice("required")
        case "tool":
            return ToolChoice("named", _needed(choice.name, "tool_choice.name"))
        case _:
            raise Invalid("tool_choice.type: is none of auto, any, tool, none", param="tool_choice.type")


def _parallel(choice: _Choice | None) -> bool | None:
    if choice is None or choice.disable_parallel_tool_use is None:
        return None
    return not choice.disable_parallel_tool_use


def _output(output: _OutputConfig | None) -> OutputSchema | None:
    if output is None or output.format is None or output.format.type != "json_schema":
        return None
    return OutputSchema("answer", output.format.schema, strict=True)


def _effort(thinking: _Thinking | None, output: _OutputConfig | None) -> str | None:
    if thinking is not None and thinking.type == "disabled":
        return "none"
    return output.effort if output else None
