"""What clients may send to the model process, decoded and bounded.

Only the fields named here reach a model; others that the OpenAI wire knows (`user`, `metadata`, `store`, ...) mean
nothing to a local model and are dropped, as are the knobs of llama.cpp itself (`id_slot`, `grammar`, `lora`, ...).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from headgate.gateway.embedded.llama import CONTEXT_TOKENS, SLOTS
from headgate.kernel.errors import Invalid, NotFound

MAX_BODY_BYTES = 16 << 20

_MAX_SCHEMA_BYTES = 64 << 10
_MAX_SCHEMA_DEPTH = 64  # the grammar compiler recurses
# No prompt of more characters can fit: this rejects in microseconds what would take seconds to tokenize.
_MAX_PROMPT_CHARS = CONTEXT_TOKENS * 64
# llama.cpp reads these as the marks between turns wherever they stand, so text could pose as the system's words.
_TURN_MARK = re.compile(r"<\|(?=(?:im_start|im_end|endoftext)\|>)")

T = TypeVar("T")


class ContextOverflow(Invalid):
    """The prompt does not fit the model's context."""

    code = "context_length_exceeded"


class ModelNotServed(NotFound):
    """The route serves another model."""

    code = "model_not_found"


class TextPart(msgspec.Struct, frozen=True):
    """A part of a message; only text is understood."""

    type: str
    text: str = ""


class Message(msgspec.Struct, omit_defaults=True, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None


class StreamOptions(msgspec.Struct, omit_defaults=True, frozen=True):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, omit_defaults=True, frozen=True):
    """The body of `POST /v1/chat/completions`."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1, max_length=2048)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    n: Annotated[int, Meta(ge=1, le=SLOTS)] | None = None
    seed: Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] | None = None
    stop: (
        Annotated[str, Meta(max_length=256)]
        | Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=4)]
        | None
    ) = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=300)] | None = None
    response_format: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw | None = None


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """The body of `POST /v1/embeddings`."""

    model: str
    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class TokenizeRequest(msgspec.Struct, frozen=True):
    """The body of `POST /tokenize`: a text, or for the chat model the messages of a conversation."""

    model: str
    content: Annotated[str, Meta(max_length=1 << 20)] | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=2048)] | None = None


def decode(body: bytes, kind: type[T]) -> T:
    """The body as a request of that kind.

    Raises:
        Invalid: it is not JSON or not of that form; the message names the place, never the value.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        problem, _, place = str(exc).partition(" - at `$")
        param = place.strip(".`") or None
        raise Invalid(f"The field {param} is not valid: {problem}." if param else f"{problem}.", param=param) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Invalid("The body is not JSON in UTF-8, or is nested too deeply.") from exc


def chat_body(request: ChatRequest) -> bytes:
    """What llama.cpp is sent for a request.

    Raises:
        Invalid: the model cannot do what is asked.
        ContextOverflow: no prompt of that length can fit.
    """
    if request.tools and request.tool_choice != msgspec.Raw(b'"none"'):
        raise Invalid(
            'The embedded model cannot be trusted to call tools. Send tool_choice "none", or use another model.',
            param="tools",
        )
    if request.response_format is not None:
        _check_schema(request.response_format)
    plain = msgspec.structs.replace(request, messages=plain_messages(request.messages), tools=None, tool_choice=None)
    return msgspec.json.encode(plain)


def plain_messages(messages: list[Message]) -> list[Message]:
    """The messages with their text in one piece, in the roles that the model was trained on.

    Raises:
        Invalid: a part is not text.
        ContextOverflow: no prompt of that length can fit.
    """
    plain = [Message("system" if m.role == "developer" else m.role, _text(m.content)) for m in messages]
    if sum(len(message.content or "") for message in plain) > _MAX_PROMPT_CHARS:
        raise context_overflow(None)
    return plain


def context_overflow(tokens: int | None) -> ContextOverflow:
    """The error whose words and code clients look for to shorten a conversation and try again."""
    length = "far more" if tokens is None else str(tokens)
    return ContextOverflow(
        f"This model's maximum context length is {CONTEXT_TOKENS} tokens. However, your messages resulted in {length} "
        "tokens. Please reduce the length of the messages.",
        param="messages",
    )


def texts_of(request: EmbeddingsRequest) -> list[str] | list[list[int]]:
    """The inputs to embed, each a text or a list of tokens.

    Raises:
        Invalid: texts and tokens are mixed.
    """
    given = [request.input] if isinstance(request.input, str) else request.input
    texts = [item for item in given if isinstance(item, str)]
    numbers = [item for item in given if isinstance(item, int)]
    lists = [item for item in given if isinstance(item, list)]
    if len(texts) == len(given):
        return texts
    if len(numbers) == len(given):
        return [numbers]
    if len(lists) == len(given):
        return lists
    raise Invalid("The inputs to embed are of different kinds; send only texts or only tokens.", param="input")


def _text(content: str | list[TextPart] | None) -> str:
    if isinstance(content, list):
        if any(part.type != "text" for part in content):
            raise Invalid("The embedded model reads only text; leave out images, audio and files.", param="messages")
        content = "\n".join(part.text for part in content)
    return _TURN_MARK.sub("< |", content or "")


def _check_schema(schema: dict[str, Any]) -> None:
    level: list[Any] = [schema]
    for _ in range(_MAX_SCHEMA_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in cast("list[Any]", list(node.values()) if isinstance(node, dict) else node)
        ]
    if level:
        raise Invalid(f"The response format is nested more than {_MAX_SCHEMA_DEPTH} deep.", param="response_format")
    if len(msgspec.json.encode(schema)) > _MAX_SCHEMA_BYTES:
        raise Invalid(f"The response format is larger than {_MAX_SCHEMA_BYTES} bytes.", param="response_format")
