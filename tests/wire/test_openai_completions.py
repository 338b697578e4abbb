"""Legacy completions in both directions, and the edges of other kinds of calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel.content import PlainText, TextSlot
from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.conversation import Begin, Conversation, End, ReasoningDelta, Reply, Text, TextDelta, UsageUpdate
from headgate.wire.dialect import Match, Outgoing
from headgate.wire.dialects import load_dialects
from headgate.wire.form_content import OpaqueContent, TextContent, content_of
from headgate.wire.model_call import ModelReply, Usage
from headgate.wire.openai_completions import dialect
from headgate.wire.openai_completions_stream import CompletionsEvent, CompletionsReader, CompletionsWriter
from headgate.wire.rerank import dialect as rerank
from headgate.wire.sse import SseEvent

DIALECTS = load_dialects()
DONE = SseEvent("", b"[DONE]")


def chunk(text: str, finish: str | None = None, *, index: Any = 0, **more: Any) -> SseEvent:
    """Return a chunk with one choice."""
    choice = {"text": text, "index": index, "finish_reason": finish, "logprobs": more.pop("logprobs", None)}
    return SseEvent("", json.dumps({"id": "c", "created": 5, "model": "m", "choices": [choice], **more}).encode())


def fed(*events: SseEvent) -> list[CompletionsEvent]:
    """Return the events of a stream that is complete."""
    reader = CompletionsReader()
    found = [one for event in events for one in reader.feed(event)]
    reader.finish()
    return found


def writer_of(**fields: Any) -> CompletionsWriter:
    """Return the writer for a client's request."""
    body = json.dumps({"model": "alias", "prompt": "a", "stream": True, **fields}).encode()
    return dialect.write_events(dialect.read_call(body, headers={}, match=Match("chat")))  # pyright: ignore[reportReturnType] - this dialect's own


def test_a_chunk_is_edited_in_place_and_makes_room_for_held_text() -> None:
    spelled = {"tokens": ["Hi"], "token_logprobs": [-0.5]}
    first, last, beyond = fed(chunk("Hi", logprobs=spelled), chunk(" you", "stop"), chunk("x"), DONE)[:3]
    assert [slot.channel for slot in first.slots] == ["content/0", "other/whole/1"]
    edited = first.edit(["Ho", "Hi"])
    assert json.loads(edited.data)["choices"][0]["text"] == "Ho" and first.edit(["Hi", "Hi"]) is first
    plain = edited.without_spelling()
    assert json.loads(plain.data)["choices"][0]["logprobs"] is None and len(plain.slots) == 1
    assert plain.without_spelling() is plain
    held = first.insert(TextSlot("content/1", "more"))
    assert json.loads(held.data)["choices"] == [{"text": "more", "index": 1, "logprobs": None, "finish_reason": None}]
    with pytest.raises(ValueError, match="other/whole/1"):
        first.insert(TextSlot("other/whole/1", ""))
    assert (first.ends_runs, last.ends_runs, first.run("content/0"), first.wire) == (False, True, None, dialect.name)
    assert first.deltas() == [Begin("c", "m"), TextDelta("Hi")]
    assert last.deltas() == [TextDelta(" you"), End("stop")]
    assert beyond.slots == (TextSlot("content/0", "x"),)


def test_usage_is_told_to_those_who_ask() -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    events = fed(chunk("a", usage=usage), chunk("", "length", index="?"), chunk("b", index=1, finish="stop"), DONE)
    assert events[0].deltas()[-1] == UsageUpdate(Usage(2, 3))
    quiet, asking = writer_of(), writer_of(stream_options={"include_usage": True})
    assert b"usage" not in quiet.write(events[0]) and b'"model": "alias"' in quiet.write(events[0]).replace(
        b':"', b': "'
    )
    assert b"usage" in asking.write(events[0]) and asking.end() == b"data: [DONE]\n\n"
    late = writer_of(stream_options={"include_usage": True})
    nameless = CompletionsEvent(b'{"choices":[]}', has_choices=False)
    assert late.write(nameless) == b'data: {"choices":[]}\n\n'
    told = late.write(CompletionsEvent(b'{"usage":{}}', usage=Usage(1, 1), has_choices=False))
    assert told == b'data: {"usage":{}}\n\n'
    assert late.write(CompletionsEvent(b'{"usage":{}}', usage=Usage(1, 1), has_choices=False)) == b""
    assert late.fail(Invalid("no")).startswith(b'data: {"error"') and late.heartbeat().startswith(b":")


class _Foreign:
    """An event of another wire."""

    def __init__(self, *deltas: Any) -> None:
        self._deltas = deltas

    def deltas(self) -> tuple[Any, ...]:
        return self._deltas


def test_events_of_a_chat_become_chunks() -> None:
    writer, event = (
        writer_of(stream_options={"include_usage": True}),
        _Foreign(
            Begin("i", "m", Usage(1, None)),
            ReasoningDelta("why"),
            TextDelta(""),
            TextDelta("hi"),
            End("length"),
            UsageUpdate(Usage(1, 2)),
        ),
    )
    frames = writer.write(event) + writer.end()  # pyright: ignore[reportArgumentType] - only its deltas are read
    chunks = [json.loads(line[6:]) for line in frames.splitlines() if line.startswith(b"data: {")]
    assert [one["choices"][0]["text"] for one in chunks[:2]] == ["hi", ""]
    assert chunks[1]["choices"][0]["finish_reason"] == "length" and chunks[2]["usage"]["total_tokens"] == 3


@pytest.mark.parametrize(
    "events",
    [
        [],
        [DONE],
        [chunk("a")],
        [SseEvent("", b"{")],
        [SseEvent("", b"1")],
        [SseEvent("", b'{"error": {"message": "no"}}')],
        [SseEvent("error", b'{"message": "no"}')],
    ],
)
def test_a_broken_stream_is_the_providers_fault(events: list[SseEvent]) -> None:
    with pytest.raises(Upstream):
        fed(*events)
    assert not CompletionsReader().feed(DONE)


def test_nothing_follows_the_end_of_a_stream() -> None:
    assert len(fed(chunk("a", "stop"), DONE, chunk("b"))) == 1


def test_a_request_keeps_within_the_deployments_limits() -> None:
    def written(body: dict[str, Any], outgoing: Outgoing) -> Any:
        raw = json.dumps({"model": "m", "prompt": "a", **body}).encode()
        return json.loads(dialect.write_call(dialect.read_call(raw, headers={}, match=Match("chat")), outgoing))

    capped = Outgoing("real", cap_output_tokens=9)
    assert written({}, capped)["max_tokens"] == 9
    assert written({"max_tokens": 5}, capped)["max_tokens"] == 5
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    assert "stream_options" not in written(asked, Outgoing("real", frozenset({"no_stream_options"})))
    assert "stream_options" not in written({}, Outgoing("real", frozenset({"no_stream_options"})))
    tokens = dialect.read_call(b'{"model":"m","prompt":[[1],[2,3]],"n":2}', headers={}, match=Match("chat"))
    assert (tokens.output_limit, tokens.content.is_opaque) == (64, True)


def test_a_completion_is_read_as_the_answer_of_a_chat() -> None:
    body = b'{"id":"c","model":"m","choices":[{"text":"hi","finish_reason":"length"}],"usage":{"total_tokens":1}}'
    reply = dialect.read_reply(body, headers={})
    assert dialect.to_reply(reply) == Reply("c", "m", (Text("hi"),), "length", usage=reply.usage)
    assert dialect.rename_tools(reply, {}) is reply and dialect.assembler() is None
    assert dialect.unsaid(Conversation(()), Outgoing("m")) == ()
    assert [one.origin for one in reply.content.segments()] == ["parameter", "parameter", "assistant", "assistant"]


def test_what_other_kinds_lack_is_refused() -> None:
    for wire in ("openai_images", "cohere_rerank"):
        provider = DIALECTS.providers[wire]
        with pytest.raises(Invalid):
            provider.from_conversation(Conversation(()), Outgoing("m"))
        with pytest.raises(Invalid):
            provider.unsaid(Conversation(()), Outgoing("m"))
        assert provider.read_error(500, headers={}, body=b"").retryable
    with pytest.raises(Invalid):
        DIALECTS.clients["rerank"].from_reply(Reply("", "", (), "stop"), model="m")
    assert not DIALECTS.providers["openai_speech"].read_error(400, headers={}, body=b"").retryable


def test_ranks_without_names_documents_or_counts() -> None:
    body = b'{"results":[{"index":7,"relevance_score":0.5}],"usage":{"total_tokens":4}}'
    reply = rerank.read_reply(body, headers={})
    assert rerank.write_reply(reply, model="m") == body
    asked = b'{"model":"m","query":"q","documents":["a",{"title":"b"}],"return_documents":true,"user":"u"}'
    call = rerank.read_call(asked, headers={})
    told = json.loads(rerank.from_ranks(rerank.to_ranks(reply), model="m", call=call))
    assert told["results"] == [{"index": 7, "relevance_score": 0.5}] and told["usage"]["total_tokens"] == 4
    with pytest.raises(Invalid, match="objects with a text"):
        rerank.to_ranking(call.content)
    plain = rerank.read_call(b'{"model":"m","query":"q","documents":["a"]}', headers={})
    assert json.loads(rerank.from_ranking(rerank.to_ranking(plain.content), Outgoing("r"))) == {
        "model": "r",
        "query": "q",
        "documents": ["a"],
    }
    assert json.loads(rerank.write_call(plain, Outgoing("r")))["model"] == "r"


def test_bodies_of_any_form_are_content() -> None:
    text = content_of(b"hi", "text/plain")
    assert isinstance(text, TextContent) and text.edit({}) is text and text.surface() == b"hi"
    opaque = OpaqueContent(b"\x00")
    assert opaque.surface() == b"" and opaque.edit({}) is opaque and opaque.is_opaque
    form = content_of(
        b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n', "multipart/form-data; boundary=b"
    )
    assert form.edit({}) is form and not form.is_opaque
    call = DIALECTS.clients["raw"].read_call(
        b"{}",
        headers={"content-type": "application/json"},
        match=Match("raw", "d/models/m:streamGenerateContent", pairs=(("alt", "sse"),), body="any"),
    )
    assert call.stream and DIALECTS.passing["raw"].write_call(call, Outgoing("m")) == b"{}"
    assert DIALECTS.render_reply(ModelReply("raw", PlainText(("a",))), wire="raw", model="d") == b"a"
