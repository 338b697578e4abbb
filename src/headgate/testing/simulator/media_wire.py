"""OpenAI's images, speech and transcriptions.

Source: OpenAI's published API document.
"""

from __future__ import annotations

import base64
from typing import Any

from headgate.kernel.errors import HeadgateError
from headgate.testing.simulator.answer import Answer, Event, Refused, dump
from headgate.testing.simulator.openai_wire import CREATED, demand
from headgate.testing.simulator.script import Failure, Script
from headgate.wire.multipart import Form, parse_form

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""

SOUND = b"ID3\x04" + bytes(range(256)) * 8
"""The sound of every speech."""

_FORMS = ("/v1/images/edits", "/v1/images/variations", "/v1/audio/transcriptions", "/v1/audio/translations")
_SUBTITLE = "1\n00:00:00,000 --> 00:00:03,000\n"


def has_form(path: str) -> bool:
    """Whether the requests of a path are forms."""
    return path in _FORMS


def form_in(body: bytes, content_type: str) -> Form:
    """Return the form of a request."""
    try:
        return parse_form(body, content_type)
    except HeadgateError as error:
        raise Refused(Failure(400, error.message)) from error


def images(request: dict[str, Any]) -> Answer:
    """Return the answer to a generation of images."""
    demand(request, "prompt")
    form = request.get("response_format") or "b64_json"
    image = {"b64_json": base64.b64encode(PIXEL).decode()} if form == "b64_json" else {"url": "https://images.test/1"}
    data = [{**image, "revised_prompt": f"A picture: {request['prompt']}"} for _ in range(int(request.get("n") or 1))]
    told = {"created": CREATED, "data": data, "size": request.get("size") or "1024x1024"}
    if quality := request.get("quality"):
        told["quality"] = quality
    return Answer(body=dump(told))


def speech(request: dict[str, Any]) -> Answer:
    """Return the answer to a request for speech."""
    demand(request, "model", "input", "voice")
    return Answer(headers=(("content-type", "audio/mpeg"),), body=SOUND)


def by_form(path: str, form: Form, script: Script) -> Answer:
    """Return the answer to a form: edited images, or a transcript with the text of the script."""
    if path.startswith("/v1/images/"):
        if not form.files():
            raise Refused(Failure(400, "image is required"))
        return images({"prompt": "variation", **{part.name: part.text() for part in form.fields()}})
    if form.text("model") is None or not form.files():
        raise Refused(Failure(400, "file and model are required"))
    text = f"{script.whole} {form.text('prompt') or ''}".strip()
    if form.text("stream") == "true":
        deltas = [{"type": "transcript.text.delta", "delta": f"{word} "} for word in text.split()]
        usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}
        done = {"type": "transcript.text.done", "text": text, "usage": usage}
        return Answer(events=tuple(Event(dump(one)) for one in (*deltas, done)))
    match form.text("response_format"):
        case "text":
            return Answer(headers=(("content-type", "text/plain; charset=utf-8"),), body=f"{text}\n".encode())
        case "srt":
            return Answer(headers=(("content-type", "text/plain"),), body=f"{_SUBTITLE}{text}\n".encode())
        case "verbose_json":
            words = [{"word": word, "start": 0.0, "end": 1.0} for word in text.split()]
            segments = [{"id": 0, "text": text, "tokens": [1, 2]}]
            return Answer(
                body=dump({"task": "transcribe", "duration": 2.5, "text": text, "segments": segments, "words": words})
            )
        case _:
            return Answer(body=dump({"text": text, "usage": {"type": "duration", "seconds": 3}}))
