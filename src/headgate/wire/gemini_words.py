"""Maps Gemini's vocabulary to ours: fields, finish reasons, token arithmetic and ids.

Source: Google's reference of the Generative Language API, "GenerateContentResponse"; `types.py` of
the `google-genai` SDK 3.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headgate.kernel.content import Content
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.token_counts import count_of, object_of

NAME: Final = "gemini"
"""The name of the dialect of chats and token counts, as in `ModelCall.wire`."""

_KEYS: Final = frozenset(
    {
        *("model", "contents", "role", "parts", "text", "thought", "thoughtSignature", "inlineData", "fileData"),
        *("mimeType", "data", "fileUri", "functionCall", "functionResponse", "name", "args", "id", "response"),
        *("executableCode", "codeExecutionResult", "language", "code", "outcome", "output", "videoMetadata"),
        *("systemInstruction", "generationConfig", "maxOutputTokens", "temperature", "topP", "topK", "candidateCount"),
        *("stopSequences", "seed", "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig"),
        *("thinkingBudget", "thinkingLevel", "includeThoughts", "presencePenalty", "frequencyPenalty"),
        *("responseLogprobs", "logprobs", "responseModalities", "mediaResolution", "speechConfig", "tools"),
        *("functionDeclarations", "description", "parameters", "parametersJsonSchema", "type", "properties"),
        *("required", "items", "enum", "format", "nullable", "anyOf", "propertyOrdering", "additionalProperties"),
        *("toolConfig", "functionCallingConfig", "mode", "allowedFunctionNames", "safetySettings", "category"),
        *("threshold", "cachedContent", "labels", "googleSearch", "codeExecution", "urlContext", "requests", "content"),
        *("taskType", "title", "outputDimensionality", "candidates", "finishReason", "finishMessage", "index"),
        *("safetyRatings", "probability", "blocked", "promptFeedback", "blockReason", "usageMetadata"),
        *("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount"),
        *("thoughtsTokenCount", "toolUsePromptTokenCount", "promptTokensDetails", "candidatesTokensDetails"),
        *("cacheTokensDetails", "modality", "tokenCount", "modelVersion", "responseId", "avgLogprobs"),
        *("groundingMetadata", "citationMetadata", "totalTokens", "createTime", "serviceTier"),
    }
)
REQUEST: Final = Layout(
    known_keys=_KEYS,
    fields={"systemInstruction": "system", "tools": "schema", "generationConfig": "schema"},
    turns={"contents": "user"},
    roles={"user": "user", "model": "assistant", "function": "tool", "tool": "tool", "system": "system"},
    keys={"functionResponse": "tool", "codeExecutionResult": "tool"},
    parts="parts",
    joins_turns=True,
    media_keys={"data": ("mimeType", "")},
)
"""The origins of the strings in a request in canonical form."""

ANSWER: Final = Layout(
    known_keys=_KEYS,
    fields={"candidates": "assistant"},
    answers={"candidates": "content"},
    parts="parts",
    media_keys={"data": ("mimeType", "")},
    spelling=frozenset({"logprobsResult"}),
)
"""The origins of the strings in an answer."""

EMBEDDING: Final = Layout(known_keys=_KEYS, fields={"content": "user", "requests": "user"})
"""The origins of the strings in a request for embeddings."""

_STOP_REASONS: Final[Mapping[str, StopReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), "content_filter"),
    **dict.fromkeys(("MODEL_ARMOR", "ESCALATION"), "content_filter"),
}
_FINISH_REASONS: Final[Mapping[StopReason, str]] = {
    **dict.fromkeys(("stop", "stop_sequence", "tool_use"), "STOP"),
    **dict.fromkeys(("length", "context_length"), "MAX_TOKENS"),
    **dict.fromkeys(("refusal", "content_filter"), "SAFETY"),
}
_UNFINISHED: Final = (None, "", "FINISH_REASON_UNSPECIFIED")


def is_finished(finish_reason: Any) -> bool:
    """Whether a candidate has ended."""
    return finish_reason not in _UNFINISHED


def stop_reason_of(finish_reason: Any, *, has_called: bool = False) -> StopReason:
    """Return our stop reason for Gemini's; an unknown one is `unknown`, never `stop`.

    Gemini also ends an answer with function calls with `STOP`.
    """
    reason = _STOP_REASONS.get(finish_reason, "unknown") if isinstance(finish_reason, str) else "unknown"
    return "tool_use" if has_called and reason == "stop" else reason


def finish_reason_of(reason: StopReason) -> str:
    """Return Gemini's finish reason for ours; a pause and an unknown reason become `OTHER`."""
    return _FINISH_REASONS.get(reason, "OTHER")


def usage_from(metadata: Any) -> Usage:
    """Return our usage for a decoded `usageMetadata` of any form.

    The prompt includes cached tokens. Thoughts are apart from the candidates, except on some
    servers. Their total reveals it.
    """
    fields = object_of(metadata)
    prompt, tools = count_of(fields.get("promptTokenCount")), count_of(fields.get("toolUsePromptTokenCount")) or 0
    said, thoughts = count_of(fields.get("candidatesTokenCount")), count_of(fields.get("thoughtsTokenCount")) or 0
    total, cached = count_of(fields.get("totalTokenCount")), count_of(fields.get("cachedContentTokenCount")) or 0
    if prompt is None:
        sent = None if total is None or said is None else max(0, total - said - thoughts)
    else:
        sent = max(prompt, cached) + tools
    written = None if said is None and not thoughts else (said or 0) + thoughts
    if said and thoughts and sent is not None and total == sent + said and said >= thoughts:
        written = said
    return Usage(sent, written, cache_read_tokens=cached, reasoning_tokens=thoughts)


def metadata_of(usage: Usage) -> dict[str, int]:
    """Return our usage as Gemini's `usageMetadata`; unknown counts are 0."""
    sent, written = usage.input_tokens or 0, usage.output_tokens or 0
    metadata = {
        "promptTokenCount": sent,
        "candidatesTokenCount": max(0, written - usage.reasoning_tokens),
        "totalTokenCount": sent + written,
    }
    if usage.cache_read_tokens:
        metadata["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        metadata["thoughtsTokenCount"] = usage.reasoning_tokens
    return metadata


def call_id(given: Any, *, reply_id: str, index: int) -> str:
    """Return the id of a function call; without one from the provider, an id from its place.

    A thought signature is never part of an id: other wires limit the length of ids.
    """
    return given if isinstance(given, str) and given else f"call_{reply_id}_{index}"


def document_of(content: Content, layout: Layout) -> JsonDocument:
    """Return the content as a document; parse content that a test or an extension made."""
    return content if isinstance(content, JsonDocument) else JsonDocument.parse(content.to_bytes(), layout=layout)
