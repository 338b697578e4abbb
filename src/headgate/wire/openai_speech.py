"""OpenAI's speech, for clients and for upstreams: `POST /v1/audio/speech`.

The text is scanned and masked. The answer is sound, which no scan reads: its bytes pass as they
come, and are labelled `unscanned`.

Source: schema `CreateSpeechRequest` of OpenAI's API document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.conversation import Delta
from headgate.wire.dialect import Match, Outgoing, Route, WholeDialect
from headgate.wire.form_content import OpaqueContent
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_calls import read_model
from headgate.wire.openai_chat import ANSWER_HEADERS, kept_headers
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_words import document_of
from headgate.wire.sse import SseEvent

NAME: Final = "openai_speech"

_SPEECH: Final = Match("speech")
_MAX_BYTES: Final = 64 << 20
_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_KEYS: Final = frozenset({"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"})
_REQUEST: Final = Layout(known_keys=_KEYS, fields={"input": "user", "instructions": "user"})


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """A piece of sound. Implements `WireEvent`, without text."""

    data: bytes

    wire = NAME
    is_opaque = True
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    usage: None = None
    stop_reason: None = None
    ends_runs: bool = False

    def run(self, channel: str) -> None:
        """Return None: sound has no text."""

    def edit(self, texts: Sequence[str]) -> SoundEvent:
        """Return the piece."""
        return self

    def without_spelling(self) -> SoundEvent:
        """Return the piece."""
        return self

    def insert(self, slot: TextSlot) -> SoundEvent:
        """Refuse: sound has no text.

        Raises:
            ValueError: always.
        """
        raise ValueError("sound carries no text")

    def deltas(self) -> Sequence[Delta]:
        """Return nothing: sound crosses to no other wire."""
        return ()


class SoundReader:
    """Takes the pieces of one answer, up to 64 MiB; implements `EventReader`."""

    __slots__ = ("_size_bytes",)

    def __init__(self) -> None:
        self._size_bytes = 0

    def feed(self, event: SseEvent) -> Sequence[SoundEvent]:
        """Return the piece.

        Raises:
            Upstream: the answer is too large.
        """
        self._size_bytes += len(event.data)
        if self._size_bytes > _MAX_BYTES:
            raise Upstream(f"the provider's answer is larger than {_MAX_BYTES >> 20} MiB", retryable=False)
        return (SoundEvent(event.data),)

    def finish(self) -> None:
        """Check that there was any sound.

        Raises:
            Upstream: there was none.
        """
        if not self._size_bytes:
            raise Upstream("the provider's answer has no sound")


class SoundWriter:
    """Writes sound for the client; implements `EventWriter`."""

    __slots__ = ()

    def write(self, event: ModelEvent) -> bytes:
        """Return the bytes."""
        return event.data

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def fail(self, error: HeadgateError) -> bytes:
        """Return nothing: the server breaks the connection, because sound has no place for an error."""
        return b""

    def heartbeat(self) -> bytes:
        """Return nothing: sound has no comments."""
        return b""


class OpenAiSpeech(OneAnswer):
    """The dialect; implements `WholeDialect`. It has no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Speech of OpenAI and of every server that speaks it.")
    name = NAME
    plane = OPENAI
    routes = (Route("POST", "/v1/audio/speech", "speech"),)
    quirks = EMPTY
    answer_headers = ANSWER_HEADERS

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _SPEECH) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        document = JsonDocument.parse(body, layout=_REQUEST)
        fields = document.fields()
        model = read_model(fields)
        text = fields.get("input")
        if not isinstance(text, str) or not text:
            raise Invalid("input must be a text", param="input")
        form = fields.get("response_format") or "mp3"
        if not isinstance(form, str) or form not in _TYPES:
            raise Invalid(f"response_format must be one of {', '.join(_TYPES)}", param="response_format")
        if fields.get("stream_format") not in (None, "audio"):
            raise Invalid("stream_format: Headgate passes sound on as it comes; leave it out", param="stream_format")
        return ModelCall(
            wire=NAME,
            content=document,
            model=model,
            operation="speech",
            stream=True,
            counts=(("characters", len(text)),),
            answer_type=_TYPES[form],
        )

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's bytes with the deployment's model."""
        return document_of(call.content, _REQUEST).edit_fields({("model",): msgspec.json.encode(outgoing.model)}).raw

    def read_events(self) -> SoundReader:
        """Return a reader for one answer."""
        return SoundReader()

    def write_events(self, call: ModelCall, *, created: int = 0) -> SoundWriter:
        """Return a writer for the client that sent `call`."""
        return SoundWriter()

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Take an answer as a whole."""
        return ModelReply(NAME, OpaqueContent(body), headers=kept_headers(headers), media_type="audio/mpeg")

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes."""
        return reply.content.to_bytes()

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)


dialect: Final[WholeDialect] = OpenAiSpeech()
"""The dialect of speech."""
