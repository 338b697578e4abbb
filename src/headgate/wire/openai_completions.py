"""OpenAI's legacy completions, for clients and for upstreams: `POST /v1/completions`.

A completion continues a prompt. Any model of a chat can answer one: the prompt becomes a turn of
the user. A chat cannot do three things, and the gateway refuses a request for them where the
deployment has no completions of its own: repeat the prompt (`echo`), tell log probabilities
(`logprobs`), and write what stands before a text (`suffix`). It also refuses several prompts at
once, and prompts of token ids. Other fields that a chat lacks are left out, and their names told.

Source: schemas `CreateCompletionRequest` and `CreateCompletionResponse` of OpenAI's API document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import Content
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.wire.conversation import Conversation, Message, Refusal, Reply, Text
from headgate.wire.dialect import Match, Outgoing, Route, WholeDialect
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall, ModelReply
from headgate.wire.openai_calls import forwarded, read_model, wants_usage
from headgate.wire.openai_chat import ANSWER_HEADERS, kept_headers
from headgate.wire.openai_completions_stream import CompletionsReader, CompletionsWriter
from headgate.wire.openai_completions_words import (
    COMPLETIONS,
    QUIRKS,
    REPLY,
    REQUEST,
    checked_fields,
    has_tokens,
    output_limit,
)
from headgate.wire.openai_errors import read_error_event, read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_words import document_of, finish_reason_of, stop_reason_of, tokens_from, tokens_of
from headgate.wire.sse import frame
from headgate.wire.surrogates import parse_answer
from headgate.wire.unportable import is_meaningless

_CHAT: Final = Match("chat")
_USUAL_LIMIT: Final = 16
"""The number of tokens of an answer whose request has no limit."""

_CARRIED: Final = frozenset(
    {*("model", "prompt", "max_tokens", "temperature", "top_p", "stop", "seed", "user", "stream", "stream_options")}
)
_UNPORTABLE: Final = {
    "echo": "a chat does not repeat the prompt",
    "logprobs": "a chat tells no log probabilities in this form",
    "suffix": "a chat does not write what stands before a text",
}


class _Choice(msgspec.Struct):
    text: str
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None


class OpenAiCompletions:
    """The dialect; implements `WholeDialect`."""

    __slots__ = ()

    manifest = Manifest("dialects", COMPLETIONS, "Legacy completions of OpenAI and of servers that speak them.")
    name = COMPLETIONS
    plane = OPENAI
    routes = (Route("POST", "/v1/completions", "chat"),)
    quirks = QUIRKS
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _CHAT) -> ModelCall:
        """Decode and check a client's request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        document = JsonDocument.parse(body, layout=REQUEST)
        fields = document.fields()
        model = read_model(fields)
        checked_fields(fields)
        return ModelCall(
            wire=COMPLETIONS,
            content=document.opaque() if has_tokens(fields["prompt"]) else document,
            model=model,
            stream=fields.get("stream") is True,
            headers=forwarded(headers),
            output_limit=output_limit(fields),
        )

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with the deployment's model, a request for usage, and the cap."""
        document = document_of(call.content, REQUEST)
        fields = document.fields()
        edits: dict[Path, bytes | None] = {("model",): msgspec.json.encode(outgoing.model)}
        if "no_stream_options" in outgoing.quirks:
            edits.update({(name,): None for name in ("stream_options",) if name in fields})
        elif call.stream and not wants_usage(fields):
            edits["stream_options",] = b'{"include_usage":true}'
        cap = outgoing.cap_output_tokens
        if cap is not None and (fields.get("max_tokens") or _USUAL_LIMIT) > cap:
            edits["max_tokens",] = b"%d" % cap
        return document.edit_fields(edits).raw

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode a whole answer.

        Raises:
            Upstream: the answer is not a completion, or it has no choices.
        """
        try:
            document = parse_answer(body, REPLY)
            completion = msgspec.convert(document.value, _Completion)
        except (Invalid, msgspec.ValidationError) as error:
            if b'"error"' in body[:1000]:
                raise read_error_event(body) from error
            raise Upstream("the provider's answer is not a completion") from error
        if not completion.choices:
            raise Upstream("the provider's answer has no choices")
        return ModelReply(
            wire=COMPLETIONS,
            content=document,
            usage=tokens_from(completion.usage).usage(),
            stop_reason=stop_reason_of(completion.choices[0].finish_reason),
            headers=kept_headers(headers),
        )

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes with the alias in place of its model name."""
        return document_of(reply.content, REPLY).edit_fields({("model",): msgspec.json.encode(model)}).raw

    def rename_tools(self, reply: ModelReply, names: Mapping[str, str]) -> ModelReply:
        """Return the answer: completions call no tools."""
        return reply

    def read_events(self) -> CompletionsReader:
        """Return a decoder for one stream."""
        return CompletionsReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as a stream: its form is that of a chunk."""
        self.read_reply(body, headers={})
        return frame(body) + frame(b"[DONE]")

    def assembler(self) -> None:
        """Return None: whole answers of this wire may be as long as streams."""

    def write_events(self, call: ModelCall, *, created: int = 0) -> CompletionsWriter:
        """Return an encoder for the client that sent `call`."""
        return CompletionsWriter(call, created=created)

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)

    def to_conversation(self, content: Content) -> Conversation:
        """Build the typed form of a request: one turn of the user.

        Raises:
            Invalid: the request asks for something that a chat cannot do; `param` names it.
        """
        fields = document_of(content, REQUEST).fields()
        for name, why in _UNPORTABLE.items():
            if not _is_unset(fields.get(name)):
                raise Invalid(f"{name}: this model has no completions of its own, and {why}", param=name)
        stop = fields.get("stop")
        return Conversation(
            messages=(Message("user", (Text(_only_prompt(fields["prompt"])),)),),
            max_tokens=fields.get("max_tokens"),
            temperature=fields.get("temperature"),
            top_p=fields.get("top_p"),
            stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
            seed=fields.get("seed"),
            user=fields.get("user"),
            stream=fields.get("stream") is True,
            include_usage=wants_usage(fields),
            dropped=tuple(
                name
                for name, value in fields.items()
                if name not in _CARRIED and name not in _UNPORTABLE and not _is_meaningless(name, value)
            ),
        )

    def from_conversation(self, conversation: Conversation, outgoing: Outgoing) -> bytes:
        """Refuse: a completion continues a prompt, and has no turns.

        Raises:
            Invalid: always.
        """
        raise Invalid(f"{outgoing.model} answers legacy completions only; call it by /v1/completions", param="model")

    def unsaid(self, conversation: Conversation, outgoing: Outgoing) -> tuple[str, ...]:
        """Return nothing: `from_conversation` refuses everything."""
        return ()

    def to_reply(self, reply: ModelReply) -> Reply:
        """Build the typed form of an answer's first choice."""
        fields = document_of(reply.content, REPLY).fields()
        return Reply(
            id=str(fields.get("id") or ""),
            model=str(fields.get("model") or ""),
            parts=(Text(cast("str", fields["choices"][0]["text"])),),
            stop_reason=reply.stop_reason,
            usage=reply.usage,
        )

    def from_reply(self, reply: Reply, *, model: str, call: ModelCall | None = None, created: int = 0) -> bytes:
        """Write an answer of a chat as a completion."""
        text = "".join(part.text for part in reply.parts if isinstance(part, (Text, Refusal)))
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason_of(reply.stop_reason)}
        return msgspec.json.encode(
            {
                "id": reply.id,
                "object": "text_completion",
                "created": created,
                "model": model,
                "choices": [choice],
                "usage": tokens_of(reply.usage),
            }
        )


def _only_prompt(prompt: Any) -> str:
    """Return the text of the only prompt.

    Raises:
        Invalid: there are several, or token ids.
    """
    prompts = cast("list[Any]", prompt) if isinstance(prompt, list) else [prompt]
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise Invalid(
            "prompt: this model has no completions of its own; send one prompt for each request, as text",
            param="prompt",
        )
    return prompts[0]


def _is_unset(value: Any) -> bool:
    """Whether a field asks for nothing; zero log probabilities are some."""
    return value is None or value is False or value == ""


def _is_meaningless(name: str, value: Any) -> bool:
    return is_meaningless(name, value) or (name == "best_of" and value == 1)


dialect: Final[WholeDialect] = OpenAiCompletions()
"""The dialect of legacy completions."""
