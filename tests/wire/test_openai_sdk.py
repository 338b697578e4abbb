"""The `openai` SDK as the client, on bytes that the dialect wrote."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest

from headgate.kernel.errors import Upstream
from headgate.wire.conversation import Reply, Text, ToolUse
from headgate.wire.model_call import Usage
from headgate.wire.openai_chat import dialect
from headgate.wire.openai_models import openai_list, openai_model
from headgate.wire.plane import ModelCard
from headgate.wire.sse import SseParser

GOLDEN = Path(__file__).parent / "golden" / "openai"
CALL = b'{"model":"alias/chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}'


@contextmanager
def client_of(body: bytes, content_type: str = "application/json") -> Generator[openai.OpenAI]:
    """Give a client whose every request is answered with these bytes."""
    answer = httpx2.Response(200, headers={"content-type": content_type}, content=body)
    with (
        httpx2.Client(transport=httpx2.MockTransport(lambda _: answer)) as http,
        openai.OpenAI(api_key="x", base_url="http://127.0.0.1/v1", http_client=http, max_retries=0) as client,
    ):
        yield client


def stream(*, cut: bool = False) -> bytes:
    writer, reader = dialect.write_events(dialect.read_call(CALL, headers={})), dialect.read_events()
    out: list[bytes] = [writer.heartbeat()]
    for sse_event in SseParser().feed((GOLDEN / "stream.upstream.sse").read_bytes())[: 3 if cut else None]:
        out += [writer.write(event) for event in reader.feed(sse_event)]
    return b"".join(out) + (writer.fail(Upstream("the provider's stream was cut")) if cut else writer.end())


def test_the_sdk_reads_a_stream_with_its_tool_call_and_its_usage() -> None:
    """Traps 1, 2 and 3."""
    with client_of(stream(), "text/event-stream") as client:
        chunks = list(
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
        )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "It is 11 °C."
    calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert "".join((call.function and call.function.arguments) or "" for call in calls) == '{"city":"Zürich"}'
    assert {chunk.model for chunk in chunks} == {"alias/chat"}
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 29


def test_the_sdk_raises_on_a_stream_that_failed() -> None:
    """Trap 37."""
    with client_of(stream(cut=True), "text/event-stream") as client, pytest.raises(openai.APIError, match="was cut"):
        list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))


def test_the_sdk_reads_an_answer_of_another_wire() -> None:
    reply = Reply("msg_1", "x", (Text("hi"), ToolUse("t", "f", "{}")), "tool_use", usage=Usage(3, 4))
    with client_of(dialect.from_reply(reply, model="alias/chat")) as client:
        said = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert (said.model, said.choices[0].message.content) == ("alias/chat", "hi")
    assert said.choices[0].finish_reason == "tool_calls"
    assert said.usage is not None
    assert said.usage.total_tokens == 7


def test_the_sdk_lists_models() -> None:
    """Trap 16."""
    with client_of(openai_list([ModelCard("a"), ModelCard("b/c")])) as client:
        assert [model.id for model in client.models.list()] == ["a", "b/c"]
    with client_of(openai_model(ModelCard("b/c"))) as client:
        assert client.models.retrieve("b/c").id == "b/c"
