"""Calls of other kinds than chats, from a client's bytes to a simulated provider and back."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from headgate.gateway.model_words import price_words
from headgate.gateway.pricing import cost_micros, estimate_micros, estimate_tokens
from headgate.gateway.specs import PriceSpec, price_from
from headgate.kernel.action import Action, Context, Resource
from headgate.kernel.content import PlainText, TextSlot
from headgate.kernel.errors import HeadgateError, Invalid, NotFound, Upstream
from headgate.kernel.labels import UNSCANNED
from headgate.kernel.pipeline import Done
from headgate.testing.gate import CLOUD, DIALECTS, PRICE, Gate, gate
from headgate.testing.people import BOT, SUPPORT
from headgate.testing.simulator import Failure, Script, Simulator
from headgate.testing.simulator.media_wire import PIXEL, SOUND
from headgate.wire.dialect import Match
from headgate.wire.model_call import (
    MODEL_INVOKE,
    MODEL_PASS,
    ModelCall,
    ModelEvent,
    ModelReply,
    Operation,
    Price,
    Usage,
)
from headgate.wire.multipart import FORM, Form, Part, parse_form
from headgate.wire.openai_plane import OPENAI
from headgate.wire.openai_speech import SoundReader
from headgate.wire.raw import raw_content
from headgate.wire.raw_stream import RawReader, RawWriter
from headgate.wire.sse import SseEvent, SseParser

DEPLOYMENT = Resource("deployment", "d1")

PRICES: dict[str, Any] = {"image": 0.04, "images": {"high/1024x1024": 0.167}, "search": 0.002, "audio_minute": 0.006}
UNITS = price_from(msgspec.convert(PRICES, PriceSpec))


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


def call_of(wire: str, body: dict[str, Any]) -> ModelCall:
    """Return a call of the alias `chat` on a wire."""
    dialect = DIALECTS.clients[wire]
    operation: Operation = dialect.routes[0].operation
    sent = json.dumps({"model": "chat", **body}).encode()
    return dialect.read_call(sent, headers={}, match=Match(operation))


def action_of(call: ModelCall) -> Action[ModelCall, ModelEvent, ModelReply]:
    """Return the action of a call."""
    return Action(MODEL_INVOKE, BOT, Resource("alias", "chat"), call, Context(use_case=SUPPORT))


async def done_of(gateway: Gate, call: ModelCall) -> Done[ModelCall, ModelEvent, ModelReply]:
    """Make a call."""
    return await gateway.bench.pipeline().run(action_of(call))


async def answer_of(gateway: Gate, wire: str, body: dict[str, Any]) -> Any:
    """Make a call and return the answer to its client."""
    call = call_of(wire, body)
    done = await done_of(gateway, call)
    return json.loads(DIALECTS.render_reply(done.result, wire=wire, model="chat", call=call, created=7))


async def chunks_of(gateway: Gate, body: dict[str, Any]) -> list[Any]:
    """Make a streamed completion and return its chunks."""
    call = call_of("openai_completions", {"stream": True, **body})
    writer = DIALECTS.clients["openai_completions"].write_events(call, created=7)
    async with gateway.bench.pipeline().stream(action_of(call)) as stream:
        written = [writer.write(event) async for event in stream.items]
    raw = b"".join((*written, writer.end()))
    events = [event.data for event in SseParser().feed(raw)]
    assert events[-1] == b"[DONE]"
    return [json.loads(data) for data in events[:-1]]


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"])


# ---- legacy completions


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_completion_crosses_to_a_chat(gateway: Gate, upstream: Simulator, provider: str) -> None:
    gateway.add("d1", upstream, provider=provider)
    body: dict[str, Any] = {
        "prompt": ["Say hello"],
        "max_tokens": 9,
        "stop": "x",
        "best_of": 3,
        "logit_bias": {},
        "n": 1,
        "echo": False,
    }
    answer = await answer_of(gateway, "openai_completions", body)
    assert (answer["object"], answer["model"], answer["created"]) == ("text_completion", "chat", 7)
    assert answer["choices"] == [
        {"text": "Hello from the simulator.", "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert answer["usage"]["total_tokens"] == 19
    sent = upstream.requests[0].json
    assert sent["messages"][0]["role"] == "user"
    assert sent.get("max_completion_tokens", sent.get("max_tokens")) == 9
    done = await done_of(gateway, call_of("openai_completions", body))
    assert done.run.facts["dropped"] == "best_of"
    streamed = await chunks_of(gateway, {**body, "stream_options": {"include_usage": True}})
    assert text_of(streamed) == "Hello from the simulator."
    assert [one["choices"][0]["finish_reason"] for one in streamed if one["choices"]][-1] == "stop"
    assert streamed[-1]["choices"] == [] and streamed[-1]["usage"]["total_tokens"] == 19


@pytest.mark.parametrize(
    ("field", "value"),
    [("echo", True), ("logprobs", 0), ("suffix", "end"), ("prompt", ["a", "b"]), ("prompt", [1, 2])],
)
async def test_a_completion_that_a_chat_cannot_give_is_refused(
    gateway: Gate, upstream: Simulator, field: str, value: Any
) -> None:
    gateway.add("d1", upstream)
    with pytest.raises(Invalid, match="no completions of its own") as caught:
        await answer_of(gateway, "openai_completions", {"prompt": "a", field: value})
    assert caught.value.param == field
    assert not upstream.requests


async def test_a_deployment_with_completions_gets_the_clients_own_bytes(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream, quirks=["completions_upstream"])
    body = {"prompt": ["a", "b"], "echo": True, "logprobs": 1, "suffix": "z", "vendor": 1.0}
    answer = await answer_of(gateway, "openai_completions", body)
    received = upstream.requests[0]
    assert (received.path, received.json) == ("/v1/completions", {"model": "d1-model", **body})
    assert [one["text"] for one in answer["choices"]] == ["aHello from the simulator.", "bHello from the simulator."]
    assert answer["model"] == "chat"
    unasked = await chunks_of(gateway, {"prompt": "a", "logprobs": 1})
    assert text_of(unasked) == "Hello from the simulator."
    assert not any("usage" in one or not one["choices"] for one in unasked)
    asked = await chunks_of(gateway, {"prompt": "a", "stream_options": {"include_usage": True}})
    assert asked[-1]["usage"]["total_tokens"] == 19 and {one["model"] for one in asked} == {"chat"}
    await gateway.answer("Good day")  # a chat still goes to the chat endpoint
    assert upstream.requests[-1].path == "/v1/chat/completions"
    gateway.add("d1", upstream, quirks=["completions_only"])
    with pytest.raises(Invalid, match="legacy completions only"):
        await gateway.answer("Good day")


async def test_an_upstream_that_does_not_stream_completions_is_replayed(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream, quirks=["completions_upstream"])
    whole = {"id": "c", "choices": [{"text": "hi", "index": 0, "finish_reason": "length"}], "created": 1, "model": "m"}
    upstream.script(Script(body=json.dumps(whole).encode()))
    assert text_of(await chunks_of(gateway, {"prompt": "a"})) == "hi"


# ---- moderations and reranking


async def test_moderations_pass_and_are_free(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d0", upstream, provider="anthropic")
    gateway.add("d1", upstream, price=None)
    answer = await answer_of(gateway, "openai_moderations", {"input": ["love", "violence"]})
    assert answer["model"] == "chat"
    assert [one["flagged"] for one in answer["results"]] == [False, True]
    done = await done_of(gateway, call_of("openai_moderations", {"input": "a"}))
    assert done.run.measures.cost_micros == 0
    assert done.run.facts["skipped"] == "d0: it does not offer moderations"
    del gateway.deployments["d1"]
    with pytest.raises(Invalid, match="does not offer moderations"):
        await answer_of(gateway, "openai_moderations", {"input": "a"})


DOCUMENTS = ["a cat", {"text": "a dog and a cat", "title": "pets"}, "nothing"]


@pytest.mark.parametrize("provider", ["vllm", "cohere", "tei"])
async def test_documents_are_ranked_by_every_provider(gateway: Gate, upstream: Simulator, provider: str) -> None:
    gateway.add("d1", upstream, provider=provider, price=UNITS)
    if provider == "cohere":
        gateway.at("d1", f"{upstream.base_url}/compatibility/v1")
    if provider == "tei":
        gateway.at("d1", upstream.base_url)
    body = {"query": "dog cat", "documents": DOCUMENTS, "top_n": 2, "return_documents": True, "rank_fields": None}
    call = call_of("rerank", body)
    done = await done_of(gateway, call)
    answer = json.loads(DIALECTS.render_reply(done.result, wire="rerank", model="chat", call=call))
    assert [(one["index"], one["document"]) for one in answer["results"]] == [
        (1, DOCUMENTS[1]),
        (0, {"text": "a cat"}),
    ]
    assert answer["model"] == "chat"
    path = {"vllm": "/v1/rerank", "cohere": "/v2/rerank", "tei": "/rerank"}[provider]
    assert upstream.requests[0].path == path
    assert done.run.measures.cost_micros == 2_000
    assert done.run.measures.amounts["searches"] == 1


MISFITS: list[tuple[str, dict[str, Any], str]] = [
    ("rerank", {"query": 1, "documents": ["a"]}, "query"),
    ("rerank", {"query": "a", "documents": []}, "documents"),
    ("rerank", {"query": "a", "documents": ["a"], "top_n": 0}, "top_n"),
    ("rerank", {"query": "a", "documents": ["a"], "return_documents": 1}, "return_documents"),
    ("openai_moderations", {"input": []}, "input"),
    ("openai_moderations", {"input": ["a", {}]}, "input"),
    ("openai_moderations", {"input": 1}, "input"),
    ("openai_completions", {"prompt": []}, "prompt"),
    ("openai_completions", {"prompt": "a", "n": 0}, "n"),
    ("openai_completions", {"prompt": "a", "best_of": 1000}, "best_of"),
    ("openai_completions", {"prompt": "a", "max_tokens": -1}, "max_tokens"),
    ("openai_completions", {"prompt": "a", "stream": 1}, "stream"),
    ("openai_completions", {"prompt": "a", "temperature": "hot"}, "temperature"),
    ("openai_completions", {"prompt": "a", "suffix": 1}, "suffix"),
    ("openai_completions", {"prompt": "a", "stop": 1}, "stop"),
    ("openai_images", {"prompt": 1}, "prompt"),
    ("openai_images", {"prompt": "a", "n": 0}, "n"),
    ("openai_images", {"prompt": "a", "n": 1.5}, "n"),
    ("openai_images", {"prompt": "a", "stream": True}, "stream"),
    ("openai_speech", {"input": ""}, "input"),
    ("openai_speech", {"input": "a", "response_format": "midi"}, "response_format"),
    ("openai_speech", {"input": "a", "stream_format": "sse"}, "stream_format"),
]


@pytest.mark.parametrize(("wire", "body", "param"), MISFITS)
def test_a_field_of_the_wrong_form_is_refused_by_its_name(wire: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(HeadgateError) as caught:
        call_of(wire, body)
    assert getattr(caught.value, "param", None) == param


async def test_an_alias_falls_back_as_it_does_for_chats(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream)
    gateway.add("d2", upstream, provider="vllm")
    gateway.add("d3", upstream)
    upstream.script(Script(failure=Failure(503)))
    done = await done_of(gateway, call_of("openai_moderations", {"input": "a"}))
    assert done.run.facts["deployment"] == "d3"
    upstream.script(Script(failure=Failure(503)))
    call = call_of("openai_speech", {"input": "Good day", "voice": "alloy"})
    async with gateway.bench.pipeline().stream(action_of(call)) as stream:
        assert b"".join([event.data async for event in stream.items]) == SOUND
    assert (stream.run.facts["attempts"], stream.run.facts["skipped"]) == (2, "d2: it does not offer speech")


# ---- requests that are passed through


def raw_call(method: str, path: str, body: bytes = b"", *, kind: str = "application/json", **query: str) -> ModelCall:
    """Return a request to pass through."""
    match = Match("raw", f"d1/{path}", method=method, body="any", pairs=tuple(query.items()))  # pyright: ignore[reportArgumentType] - a test's text
    return DIALECTS.clients["raw"].read_call(body, headers={"content-type": kind, "openai-beta": "a=v1"}, match=match)


async def passed(gateway: Gate, call: ModelCall) -> Done[ModelCall, ModelEvent, ModelReply]:
    """Pass a request through."""
    done = await gateway.bench.pipeline().run(replace(action_of(call), verb=MODEL_PASS, resource=DEPLOYMENT))
    assert DIALECTS.render_reply(done.result, wire="raw", model="d1") == done.result.content.to_bytes()
    return done


async def test_any_request_is_passed_through_with_its_status(gateway: Gate, upstream: Simulator) -> None:
    """Trap 46."""
    gateway.add("d1", upstream, key="k")
    done = await passed(gateway, raw_call("POST", "vector_stores", b'{"name": "a"}'))
    made = done.result
    assert (made.status, made.media_type) == (201, "application/json")
    assert json.loads(made.content.to_bytes())["name"] == "a"
    assert (done.run.measures.cost_micros, done.run.measures.amounts["input_tokens"]) == (3, 3)
    received = upstream.requests[0]
    assert (received.method, received.path, received.body) == ("POST", "/v1/vector_stores", b'{"name": "a"}')
    assert (received.headers["authorization"], received.headers["openai-beta"]) == ("Bearer k", "a=v1")
    listed = await passed(gateway, raw_call("GET", "vector_stores", limit="3", kind=""))
    assert len(json.loads(listed.result.content.to_bytes())["data"]) == 3
    assert listed.run.measures.cost_micros is None
    assert (await passed(gateway, raw_call("DELETE", "vector_stores/vs_a:b"))).result.status == 200
    missing = (await passed(gateway, raw_call("GET", "vector_stores/x"))).result
    assert missing.status == 404 and b"No vector store" in missing.content.to_bytes()
    with pytest.raises(Upstream, match="gateway's own request"):
        upstream.script(Script(failure=Failure(401)))
        await passed(gateway, raw_call("GET", "vector_stores/x"))
    with pytest.raises(NotFound, match="no deployment"):
        del gateway.deployments["d1"]
        await passed(gateway, raw_call("GET", "vector_stores/x"))


async def test_a_stream_is_passed_through_event_by_event(gateway: Gate, upstream: Simulator) -> None:
    """Trap 46."""
    gateway.add("d1", upstream)
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "stream_options": {"include_usage": True}}
    call = raw_call("POST", "chat/completions", json.dumps({**body, "stream": True}).encode())
    writer = DIALECTS.clients["raw"].write_events(call)
    action = replace(action_of(call), verb=MODEL_PASS, resource=DEPLOYMENT)
    async with gateway.bench.pipeline().stream(action) as stream:
        raw = b"".join([writer.write(event) async for event in stream.items]) + writer.end()
    events = [event.data for event in SseParser().feed(raw)]
    assert events[-1] == b"[DONE]"
    assert "".join(json.loads(one)["choices"][0]["delta"].get("content") or "" for one in events[:-2]) == (
        "Hello from the simulator."
    )
    assert stream.run.measures.amounts["output_tokens"] == 7
    upstream.script(Script(failure=Failure(404, "No such thing")))
    with pytest.raises(Upstream, match="No such thing") as caught:
        async with gateway.bench.pipeline().stream(action) as stream:
            assert [event async for event in stream.items]
    assert OPENAI.write_error(caught.value, request_id="r").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "",
        "../v2/files",
        "a/../b",
        "a/./b",
        "a//b",
        "https://evil.test/",
        "a%2e%2e",
        "a\\b",
        "a b",
        "a?b",
        "a#b",
        "a" * 2001,
    ],
)
def test_an_address_that_another_server_may_read_differently_is_refused(path: str) -> None:
    with pytest.raises(Invalid):
        raw_call("GET", path)


@pytest.mark.parametrize("path", ["realtime/client_secrets", "Realtime/sessions", "chatkit/sessions", "v1/auth_tokens"])
def test_no_request_for_a_key_of_the_provider_is_passed_through(path: str) -> None:
    """Trap 45."""
    with pytest.raises(Invalid, match="with a key of its own"):
        raw_call("POST", path)


def test_credentials_in_an_address_and_bodies_of_another_form_are_refused() -> None:
    for name in ("key", "Access_Token"):
        with pytest.raises(Invalid, match="credential"):
            raw_call("GET", "files", b"", **{name: "secret"})
    for body, kind in ((b"{", "application/json"), (b"\xff", "text/plain"), (b"x", "no type"), (b"x", FORM)):
        with pytest.raises(Invalid):
            raw_call("POST", "files", body, kind=kind)


def test_the_text_of_every_known_body_is_read_and_edited() -> None:
    call = raw_call("POST", "files", b'{"a": "b"}', q="c")
    assert [one.text for one in call.content.segments()] == ["files", "q", "c", "a=v1", "a", "b"]
    assert json.loads(raw_content(call.with_content(call.content.edit({5: "x"}))).body.to_bytes()) == {"a": "x"}
    assert call.content.edit({}).to_bytes() == b'POST /files?q=c\n\n{"a": "b"}'
    for place in (2, 3):
        with pytest.raises(Invalid, match="send it in the body"):
            call.content.edit({place: "x"})
    text = raw_call("PUT", "files", b"a text", kind="text/plain")
    assert raw_content(text.with_content(text.content.edit({2: "b"}))).body.to_bytes() == b"b"
    assert not text.content.is_opaque
    form = Form((Part("purpose", b"x"), Part("file", b"\x00", "anna.wav")), "b")
    upload = raw_call("POST", "files", form.to_bytes(), kind=form.content_type)
    read = ["files", "a=v1", "purpose", "x", "file", "anna.wav"]
    assert upload.content.is_opaque and [one.text for one in upload.content.segments()] == read
    with pytest.raises(Invalid, match="the name of a part"):
        upload.content.edit({2: "x"})
    edited = raw_content(upload.with_content(upload.content.edit({3: "y", 5: "n.wav"}))).body.to_bytes()
    assert parse_form(edited, upload.media_type).parts == (Part("purpose", b"y"), Part("file", b"\x00", "n.wav"))
    assert raw_call("POST", "files", b"\x00", kind="audio/wav").content.is_opaque
    with pytest.raises(Invalid, match="passed through"):
        raw_content(replace(call, content=PlainText(("a",))))


def test_answers_of_any_form_are_content() -> None:
    def read(body: bytes, kind: str) -> ModelReply:
        return DIALECTS.providers["raw"].read_reply(body, headers={"content-type": kind})

    assert read(b"{", "application/json").content.is_opaque
    assert read(b"\xff", "text/plain").content.is_opaque
    assert [one.text for one in read(b"hi", "text/plain").content.segments()] == ["hi"]
    assert read(b"", "image/png").content.edit({}).segments() == ()
    usages: list[tuple[Any, tuple[int | None, int | None]]] = [
        ({"usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2}}, (5, 4)),
        ({"usage": {"input_tokens": 3, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 1}}}, (3, 4)),
        ({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 5}}, (3, 9)),
        ({"usage": {"other": 1}}, (None, None)),
        ([1], (None, None)),
    ]
    for value, told in usages:
        usage = read(json.dumps(value).encode(), "application/json").usage
        assert (usage.input_tokens, usage.output_tokens) == told


def test_events_of_any_form_are_read_and_edited() -> None:
    reader, writer = RawReader(), RawWriter()
    (event,) = reader.feed(SseEvent("delta", b'{"type":"t","text":"a","name":"n"}'))
    assert [slot.text for slot in event.slots] == ["a", "n"] and len(event.closes) == 1
    assert writer.write(event.edit(["x", "n"])) == b'event: delta\ndata: {"type":"t","text":"x","name":"n"}\n\n'
    assert event.edit(["a", "n"]) is event
    assert json.loads(event.insert(TextSlot("other/text", "y")).data)["text"] == "y"
    with pytest.raises(ValueError, match="other/whole/9"):
        event.insert(TextSlot("other/whole/9", ""))
    (plain,) = reader.feed(SseEvent("", b"[DONE]"))
    assert plain.edit(["x"]).data == b"x" and plain.without_spelling() is plain
    (empty,) = reader.feed(SseEvent("", b""))
    assert empty.edit([]) is empty
    assert (event.run("a"), event.ends_runs, event.deltas(), event.wire) == (None, False, (), "raw")
    assert writer.fail(Invalid("no")).startswith(b"event: error") and writer.heartbeat().startswith(b":")
    assert DIALECTS.providers["raw"].replay(b"{\n}") == b"data: {\ndata: }\n\n"
    assert reader.feed(SseEvent("", b'{"usage": {"prompt_tokens": 1, "completion_tokens": 2}}'))[0].usage is not None
    assert reader.feed(SseEvent("", b"{" * 100_000))[0].slots


# ---- images and sound


def form_call(wire: str, operation: Operation, *parts: Part) -> ModelCall:
    """Return a call of the alias `chat` whose request is a form."""
    form = Form((Part("model", b"chat"), *parts), "b")
    headers = {"content-type": form.content_type}
    return DIALECTS.clients[wire].read_call(form.to_bytes(), headers=headers, match=Match(operation, body="form"))


SEEING = replace(CLOUD, categories=(CLOUD.categories or frozenset()) | {UNSCANNED})
PICTURE = Part("image", PIXEL, "a.png", "image/png")
WAV = b"RIFF....WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 1000, 4_000_000_000, 1, 8) + bytes(4464)
"""A thousand samples of a byte a second, whose header claims another rate, as if it were short."""


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({"n": 2}, 80_000),
        ({"quality": "high"}, 167_000),
        ({"quality": "auto", "size": "512x512"}, 40_000),
        ({"response_format": "url"}, 40_000),
    ],
)
async def test_images_cost_by_their_quality_and_size(
    gateway: Gate, upstream: Simulator, body: dict[str, Any], cost: int
) -> None:
    gateway.add("d1", upstream, price=UNITS)
    call = call_of("openai_images", {"prompt": "a cat", **body})
    assert estimate_micros(call, gateway.deployments.values(), currency="USD") == cost
    done = await done_of(gateway, call)
    answer = json.loads(DIALECTS.render_reply(done.result, wire="openai_images", model="chat", call=call))
    assert len(answer["data"]) == body.get("n", 1) == done.run.measures.amounts["images"]
    assert done.run.measures.cost_micros == cost
    assert (upstream.requests[0].path, upstream.requests[0].json["model"]) == ("/v1/images/generations", "d1-model")
    assert done.result.content.is_opaque is ("response_format" not in body)


def test_prices_of_units_are_told_in_words() -> None:
    told = "$0.04 an image, $0.167 an image high/1024x1024, $0.006 a minute of audio, $0.002 a search"
    assert price_words(UNITS) == told
    both = price_from(msgspec.convert({"input": 1, "output": 0, "request": 0.01}, PriceSpec))
    assert price_words(both) == "$1.00 in, free out, per million tokens, $0.01 a request"
    assert both is not None and not both.is_free
    assert cost_micros(Usage(2, 3), both) == 10_002 and cost_micros(Usage(2, 3, counts=(("images", 1),)), PRICE) == 8
    assert cost_micros(Usage(counts=(("images", 1),)), PRICE) is None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"images": {"High Quality": 1}}, PriceSpec)


async def test_images_are_edited_where_a_picture_may_go(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d0", upstream, provider="mistral", price=UNITS)
    gateway.add("d1", upstream, price=UNITS, clearance=SEEING)
    call = form_call("openai_images", "image_edit", Part("prompt", b"a hat"), Part("n", b"2"), PICTURE)
    assert call.content.is_opaque and call.counts == (("images", 2),)
    assert estimate_tokens(call, gateway.deployments.values()) == 1_600 + 2 * 6_500 + 11
    done = await done_of(gateway, call)
    assert done.run.facts["skipped"] == "d0: it does not offer edits of images"
    sent = parse_form(upstream.requests[0].body, upstream.requests[0].headers["content-type"])
    assert (sent.text("model"), sent.text("prompt"), sent.file("image").data) == ("d1-model", "a hat", PIXEL)
    await done_of(gateway, form_call("openai_images", "image_variation", PICTURE))
    assert [one.path for one in upstream.requests] == ["/v1/images/edits", "/v1/images/variations"]


async def test_speech_comes_as_sound(gateway: Gate, upstream: Simulator) -> None:
    price = Price("USD", None, None, unit_micros=(("characters", 15_000_000),))
    gateway.add("d1", upstream, price=price)
    call = call_of("openai_speech", {"input": "Good day", "voice": "alloy"})
    writer = DIALECTS.clients["openai_speech"].write_events(call)
    async with gateway.bench.pipeline().stream(action_of(call)) as stream:
        events = [event async for event in stream.items]
    assert b"".join(map(writer.write, events)) + writer.end() + writer.heartbeat() + writer.fail(Invalid("")) == SOUND
    assert (stream.run.measures.cost_micros, stream.run.measures.amounts) == (120, {"characters": 8})
    assert (upstream.requests[0].path, upstream.requests[0].headers["accept"]) == ("/v1/audio/speech", "*/*")
    assert (call.stream, call.answer_type) == (True, "audio/mpeg")
    (event,) = SoundReader().feed(SseEvent("", b"x"))
    assert event.edit([]) is event.without_spelling() is event and event.run("a") is None and not event.deltas()
    with pytest.raises(ValueError, match="no text"):
        event.insert(TextSlot("a", "b"))
    with pytest.raises(Upstream, match="no sound"):
        SoundReader().finish()
    with pytest.raises(Upstream, match="larger than 64 MiB"):
        SoundReader().feed(SseEvent("", bytes((64 << 20) + 1)))
    whole = DIALECTS.providers["openai_speech"].read_reply(SOUND, headers={})
    assert DIALECTS.render_reply(whole, wire="openai_speech", model="chat") == SOUND and whole.content.is_opaque


@pytest.mark.parametrize(
    ("form", "kind", "seconds"),
    [
        ("json", "application/json", 3),
        ("verbose_json", "application/json", 3),
        ("text", "text/plain", 5),
        ("srt", "text/plain", 5),
    ],
)
async def test_sound_is_transcribed_in_every_form(
    gateway: Gate, upstream: Simulator, form: str, kind: str, seconds: int
) -> None:
    gateway.add("d1", upstream, price=UNITS, clearance=SEEING)
    parts = (Part("response_format", form.encode()), Part("prompt", b"Zurich"), Part("file", WAV, "a.wav"))
    call = form_call("openai_transcriptions", "transcribe", *parts)
    assert estimate_tokens(call, gateway.deployments.values()) == 250
    done = await done_of(gateway, call)
    assert done.result.media_type.startswith(kind)
    assert b"Zurich" in DIALECTS.render_reply(done.result, wire="openai_transcriptions", model="chat", call=call)
    assert any("Zurich" in one.text for one in done.result.content.segments())
    assert done.run.measures.amounts["audio_seconds"] == seconds
    assert done.run.measures.cost_micros == seconds * 100
    assert done.run.measures.is_estimate is (seconds == 5)
    assert b'"words":null' in done.result.content.without_spelling().to_bytes() or form != "verbose_json"


async def test_a_transcript_is_streamed(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream, clearance=SEEING)
    parts = (Part("stream", b"true"), Part("file", b"\x00" * 9, "a.mp3"))
    call = form_call("openai_transcriptions", "translate", *parts)
    writer = DIALECTS.clients["openai_transcriptions"].write_events(call)
    async with gateway.bench.pipeline().stream(action_of(call)) as stream:
        raw = b"".join([writer.write(event) async for event in stream.items])
    events = [json.loads(event.data) for event in SseParser().feed(raw)]
    assert "".join(one.get("delta", "") for one in events) == "Hello from the simulator. "
    assert stream.run.measures.amounts == {"input_tokens": 14, "output_tokens": 5, "audio_seconds": 1}
    assert DIALECTS.providers["openai_transcriptions"].replay(b"{}") == b"data: {}\n\n"


def test_answers_that_are_none_of_their_kind_are_the_providers_fault() -> None:
    for wire, body, kind in (
        ("openai_images", b"{", ""),
        ("openai_images", b'{"data": 1}', ""),
        ("openai_moderations", b"{", ""),
        ("openai_moderations", b"{}", ""),
        ("openai_transcriptions", b"{", "application/json"),
        ("openai_transcriptions", SOUND, "audio/mpeg"),
        ("openai_completions", b'{"choices": []}', ""),
        ("openai_completions", b"{}", ""),
        ("openai_completions", b'{"error": {"message": "no"}}', ""),
        ("rerank", b"{}", ""),
        ("tei_rerank", b"{}", ""),
    ):
        with pytest.raises(Upstream):
            DIALECTS.providers[wire].read_reply(body, headers={"content-type": kind} if kind else {})
        assert DIALECTS.providers[wire].read_error(429, headers={}, body=b"").retryable
    read = DIALECTS.providers["openai_transcriptions"].read_reply
    for told, counts in (("2.1", (("audio_seconds", 3),)), ("soon", ()), (True, ())):
        assert read(json.dumps({"text": "", "duration": told}).encode(), headers={}).usage.counts == counts


@pytest.mark.parametrize(
    ("wire", "operation", "parts", "param"),
    [
        ("openai_images", "image_edit", [PICTURE], "prompt"),
        ("openai_images", "image_variation", [Part("n", b"1")], "image"),
        ("openai_images", "image_variation", [PICTURE, Part("n", b"11")], "n"),
        ("openai_images", "image_variation", [PICTURE, Part("stream", b"true")], "stream"),
        ("openai_images", "image_variation", [PICTURE, Part("n", b"10"), Part("n", b"1")], "n"),
        ("openai_images", "image_variation", [PICTURE, Part("model", b"dear", "")], "model"),
        ("openai_transcriptions", "transcribe", [], "file"),
        ("openai_transcriptions", "transcribe", [PICTURE, Part("stream", b"1")], "stream"),
        ("openai_transcriptions", "transcribe", [Part("prompt", b"\xff")], "prompt"),
    ],
)
def test_a_form_of_the_wrong_form_is_refused(wire: str, operation: Operation, parts: list[Part], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        form_call(wire, operation, *parts)
    assert caught.value.param == param


def test_what_only_chats_have_is_refused_for_other_kinds() -> None:
    client, provider = DIALECTS.clients["openai_images"], DIALECTS.providers["openai_images"]
    reply = ModelReply("openai_images", PlainText(()))
    refused: list[Any] = [
        lambda: client.to_conversation(PlainText(())),
        lambda: client.write_events(call_of("openai_images", {"prompt": "a"})),
        lambda: provider.read_events(),
        lambda: provider.replay(b""),
        lambda: provider.to_reply(reply),
        lambda: provider.rename_tools(reply, {}),
    ]
    for call in refused:
        with pytest.raises(Invalid, match="neither streamed nor"):
            call()
    assert provider.assembler() is None
