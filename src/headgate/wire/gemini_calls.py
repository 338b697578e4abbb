"""Checks requests of Gemini's wire, and edits them before they leave.

Quirks of a deployment that change the output, here and in `gemini_encoding`:

- `signed_calls`: the deployment refuses an earlier function call without a thought signature, as
  Gemini 3 does. The gateway writes the mark that Google documents for calls of other models.
- `thinking_level`: the deployment takes `thinkingLevel` instead of `thinkingBudget`.
- `openapi_schemas`: the deployment takes OpenAPI schemas only, and no JSON Schema.
- `plain_counts`: the deployment counts the fields of a request as they are, as Vertex AI does.
  Without this quirk, the gateway wraps them in `generateContentRequest`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.dialect import Match, Outgoing
from headgate.wire.gemini_forms import canonical
from headgate.wire.gemini_words import NAME, REQUEST, document_of
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import NEEDS_NOTHING, ModelCall, Need
from headgate.wire.token_counts import object_of
from headgate.wire.tool_names import objects_in

QUIRKS: Final = frozenset({"signed_calls", "thinking_level", "openapi_schemas", "plain_counts"})
"""The quirks that a deployment's configuration may name."""

FOREIGN_SIGNATURE: Final = "skip_thought_signature_validator"
"""The signature that Google documents for function calls of other models."""

_MAX_MODEL_CHARS: Final = 256
_MAX_CANDIDATES: Final = 128
_ROLES: Final = frozenset({None, "", "user", "model", "function", "tool", "system"})
_MODES: Final = frozenset({None, "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"})
_WRAPPER: Final = "generateContentRequest"

Check = Callable[[Any], bool]


def read_chat_call(body: bytes, *, match: Match, query: Mapping[str, str]) -> ModelCall:
    """Decode and check a request for an answer or for a token count.

    Raises:
        Invalid: a known field is invalid; `param` names it. Unknown fields pass unchecked.
        TooLarge: the body is larger or deeper than allowed.
    """
    document = _unwrapped(canonical(body, REQUEST))
    fields = document.fields()
    model = model_of(match, fields)
    _check(fields)
    if match.stream and query.get("alt") != "sse":
        raise Invalid("alt: add `?alt=sse` to the address of a stream; Headgate sends server-sent events", param="alt")
    named = document.edit_fields({("model",): msgspec.json.encode(model)})
    config = object_of(fields.get("generationConfig"))
    limit, count = config.get("maxOutputTokens"), config.get("candidateCount") or 1
    return ModelCall(
        wire=NAME,
        # A cache holds content that no scan sees.
        content=named.opaque() if fields.get("cachedContent") else named,
        model=model,
        operation=match.operation,
        stream=bool(match.stream) and match.operation == "chat",
        output_limit=None if limit is None else int(limit) * int(count),
        needs=_needs(fields),
    )


def model_of(match: Match, fields: Mapping[str, Any]) -> str:
    """Return the alias that a request names in its path.

    Raises:
        Invalid: the request names no alias.
    """
    model = match.model
    if model is None:
        said = fields.get("model")
        model = said.removeprefix("models/") if isinstance(said, str) else ""
    if not model or len(model) > _MAX_MODEL_CHARS:
        raise Invalid(f"model must be the name of a model, of 1 to {_MAX_MODEL_CHARS} characters", param="model")
    return model


def write_chat_call(call: ModelCall, outgoing: Outgoing) -> bytes:
    """Return the client's bytes, edited for the deployment; the path names the model."""
    document = document_of(call.content, REQUEST)
    fields = document.fields()
    edits: dict[Path, bytes | None] = {("model",): None} if "model" in fields else {}
    if call.operation == "count_tokens":
        return counted(document.edit_fields(edits), outgoing)
    edits.update(_limit_edits(fields, outgoing.cap_output_tokens))
    if "signed_calls" in outgoing.quirks:
        mark = msgspec.json.encode(FOREIGN_SIGNATURE)
        edits.update({(*path, "thoughtSignature"): mark for path in _unsigned_calls(fields)})
    return document.edit_fields(edits).raw


def counted(document: JsonDocument, outgoing: Outgoing) -> bytes:
    """Return a request without a model as a request for its token count.

    The wire takes only `contents` by themselves. The other fields go into a wrapper, which names
    the model again.
    """
    if "plain_counts" in outgoing.quirks or set(document.fields()) <= {"contents"}:
        return document.raw
    model = f"models/{outgoing.model.removeprefix('models/')}"
    named = document.edit_fields({("model",): msgspec.json.encode(model)})
    return b'{"%b":%b}' % (_WRAPPER.encode(), named.raw)


def is_image(mime_type: Any) -> bool:
    """Whether a media type is that of an image."""
    return isinstance(mime_type, str) and mime_type.lower().startswith("image/")


def _unwrapped(document: JsonDocument) -> JsonDocument:
    """Return the request inside a request for a token count."""
    inner = document.fields().get(_WRAPPER)
    if not isinstance(inner, dict):
        return document
    return canonical(msgspec.json.encode(inner), REQUEST)


def _limit_edits(fields: Mapping[str, Any], cap: int | None) -> dict[Path, bytes | None]:
    if cap is None:
        return {}
    config = fields.get("generationConfig")
    if not isinstance(config, dict):
        return {("generationConfig",): b'{"maxOutputTokens":%d}' % cap}
    limit = cast("dict[str, Any]", config).get("maxOutputTokens")
    return {("generationConfig", "maxOutputTokens"): b"%d" % cap} if limit is None or limit > cap else {}


def _unsigned_calls(fields: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the path of the first function call of each turn, if it has no signature."""
    for place, turn in objects_in(fields.get("contents")):
        calls = [(at, part) for at, part in objects_in(turn.get("parts")) if "functionCall" in part]
        if calls and not calls[0][1].get("thoughtSignature"):
            yield ("contents", place, "parts", calls[0][0])


def _check(fields: Mapping[str, Any]) -> None:
    for name, (is_valid, form) in _RULES.items():
        value = fields.get(name)
        if value is not None and not is_valid(value):
            raise Invalid(f"{name} must be {form}", param=name)
    contents = fields.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Invalid("contents must be a list of at least one turn", param="contents")
    for index, turn in enumerate(cast("list[Any]", contents)):
        _check_turn(turn, f"contents[{index}]")
    if (system := fields.get("systemInstruction")) is not None:
        _check_parts(object_of(system), "systemInstruction")
    config = object_of(fields.get("generationConfig"))
    for name, (is_valid, form) in _CONFIG_RULES.items():
        value = config.get(name)
        if value is not None and not is_valid(value):
            raise Invalid(f"generationConfig.{name} must be {form}", param=f"generationConfig.{name}")
    _check_tools(fields)


def _check_turn(turn: Any, where: str) -> None:
    if not isinstance(turn, dict):
        raise Invalid(f"{where} must be an object", param=where)
    fields = cast("dict[str, Any]", turn)
    role = fields.get("role")
    if not (role is None or isinstance(role, str)) or role not in _ROLES:
        raise Invalid(f"{where}.role must be user or model", param=f"{where}.role")
    _check_parts(fields, where)


def _check_parts(fields: Mapping[str, Any], where: str) -> None:
    parts = fields.get("parts")
    if parts is not None and not _is_objects(parts):
        raise Invalid(f"{where}.parts must be a list of objects", param=f"{where}.parts")
    for index, part in objects_in(parts):
        text = part.get("text")
        if text is not None and not isinstance(text, str):
            name = f"{where}.parts[{index}].text"
            raise Invalid(f"{name} must be a string", param=name)


def _check_tools(fields: Mapping[str, Any]) -> None:
    """Refuse declarations without a name, and a choice that names an absent function."""
    names: set[str] = set()
    for index, tool in objects_in(fields.get("tools")):
        where = f"tools[{index}].functionDeclarations"
        declared = tool.get("functionDeclarations")
        if declared is not None and not _is_objects(declared):
            raise Invalid(f"{where} must be a list of objects", param=where)
        for at, one in objects_in(declared):
            name = one.get("name")
            if not isinstance(name, str) or not name:
                raise Invalid(f"{where}[{at}].name must be a string", param=f"{where}[{at}].name")
            names.add(name)
    choice = object_of(object_of(fields.get("toolConfig")).get("functionCallingConfig"))
    where = "toolConfig.functionCallingConfig"
    mode, allowed = choice.get("mode"), choice.get("allowedFunctionNames")
    if not (mode is None or isinstance(mode, str)) or mode not in _MODES:
        raise Invalid(f"{where}.mode must be AUTO, ANY, NONE or VALIDATED", param=f"{where}.mode")
    if allowed is not None and (not _is_texts(allowed) or not names.issuperset(allowed)):
        name = f"{where}.allowedFunctionNames"
        raise Invalid(f"{name} must be a list of names of declared functions", param=name)


def _needs(fields: Mapping[str, Any]) -> frozenset[Need]:
    """Return the needs of a checked request; functions that its choice forbids do not count."""
    needs: list[Need] = []
    choice = object_of(object_of(fields.get("toolConfig")).get("functionCallingConfig"))
    if choice.get("mode") != "NONE" and any(
        tool.get("functionDeclarations") for _, tool in objects_in(fields.get("tools"))
    ):
        needs.append("tools")
    if any(_has_image(turn) for _, turn in objects_in(fields["contents"])):
        needs.append("images")
    config = object_of(fields.get("generationConfig"))
    if config.get("responseSchema") or config.get("responseJsonSchema"):
        needs.append("json_schema")
    return frozenset(needs) if needs else NEEDS_NOTHING


def _has_image(turn: Mapping[str, Any]) -> bool:
    for _, part in objects_in(turn.get("parts")):
        response = object_of(part.get("functionResponse"))
        if any(is_image(object_of(part.get(key)).get("mimeType")) for key in ("inlineData", "fileData")):
            return True
        if response and _has_image(response):
            return True
    return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[Any]", value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value) and abs(value) < 2**31


def _is_limit(value: Any) -> bool:
    return isinstance(value, int) and _is_whole(value) and value >= 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_whole(value) and 1 <= value <= _MAX_CANDIDATES


_RULES: Final[Mapping[str, tuple[Check, str]]] = {
    **dict.fromkeys(("systemInstruction", "generationConfig", "toolConfig"), (cast("Check", _is_object), "an object")),
    **dict.fromkeys(("tools", "safetySettings"), (cast("Check", _is_objects), "a list of objects")),
    "cachedContent": (_is_text, "a string"),
}
_CONFIG_RULES: Final[Mapping[str, tuple[Check, str]]] = {
    "maxOutputTokens": (_is_limit, "a whole number of tokens, at least 1"),
    "candidateCount": (_is_count, f"a whole number from 1 to {_MAX_CANDIDATES}"),
    **dict.fromkeys(
        ("temperature", "topP", "topK", "presencePenalty", "frequencyPenalty"), (cast("Check", _is_number), "a number")
    ),
    "seed": (_is_whole, "a whole number of 32 bits"),
    "stopSequences": (_is_texts, "a list of strings"),
    "responseMimeType": (_is_text, "a string"),
    **dict.fromkeys(("responseSchema", "thinkingConfig"), (cast("Check", _is_object), "an object")),
}
