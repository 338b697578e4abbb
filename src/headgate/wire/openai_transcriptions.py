"""OpenAI's transcriptions and translations of sound: `POST /v1/audio/transcriptions` and `translations`.

The sound of a request is content that no scan reads, so it is labelled `unscanned`; its fields are
scanned. The transcript is scanned in every form: JSON, text, subtitles and streams. Single words with
their times are left out for a reader who may not see all of the transcript, because a value may
span several words.

Source: schemas `CreateTranscriptionRequest`, `CreateTranslationRequest` and neighbours of OpenAI's
API document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from headgate.kernel.errors import HeadgateError, Invalid, Upstream
from headgate.kernel.extensions import Manifest
from headgate.kernel.labels import EMPTY
from headgate.wire.dialect import AnswerHeaders, Match, Outgoing, Route, WholeDialect
from headgate.wire.form_content import FormContent, content_of, form_of
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import Counts, ModelCall, ModelReply, Usage
from headgate.wire.one_answer import OneAnswer
from headgate.wire.openai_calls import read_model
from headgate.wire.openai_chat import kept_headers
from headgate.wire.openai_errors import read_upstream_error
from headgate.wire.openai_plane import OPENAI
from headgate.wire.raw_stream import RawReader, RawWriter
from headgate.wire.sse import frame
from headgate.wire.token_counts import count_of, object_of

NAME: Final = "openai_transcriptions"

_TRANSCRIBE: Final = Match("transcribe", body="form")
_LEAST_BYTES_A_SECOND: Final = 4_000
"""The bytes of a second of speech at 32 kbit/s, for an estimate that is rather too long."""
_RIFF: Final = b"RIFF"
_SAMPLES: Final = ((22, 24), (24, 28), (34, 36))
"""The places of the channels, the samples a second, and the bits of a sample in a WAV file's header."""
_REPLY: Final = Layout(
    known_keys=frozenset(
        {
            *("text", "task", "language", "duration", "segments", "words", "word", "start", "end", "id", "seek"),
            *("tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob", "usage", "type"),
            *("seconds", "input_tokens", "output_tokens", "total_tokens", "input_token_details", "speaker"),
            *("logprobs", "token", "logprob", "bytes"),
        }
    ),
    fields={"text": "assistant", "segments": "assistant", "words": "assistant"},
    spelling=frozenset({"tokens", "logprobs", "words"}),
)


class OpenAiTranscriptions(OneAnswer):
    """The dialect; implements `WholeDialect`. It has streams, and no chats."""

    __slots__ = ()

    manifest = Manifest("dialects", NAME, "Transcriptions of OpenAI and of every server that speaks them.")
    name = NAME
    plane = OPENAI
    routes = (
        Route("POST", "/v1/audio/transcriptions", "transcribe", body="form"),
        Route("POST", "/v1/audio/translations", "translate", body="form"),
    )
    quirks = EMPTY
    answer_headers = AnswerHeaders(
        rate_limits=("x-ratelimit-",), request_ids=("x-request-id", "request-id"), others=("content-type",)
    )

    def read_call(self, body: bytes, *, headers: Mapping[str, str], match: Match = _TRANSCRIBE) -> ModelCall:
        """Decode and check a request.

        Raises:
            Invalid: a field is invalid; `param` names it.
        """
        content = form_of(body, headers)
        form = content.form
        stream = form.text("stream") or "false"
        if stream.lower() not in ("true", "false"):
            raise Invalid("stream must be true or false", param="stream")
        sound = form.file("file")
        return ModelCall(
            wire=NAME,
            content=content,
            model=read_model({"model": form.text("model")}),
            operation=match.operation,
            stream=stream.lower() == "true",
            counts=(("audio_seconds", seconds_of(sound.data)),),
            media_type=form.content_type,
        )

    def write_call(self, call: ModelCall, outgoing: Outgoing) -> bytes:
        """Return the client's form with the deployment's model."""
        assert isinstance(call.content, FormContent)
        return call.content.form.with_texts({"model": outgoing.model}).to_bytes()

    def read_reply(self, body: bytes, *, headers: Mapping[str, str]) -> ModelReply:
        """Decode an answer of any form.

        Raises:
            Upstream: the answer is not of the form that its content type names, or is no text.
        """
        media_type = headers.get("content-type", "application/json")
        try:
            content = content_of(body, media_type, is_answer=True, layout=_REPLY)
        except HeadgateError as error:
            raise Upstream("the provider's answer is no transcript") from error
        if content.is_opaque:
            raise Upstream("the provider's answer is no transcript")
        fields = object_of(content.value if isinstance(content, JsonDocument) else None)
        tokens = object_of(fields.get("usage"))
        usage = Usage(
            count_of(tokens.get("input_tokens")),
            count_of(tokens.get("output_tokens")),
            counts=_seconds(tokens.get("seconds", fields.get("duration"))),
        )
        return ModelReply(NAME, content, usage, "stop", kept_headers(headers), media_type=media_type)

    def write_reply(self, reply: ModelReply, *, model: str) -> bytes:
        """Return the provider's bytes, which name no model."""
        return reply.content.to_bytes()

    def read_events(self) -> RawReader:
        """Return a decoder for one stream."""
        return RawReader()

    def replay(self, body: bytes) -> bytes:
        """Return a whole answer as the only event of a stream."""
        return frame(body)

    def write_events(self, call: ModelCall, *, created: int = 0) -> RawWriter:
        """Return an encoder for the client that sent `call`."""
        return RawWriter()

    def read_error(self, status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
        """Turn an upstream's error answer into ours."""
        return read_upstream_error(status, headers=headers, body=body)


def seconds_of(sound: bytes) -> int:
    """Return the length of sound: of a WAV file by its header, of any other estimated by its size."""
    rate = 0
    if sound[:4] == _RIFF and sound[8:16] == b"WAVEfmt ":
        # Players go by the samples, so the header's own rate could hide the length.
        channels, samples, bits = (int.from_bytes(sound[at:end], "little") for at, end in _SAMPLES)
        rate = channels * samples * bits // 8
    return -(-len(sound) // (rate or _LEAST_BYTES_A_SECOND)) or 1


def _seconds(value: Any) -> Counts:
    """Return the reported length, rounded up; nothing if the provider reports none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return ()
    is_length = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1_000_000
    return (("audio_seconds", math.ceil(value)),) if is_length else ()


dialect: Final[WholeDialect] = OpenAiTranscriptions()
"""The dialect of transcriptions."""
