"""Decodes Gemini's requests and answers into the typed form.

`Conversation.dropped` names the fields that the typed form cannot carry. The decoder refuses a
part whose loss would change the meaning of the request.

The wire pairs function calls and responses by id, or else by name and order. The typed form has an
id for each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, cast

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
from headgate.wire.gemini_calls import is_image
from headgate.wire.gemini_schemas import json_schema_of
from headgate.wire.gemini_words import call_id
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import ModelReply
from headgate.wire.token_counts import object_of
from headgate.wire.tool_names import objects_in
from headgate.wire.unportable import check_offered, is_meaningless, refuse_gemini

_Fields = dict[str, msgspec.Raw]

_CARRIED: Final = frozenset({"model", "contents", "systemInstruction", "generationConfig", "tools", "toolConfig"})
_CONFIG: Final = frozenset(
    {
        *("maxOutputTokens", "temperature", "topP", "topK", "stopSequences", "seed", "responseMimeType"),
        *("responseSchema", "responseJsonSchema", "thinkingConfig"),
    }
)
_THINKING: Final = frozenset({"thinkingBudget", "thinkingLevel", "includeThoughts"})
_HINTS: Final = frozenset({"thoughtSignature", "thought", "videoMetadata", "mediaResolution", "partMetadata"})
"""The fields of a part beside its content."""

_ANY_OBJECT: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    data: str = ""
    display_name: str | None = None


class _File(msgspec.Struct, rename="camel"):
    file_uri: str = ""
    mime_type: str | None = None
    display_name: str | None = None


class _Call(msgspec.Struct):
    name: str
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _Response(msgspec.Struct):
    name: str
    id: str | None = None
    response: msgspec.Raw = msgspec.Raw(b"{}")
    parts: list[_Fields] | None = None


class _Turn(msgspec.Struct):
    role: str | None = None
    parts: list[_Fields] | None = None


class _Body(msgspec.Struct, rename="camel"):
    contents: list[_Turn] | None = None
    system_instruction: _Turn | None = None


class _Open(NamedTuple):
    id: str
    name: str


def read_conversation(document: JsonDocument) -> Conversation:
    """Build the typed form of a request in canonical form.

    Raises:
        Invalid: the request has a part that no other provider can use; `param` names it.
    """
    return _Reader(document).conversation()


def read_answer(reply: ModelReply, document: JsonDocument) -> Reply:
    """Build the typed form of an answer's first candidate.

    Raises:
        Upstream: a part of the answer has another form than the wire's.
    """
    fields = document.fields()
    reply_id = str(fields.get("responseId") or "")
    parts: list[Part] = []
    calls = 0
    candidates = objects_in(fields.get("candidates"))
    candidate = candidates[0][1] if candidates else dict[str, Any]()
    try:
        for part in _candidate_parts(document.raw):
            read = _answer_part(part, reply_id=reply_id, index=calls)
            calls += isinstance(read, ToolUse)
            parts += () if read is None else (read,)
    except msgspec.DecodeError as exc:
        raise Upstream("the provider's answer is not of Gemini's form", retryable=False) from exc
    explanation = candidate.get("finishMessage") or object_of(fields.get("promptFeedback")).get("blockReasonMessage")
    if reply.stop_reason == "content_filter" and isinstance(explanation, str) and explanation:
        parts.append(Refusal(explanation))
    return Reply(
        id=reply_id,
        model=str(fields.get("modelVersion") or ""),
        parts=tuple(parts),
        stop_reason=reply.stop_reason,
        usage=reply.usage,
    )


class _Candidate(msgspec.Struct):
    content: _Turn | None = None


class _Answer(msgspec.Struct):
    candidates: list[_Candidate] | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def _candidate_parts(raw: bytes) -> Sequence[_Fields]:
    candidates = _ANSWER.decode(raw).candidates or ()
    content = candidates[0].content if candidates else None
    return (content.parts if content is not None else None) or ()


def _answer_part(part: _Fields, *, reply_id: str, index: int) -> Part | None:
    """Return one part of an answer, or None for a part without a typed form."""
    if "text" in part:
        text = msgspec.json.decode(part["text"], type=str)
        return Reasoning(text) if _is_thought(part) else Text(text) if text else None
    if "functionCall" in part:
        call = msgspec.json.decode(part["functionCall"], type=_Call)
        return ToolUse(call_id(call.id, reply_id=reply_id, index=index), call.name, _arguments(call))
    if "inlineData" in part:
        blob = msgspec.json.decode(part["inlineData"], type=_Blob)
        return Image(blob.data, blob.mime_type) if is_image(blob.mime_type) else None
    return None


class _Reader:
    """Reads one request, and notes the fields that it drops."""

    def __init__(self, document: JsonDocument) -> None:
        self._fields = document.fields()
        self._body = _typed(document.raw, _Body, "")
        self._dropped: list[str] = []
        self._left_out: dict[str, str] = {}
        self._open: list[_Open] = []
        self._calls = 0

    def conversation(self) -> Conversation:
        fields = self._fields
        messages = tuple(self._messages())
        config = object_of(fields.get("generationConfig"))
        thinking = object_of(config.get("thinkingConfig"))
        choice = object_of(object_of(fields.get("toolConfig")).get("functionCallingConfig"))
        tools = tuple(self._tools())
        chosen = self._choice(choice)
        allowed = choice.get("allowedFunctionNames")
        if allowed and choice.get("mode") in ("ANY", "VALIDATED"):
            tools = tuple(tool for tool in tools if tool.name in allowed)
        check_offered(tools, self._left_out, chosen)
        self._note_dropped(config, thinking)
        return Conversation(
            messages=messages,
            tools=tools,
            tool_choice=chosen,
            max_tokens=config.get("maxOutputTokens"),
            temperature=config.get("temperature"),
            top_p=config.get("topP"),
            top_k=_whole(config.get("topK")),
            stop=tuple(config.get("stopSequences") or ()),
            seed=_whole(config.get("seed")),
            output=_output(config),
            reasoning_effort=_effort(thinking),
            reasoning_tokens=_budget(thinking),
            include_usage=True,
            dropped=tuple(dict.fromkeys(self._dropped)),
        )

    def _note_dropped(self, config: Mapping[str, Any], thinking: Mapping[str, Any]) -> None:
        for name, value in self._fields.items():
            if name not in _CARRIED and not is_meaningless(name, value):
                refuse_gemini(name)
                self._dropped.append(name)
        for name, value in config.items():
            if name == "candidateCount" and value == 1:
                continue
            if name not in _CONFIG and not is_meaningless(name, value):
                refuse_gemini(name)
                self._dropped.append(f"generationConfig.{name}")
        self._dropped += [f"generationConfig.thinkingConfig.{name}" for name in thinking if name not in _THINKING]
        if config.get("responseMimeType") not in (None, "text/plain", "application/json"):
            self._dropped.append("generationConfig.responseMimeType")

    def _messages(self) -> Iterator[Message]:
        system = self._body.system_instruction
        if system is not None:
            parts = tuple(self._parts(system.parts or (), "systemInstruction", is_answer=False))
            if parts:
                yield Message("system", parts)
        answer: list[Part] = []
        for index, turn in enumerate(self._body.contents or ()):
            role = _role(turn.role)
            parts = tuple(self._parts(turn.parts or (), f"contents[{index}]", is_answer=role == "assistant"))
            if role == "assistant":
                # The SDK sends each piece of a streamed answer back as a turn of its own.
                _extend(answer, parts)
                continue
            if answer:
                yield Message("assistant", tuple(answer))
                answer = []
            if parts:
                yield Message(role, parts)
        if answer:
            yield Message("assistant", tuple(answer))

    def _parts(self, parts: Sequence[_Fields], where: str, *, is_answer: bool) -> Iterator[Part]:
        for index, part in enumerate(parts):
            yield from self._part(part, f"{where}.parts[{index}]", is_answer=is_answer)

    def _part(self, part: _Fields, where: str, *, is_answer: bool) -> Iterator[Part]:
        if "text" in part:
            yield from _text(part, where)
        elif "functionCall" in part:
            yield self._called(_typed(part["functionCall"], _Call, f"{where}.functionCall"))
        elif "functionResponse" in part:
            yield self._answered(_typed(part["functionResponse"], _Response, f"{where}.functionResponse"), where)
        elif "inlineData" in part or "fileData" in part:
            yield _medium(part, where)
        else:
            kind = next((name for name in part if name not in _HINTS), None)
            if kind is not None and not is_answer:
                # Without this part, the request would mean something else.
                raise Invalid(f"{where}: a part {kind[:60]} cannot be sent to this model", param=where)
            self._dropped += () if kind is None else (f"parts.{kind[:60]}",)
        hints = ("videoMetadata", "mediaResolution", "partMetadata")
        self._dropped += [f"parts.{name}" for name in hints if name in part]

    def _called(self, call: _Call) -> ToolUse:
        use = ToolUse(call.id or f"call_{self._calls}", call.name, _arguments(call))
        self._calls += 1
        self._open.append(_Open(use.id, use.name))
        return use

    def _answered(self, response: _Response, where: str) -> ToolResult:
        found = next((one for one in self._open if response.id and one.id == response.id), None)
        found = found or next((one for one in self._open if one.name == response.name), None)
        if found is None:
            raise Invalid(
                f"{where}.functionResponse: no earlier call of {response.name[:80]!r} waits for a response", param=where
            )
        self._open.remove(found)
        media = [_medium(part, f"{where}.functionResponse") for part in response.parts or ()]
        text, is_error = _result_text(response.response)
        return ToolResult(found.id, (*((Text(text),) if text else ()), *media), is_error=is_error)

    def _tools(self) -> Iterator[Tool]:
        """Yield the functions; note the tools that only Google's servers run."""
        for _, tool in objects_in(self._fields.get("tools")):
            for kind in tool:
                if kind != "functionDeclarations":
                    self._dropped.append(f"tools.{kind[:60]}")
                    self._left_out[kind] = kind
            for _, one in objects_in(tool.get("functionDeclarations")):
                self._dropped += [
                    f"tools.{name}" for name in ("response", "responseJsonSchema", "behavior") if name in one
                ]
                description = one.get("description")
                yield Tool(str(one["name"]), description if isinstance(description, str) else None, _schema(one))

    def _choice(self, choice: Mapping[str, Any]) -> ToolChoice | None:
        allowed = cast("list[str]", choice.get("allowedFunctionNames") or [])
        match choice.get("mode"):
            case "ANY":
                return ToolChoice("named", allowed[0]) if len(allowed) == 1 else ToolChoice("required")
            case "NONE":
                return ToolChoice("none")
            case "AUTO" | "VALIDATED":
                return ToolChoice("auto")
            case _:
                return None


def _extend(answer: list[Part], parts: Sequence[Part]) -> None:
    """Add the parts of an answer's next piece; text continues the text before it."""
    for part in parts:
        last = answer[-1] if answer else None
        if isinstance(part, Text) and isinstance(last, Text):
            answer[-1] = Text(last.text + part.text)
        else:
            answer.append(part)


def _role(role: str | None) -> Literal["system", "user", "assistant"]:
    match role:
        case "model":
            return "assistant"
        case "system":
            return "system"
        case _:
            return "user"


def _is_thought(part: _Fields) -> bool:
    return bytes(part.get("thought", b"")) == b"true"


def _text(part: _Fields, where: str) -> Iterator[Part]:
    text = _typed(part["text"], str, f"{where}.text")
    if _is_thought(part):
        signature = _typed(part.get("thoughtSignature", msgspec.Raw(b"null")), str | None, where)
        yield Reasoning(text, signature=signature)
    elif text:
        yield Text(text)


def _medium(part: _Fields, where: str) -> Image | Document:
    if "fileData" in part:
        return _file(_typed(part["fileData"], _File, f"{where}.fileData"), f"{where}.fileData")
    blob = _typed(part.get("inlineData", msgspec.Raw(b"{}")), _Blob, f"{where}.inlineData")
    data = blob.data.replace("-", "+").replace("_", "/")  # the SDK writes base64url
    data += "=" * (-len(data) % 4)
    if is_image(blob.mime_type):
        return Image(data, blob.mime_type)
    if blob.mime_type.startswith(("audio/", "video/")) or not blob.mime_type:
        name = f"{where}.inlineData"
        raise Invalid(f"{name}: a part of type {blob.mime_type[:60]!r} cannot be sent to this model", param=name)
    return Document(data, blob.mime_type, name=blob.display_name)


def _file(file: _File, where: str) -> Image | Document:
    uri = file.file_uri
    if not uri.startswith(("https://", "http://")) or "/v1beta/files/" in uri:
        raise Invalid(
            f"{where}.fileUri: a file that only its provider holds cannot be sent to this model; send it inline",
            param=f"{where}.fileUri",
        )
    if is_image(file.mime_type):
        return Image(media_type=file.mime_type, url=uri)
    if (file.mime_type or "").startswith(("audio/", "video/")):
        raise Invalid(
            f"{where}: a part of type {(file.mime_type or '')[:60]!r} cannot be sent to this model", param=where
        )
    return Document(media_type=file.mime_type, url=uri, name=file.display_name)


def _arguments(call: _Call) -> str:
    text = bytes(call.args).decode()
    return "{}" if text == "null" else text


def _result_text(raw: msgspec.Raw) -> tuple[str, bool]:
    """Return the text of a function's response, and whether it is an error.

    `result`, `output` and `error` are the SDKs' names for a single value.
    """
    text = bytes(raw).decode()
    value = msgspec.json.decode(raw)
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    name = next(iter(fields)) if len(fields) == 1 else ""
    if name not in ("result", "output", "error"):
        return ("" if not fields and isinstance(value, dict) else text), False
    inner = fields[name]
    said = inner if isinstance(inner, str) else bytes(msgspec.json.decode(raw, type=_Fields)[name]).decode()
    return said, name == "error"


def _schema(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = declared.get("parametersJsonSchema")
    if isinstance(schema, dict) and schema:
        return cast("Mapping[str, Any]", schema)
    return json_schema_of(object_of(declared.get("parameters"))) or _ANY_OBJECT


def _output(config: Mapping[str, Any]) -> OutputSchema | None:
    schema = config.get("responseJsonSchema")
    if isinstance(schema, dict):
        return OutputSchema("answer", cast("Mapping[str, Any]", schema), strict=True)
    if isinstance(given := config.get("responseSchema"), dict):
        if config.get("responseMimeType") == "text/x.enum":
            return None
        return OutputSchema("answer", json_schema_of(cast("Mapping[str, Any]", given)), strict=True)
    return OutputSchema("answer", None) if config.get("responseMimeType") == "application/json" else None


def _effort(thinking: Mapping[str, Any]) -> str | None:
    level = thinking.get("thinkingLevel")
    if isinstance(level, str) and level != "THINKING_LEVEL_UNSPECIFIED":
        return level.lower()[:20]
    return "none" if thinking.get("thinkingBudget") == 0 else None


def _budget(thinking: Mapping[str, Any]) -> int | None:
    """Return the number of tokens for thoughts; -1 leaves it to the model."""
    budget = _whole(thinking.get("thinkingBudget"))
    return budget if budget is not None and budget > 0 else None


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value == int(value) else None


def _typed(raw: bytes | msgspec.Raw, kind: Any, where: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as exc:
        name = where or "contents"
        raise Invalid(f"{name} has not the form of this wire: {exc}", param=name) from exc
