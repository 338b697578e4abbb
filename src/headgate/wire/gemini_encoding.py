"""Encodes the typed form as Gemini's requests and answers.

`unsaid` names the lost fields. `gemini_calls` lists the quirks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.kernel.errors import Invalid, Upstream
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
from headgate.wire.gemini_calls import FOREIGN_SIGNATURE
from headgate.wire.gemini_schemas import openapi_schema_of
from headgate.wire.gemini_words import finish_reason_of, metadata_of
from headgate.wire.json_document import TooDeep, decoded_inside
from headgate.wire.names import sent_name
from headgate.wire.tool_arguments import tool_input

_Json = dict[str, Any]

_MAX_STOPS: Final = 5
_MAX_SEED: Final = 2**31
_BUDGETS: Final[Mapping[str, int]] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Source: Google's guide to its OpenAI-compatible API, "Thinking"."""

_LEVELS: Final = frozenset({"minimal", "low", "medium", "high"})
_LEVEL_TOKENS: Final = ((1024, "low"), (8192, "medium"))
_IMAGE_TYPES: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
}


def write_request(conversation: Conversation, outgoing: Outgoing) -> bytes:
    """Write a conversation as a request; the path names the model.

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


def write_answer(reply: Reply, *, model: str, has_thoughts: bool) -> bytes:
    """Write an answer of another wire as one of this.

    Args:
        has_thoughts: whether the client asked for thoughts.

    Raises:
        Upstream: a tool call's arguments are nested deeper than a body may be.
    """
    parts = [made for part in reply.parts if (made := answer_part(part, has_thoughts=has_thoughts)) is not None]
    refusal = "".join(part.text for part in reply.parts if isinstance(part, Refusal))
    candidate: _Json = {"content": {"parts": parts, "role": "model"}} if parts else {}
    candidate |= {"finishReason": finish_reason_of("refusal" if refusal else reply.stop_reason), "index": 0}
    if refusal:
        candidate["finishMessage"] = refusal
    return msgspec.json.encode(
        {
            "candidates": [candidate],
            "usageMetadata": metadata_of(reply.usage),
            "modelVersion": model,
            "responseId": reply.id,
        }
    )


def answer_part(part: Part, *, has_thoughts: bool) -> _Json | None:
    """Return one part of an answer; None if it is empty or has no form on this wire.

    Signatures are valid only at their origin, so a thought of another wire has none.
    """
    match part:
        case Text(text) | Refusal(text):
            return {"text": text} if text else None
        case Reasoning(text):
            return {"text": text, "thought": True} if text and has_thoughts else None
        case ToolUse(tool_id, name, arguments):
            return {"functionCall": call_of(tool_id, name, arguments)}
        case Image(str() as data, str() as media_type):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case _:
            return None


def call_of(tool_id: str, name: str, arguments: str) -> _Json:
    """Return a function call for a client, with its id.

    Raises:
        Upstream: the arguments are nested deeper than a body may be.
    """
    call: _Json = {"id": tool_id} if tool_id else {}
    return {**call, "name": name, "args": tool_input(arguments, fault=Upstream)}


class _Writer:
    """Writes one request, and notes the fields that it leaves out."""

    def __init__(self, conversation: Conversation, outgoing: Outgoing) -> None:
        self._conversation = conversation
        self._outgoing = outgoing
        self._quirks = outgoing.quirks
        self._names: dict[str, str] = {}
        self.unsaid: list[str] = []

    def request(self) -> _Json:
        said = self._conversation
        system = [part for message in said.messages if message.role == "system" for part in self._system(message)]
        self._note_positions(said.messages)
        contents = self._contents([message for message in said.messages if message.role != "system"])
        if not contents and system:
            # Prompts of system text only are common on other wires. This wire needs a turn.
            contents, system = [{"role": "user", "parts": system}], []
        if not contents:
            raise Invalid("messages: at least one message with content is needed", param="messages")
        body: _Json = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": system}
        body.update(self._tools())
        config = {**self._limit(), **self._sampling(), **self._output(), **self._thinking()}
        if config:
            body["generationConfig"] = config
        if said.user is not None:
            self.unsaid.append("user")
        if said.parallel_tools is False:
            self.unsaid.append("parallel_tools")
        return body

    def _note_positions(self, messages: Sequence[Message]) -> None:
        first = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
        if any(message.role == "system" for message in messages[first:]):
            self.unsaid.append("system_position")

    def _system(self, message: Message) -> Iterator[_Json]:
        for part in message.parts:
            yield from self._part(part)

    def _contents(self, messages: Sequence[Message]) -> list[_Json]:
        """Return the turns; consecutive messages of one author become one turn."""
        contents: list[_Json] = []
        for message in messages:
            role = "model" if message.role == "assistant" else "user"
            parts = [made for part in self._ordered(message.parts) for made in self._part(part)]
            if not parts:
                continue
            if contents and contents[-1]["role"] == role:
                contents[-1]["parts"] += parts
            else:
                contents.append({"role": role, "parts": parts})
        if "signed_calls" in self._quirks:
            for turn in contents:
                call = next((part for part in turn["parts"] if "functionCall" in part), None)
                if call is not None:
                    call["thoughtSignature"] = FOREIGN_SIGNATURE
        return contents

    def _ordered(self, parts: Sequence[Part]) -> list[Part]:
        """Return the parts with the results first, in the order of their calls.

        The wire pairs calls and responses of one function by their order.
        """
        for part in parts:
            if isinstance(part, ToolUse):
                self._names[part.id] = part.name
        places = {tool_id: place for place, tool_id in enumerate(self._names)}
        results = [part for part in parts if isinstance(part, ToolResult)]
        results.sort(key=lambda one: places.get(one.tool_use_id, 0))
        return [*results, *(part for part in parts if not isinstance(part, ToolResult))]

    def _part(self, part: Part) -> Iterator[_Json]:
        match part:
            case Text(text, cache):
                if cache is not None:
                    self.unsaid.append("cache")
                if text:
                    yield {"text": text}
            case Refusal(text):
                if text:
                    yield {"text": text}
            case Reasoning():
                # A signature is valid only at its origin, and an unsigned thought is a mere text.
                self.unsaid.append("reasoning")
            case ToolUse(_, name, arguments):
                yield {"functionCall": {"name": sent_name(name), "args": tool_input(arguments, fault=Invalid)}}
            case ToolResult():
                yield from self._result(part)
            case Image() | Document():
                yield self._medium(part)

    def _result(self, result: ToolResult) -> Iterator[_Json]:
        name = self._names.get(result.tool_use_id)
        if name is None:
            raise Invalid(
                f"messages: the result for tool call {result.tool_use_id[:80]!r} does not follow a turn that makes"
                " this call",
                param="messages",
            )
        text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        response: Any = {"error" if result.is_error else "output": text}
        if not result.is_error and _is_object(text):
            response = msgspec.Raw(text.encode())
        yield {"functionResponse": {"name": sent_name(name), "response": response}}
        for part in result.parts:
            if not isinstance(part, Text):
                yield self._medium(part)

    def _medium(self, part: Image | Document) -> _Json:
        if isinstance(part, Image) and part.detail not in (None, "auto"):
            self.unsaid.append("image_detail")
        usual = "application/pdf" if isinstance(part, Document) else "image/png"
        if part.data is not None:
            return {"inlineData": {"mimeType": part.media_type or usual, "data": part.data}}
        url = part.url or ""
        kind = part.media_type or (usual if isinstance(part, Document) else _image_type(url))
        return {"fileData": {"mimeType": kind, "fileUri": url} if kind else {"fileUri": url}}

    def _tools(self) -> _Json:
        said = self._conversation
        names = {tool.name for tool in said.tools}
        choice = said.tool_choice
        if choice is not None and choice.mode == "named" and choice.name not in names:
            raise Invalid("tool_choice names a tool that is not in tools", param="tool_choice")
        if not said.tools:
            return {}
        body: _Json = {"tools": [{"functionDeclarations": [self._tool(tool) for tool in said.tools]}]}
        if choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _choice(choice)}
        return body

    def _tool(self, tool: Tool) -> _Json:
        declared: _Json = {"name": sent_name(tool.name)}
        if tool.description:
            declared["description"] = tool.description
        if tool.strict:
            self.unsaid.append("tools.strict")
        if "openapi_schemas" in self._quirks:
            removed: list[str] = []
            schema = openapi_schema_of(tool.schema, removed)
            self.unsaid += [f"tools.{keyword}" for keyword in removed]
            # The wire refuses an object without properties.
            return {**declared, "parameters": schema} if schema.get("properties") else declared
        return {**declared, "parametersJsonSchema": tool.schema}

    def _limit(self) -> _Json:
        asked = self._conversation.max_tokens
        if asked == 0:
            raise Invalid("max_tokens: must be at least 1 for this model", param="max_tokens")
        limits = [limit for limit in (asked, self._outgoing.cap_output_tokens) if limit]
        return {"maxOutputTokens": min(limits)} if limits else {}

    def _sampling(self) -> _Json:
        said = self._conversation
        given = (("temperature", said.temperature), ("topP", said.top_p), ("topK", said.top_k))
        body: _Json = {name: value for name, value in given if value is not None}
        if said.stop:
            body["stopSequences"] = list(said.stop[:_MAX_STOPS])
            if len(said.stop) > _MAX_STOPS:
                self.unsaid.append("stop")
        if said.seed is not None:
            if -_MAX_SEED <= said.seed < _MAX_SEED:
                body["seed"] = said.seed
            else:
                self.unsaid.append("seed")
        return body

    def _output(self) -> _Json:
        output = self._conversation.output
        if output is None:
            return {}
        body: _Json = {"responseMimeType": "application/json"}
        if output.schema is None:
            return body
        if "openapi_schemas" not in self._quirks:
            return {**body, "responseJsonSchema": output.schema}
        removed: list[str] = []
        schema = openapi_schema_of(output.schema, removed)
        self.unsaid += [f"output.{keyword}" for keyword in removed]
        return {**body, "responseSchema": schema}

    def _thinking(self) -> _Json:
        said = self._conversation
        effort, budget = said.reasoning_effort, said.reasoning_tokens
        if effort is None and budget is None:
            return {}
        if "thinking_level" in self._quirks:
            level = effort or next((name for most, name in _LEVEL_TOKENS if (budget or 0) <= most), "high")
            level = {"none": "minimal", "xhigh": "high", "max": "high"}.get(level, level)
            if level not in _LEVELS:
                self.unsaid.append("reasoning_effort")
                return {}
            return {"thinkingConfig": {"thinkingLevel": level, "includeThoughts": effort != "none"}}
        tokens = _BUDGETS.get(effort or "") if budget is None else budget
        if tokens is None:
            self.unsaid.append("reasoning_effort")
            return {}
        return {"thinkingConfig": {"thinkingBudget": tokens, "includeThoughts": tokens > 0}}


def _choice(choice: ToolChoice) -> _Json:
    match choice.mode:
        case "named":
            return {"mode": "ANY", "allowedFunctionNames": [sent_name(choice.name or "")]}
        case "required":
            return {"mode": "ANY"}
        case "none":
            return {"mode": "NONE"}
        case _:
            return {"mode": "AUTO"}


def _is_object(text: str) -> bool:
    try:
        return isinstance(decoded_inside(text), dict)
    except TooDeep:
        return False


def _image_type(url: str) -> str | None:
    return _IMAGE_TYPES.get(url.partition("?")[0].rpartition(".")[2].lower())
