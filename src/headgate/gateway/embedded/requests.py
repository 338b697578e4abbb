"""The requests of the model process, decoded and bounded.

Only the fields named here reach a model, never llama.cpp's own options (`id_slot`, `grammar`,
`lora`, ...). Fields that ask for another kind of answer, such as sound or a search, are refused.
Other unknown fields are ignored, and a response header names them; see `unheard`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from headgate.gateway.embedded.llama import CONTEXT_TOKENS, SLOTS, VOCABULARY
from headgate.gateway.embedded.overflow import context_overflow
from headgate.kernel.errors import Invalid, NotFound

MAX_BODY_BYTES = 16 << 20

_MAX_SCHEMA_BYTES = 64 << 10
_MAX_SCHEMA_DEPTH = 64  # the grammar compiler recurses
# A longer prompt cannot fit. This check takes microseconds; tokenizing it would take seconds.
_MAX_PROMPT_CHARS = CONTEXT_TOKENS * 64
# llama.cpp reads these as turn marks anywhere in a text, so a user's text could fake a system turn.
# Pulled models know the marks of their families, in the forms of Qwen, Llama, Phi and Gemma.
_TURN_MARK = re.compile(
    r"<\|(?=(?:im_start|im_end|endoftext|begin_of_text|start_header_id|end_header_id|eot_id|system|user|assistant|end)\|>)"
    r"|<(?=(?:start|end)_of_turn>)"
)

_RANDOM_SEED = 0xFFFF_FFFF  # for llama.cpp this means a random seed; seeds are taken modulo this
_EXTRAS = ("tools", "tool_choice", "functions", "function_call", "modalities", "audio", "web_search_options")
_ABOUT = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "safety_identifier", "parallel_tool_calls"),
        *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
    }
)
"""Fields about accounts, caches and tools, which do not change the answer."""
_UNFIT = re.compile(r"[^!-~]")
_MAX_NAMED_CHARS = 500

T = TypeVar("T")


class ModelNotServed(NotFound):
    """The route serves another model."""

    code = "model_not_found"


class TextPart(msgspec.Struct, frozen=True):
    """A part of a message; only text is supported."""

    type: str
    text: str = ""


class Message(msgspec.Struct, omit_defaults=True, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None


class StreamOptions(msgspec.Struct, omit_defaults=True, frozen=True):
    """Options of a stream."""

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
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
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
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[Any] | None = None
    function_call: str | dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None


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
    """Decode the body as a request of that kind.

    Raises:
        Invalid: the body is not valid JSON of that kind. The message never holds the value.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        problem, _, place = str(exc).partition(" - at `$")
        param = place.strip(".`") or None
        raise Invalid(f"The field {param} is not valid: {problem}." if param else f"{problem}.", param=param) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Invalid("The body is not JSON in UTF-8, or is nested too deeply.") from exc


def chat_body(request: ChatRequest, *, vocabulary: int | None = VOCABULARY) -> bytes:
    """Return the body of llama.cpp's request.

    Args:
        vocabulary: the number of tokens that the model knows; None for a pulled model, whose number is unknown here.

    Raises:
        Invalid: the model does not support the request.
        ContextOverflow: the prompt is too long to fit.
    """
    _check_extras(request)
    if request.response_format is not None:
        _check_format(request.response_format)
    if request.top_logprobs and not request.logprobs:
        raise Invalid("top_logprobs needs logprobs to be true.", param="top_logprobs")
    for token in request.logit_bias or ():
        if not token.isdecimal() or (vocabulary is not None and int(token[:8]) >= vocabulary):
            numbers = "" if vocabulary is None else f", 0 to {vocabulary - 1}"
            raise Invalid(
                f"logit_bias names tokens of this model by their numbers{numbers}; those of other models mean other"
                " words.",
                param="logit_bias",
            )
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    plain = msgspec.structs.replace(
        request,
        messages=plain_messages(request.messages),
        seed=None if request.seed is None else request.seed % _RANDOM_SEED,
        stop=[text for text in stops if text] or None,
        top_logprobs=request.top_logprobs or None,
        **dict.fromkeys(_EXTRAS),
    )
    return msgspec.json.encode(plain)


def _check_extras(request: ChatRequest) -> None:
    """Refuse tools, sound and search. A field that switches such a feature off is fine."""
    for tools, choice, name in (
        (request.tools, request.tool_choice, "tool"),
        (request.functions, request.function_call, "function"),
    ):
        kind: Any = choice.get("type") if isinstance(choice, dict) else choice
        field = "tool_choice" if name == "tool" else "function_call"
        if tools and kind != "none":
            raise Invalid(
                f'The embedded model cannot be trusted to call tools. Send {field} "none", or use another model.',
                param=f"{name}s",
            )
        if not tools and kind not in (None, "none", "auto"):
            raise Invalid(f"{field} needs {name}s, and the request has none.", param=field)
    if request.audio is not None or any(kind != "text" for kind in request.modalities or ()):
        raise Invalid("The embedded model answers with text only.", param="audio" if request.audio else "modalities")
    if request.web_search_options is not None:
        raise Invalid("The embedded model cannot search the web.", param="web_search_options")


def plain_messages(messages: list[Message]) -> list[Message]:
    """Return the messages with joined text, in the roles that the model was trained on.

    Raises:
        Invalid: a part is not text.
        ContextOverflow: the prompt is too long to fit.
    """
    plain = [Message("system" if m.role == "developer" else m.role, _text(m.content)) for m in messages]
    if sum(len(message.content or "") for message in plain) > _MAX_PROMPT_CHARS:
        raise context_overflow(None, limit=CONTEXT_TOKENS, param="messages")
    return plain


def texts_of(request: EmbeddingsRequest) -> list[str]:
    """Return the texts to embed.

    Raises:
        Invalid: the input has token ids. Clients make them with another model's vocabulary, so they
            mean other words here.
    """
    given = [request.input] if isinstance(request.input, str) else request.input
    texts = [item for item in given if isinstance(item, str)]
    if len(texts) < len(given):
        raise Invalid(
            "The embedded model has a vocabulary of its own, so token numbers of other models mean other words to it."
            " Send texts; in LangChain, set check_embedding_ctx_length to False.",
            param="input",
        )
    return texts


def unheard(body: bytes, *, heard: tuple[str, ...]) -> str | None:
    """Return the ignored fields of a checked request, separated by commas; None without any.

    Args:
        heard: the supported fields. Nulls, and fields about accounts and caches, are not listed.
    """
    fields = msgspec.json.decode(body, type=dict[str, Any])
    names = [name for name, value in fields.items() if value is not None and name not in heard and name not in _ABOUT]
    messages: list[dict[str, Any]] = fields.get("messages") or []
    known = Message.__struct_fields__
    within = dict.fromkeys(name for one in messages for name, value in one.items() if value and name not in known)
    names += [f"messages.{name}" for name in within]
    return _UNFIT.sub("?", ",".join(names))[:_MAX_NAMED_CHARS] or None


def _text(content: str | list[TextPart] | None) -> str:
    if isinstance(content, list):
        if any(part.type != "text" for part in content):
            raise Invalid("The embedded model reads only text; leave out images, audio and files.", param="messages")
        content = "\n".join(part.text for part in content)
    return _TURN_MARK.sub(lambda mark: f"< {mark[0][1:]}", content or "")


def _check_format(form: dict[str, Any]) -> None:
    kind: Any = form.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise Invalid("response_format.type is text, json_object or json_schema.", param="response_format")
    inner: Any = form.get("json_schema")
    if kind == "json_schema" and not (isinstance(inner, dict) and isinstance(inner.get("schema"), dict)):  # pyright: ignore[reportUnknownMemberType] - a decoded object
        raise Invalid("response_format.json_schema.schema has to be a JSON schema.", param="response_format")
    _check_schema(form)


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
