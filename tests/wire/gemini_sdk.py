"""What the unmodified `google-genai` SDK makes of answers, for tests of Gemini's wire."""

from __future__ import annotations

from typing import Any

import httpx2
from google import genai
from google.genai import types

from headgate.wire.dialect import Match
from headgate.wire.gemini import dialect
from headgate.wire.model_call import ModelCall

WHOLE = Match("chat", "our-alias", stream=False)
STREAM = Match("chat", "our-alias", stream=True, query={"alt": "sse"})


def call_of(body: bytes, match: Match = WHOLE) -> ModelCall:
    """A client's call."""
    return dialect.read_call(body, headers={}, match=match)


def sdk(status: int, body: bytes, kind: str = "application/json") -> genai.Client:
    """Return the SDK before a server that sends this answer."""
    answer = httpx2.Response(status, headers={"content-type": kind}, content=body)
    client = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    options = types.HttpOptions(base_url="http://gate.test", httpx_client=client)
    return genai.Client(api_key="k", http_options=options)


def sdk_answer(body: bytes) -> types.GenerateContentResponse:
    """Return a whole answer as the SDK reads it."""
    return sdk(200, body).models.generate_content(model="our-alias", contents="x")


def sdk_chunks(raw: bytes) -> list[types.GenerateContentResponse]:
    """Return a stream as the SDK reads it."""
    client = sdk(200, raw, "text/event-stream")
    return list(client.models.generate_content_stream(model="our-alias", contents="x"))


def parts_of(answers: list[types.GenerateContentResponse]) -> list[types.Part]:
    """Return the parts of the first candidates, without empty texts."""
    contents = [one.candidates[0].content for one in answers if one.candidates]
    parts: list[Any] = [part for content in contents if content for part in content.parts or ()]
    return [part for part in parts if part != types.Part(text="")]
