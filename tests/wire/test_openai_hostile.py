"""Whatever comes in, from clients or upstreams, only our own errors come out."""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.dialect import Outgoing, WireEvent
from headgate.wire.openai_chat import dialect
from headgate.wire.openai_embeddings import dialect as embeddings
from headgate.wire.sse import SseEvent

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("type", "name", "x")), inner),
    max_leaves=4,
)


def maybe(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give what is expected three times out of four, else anything."""
    return st.one_of(good, good, good, junk)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={name: maybe(value) for name, value in fields.items()})


functions = objects(name=st.sampled_from(("f", "g")), arguments=st.just("{}"), parameters=objects())
calls = st.lists(
    maybe(objects(index=st.integers(-1, 3), id=st.just("a"), type=st.just("function"), function=functions))
)
parts = objects(
    type=st.sampled_from(("text", "image_url", "file", "refusal")),
    text=st.text(max_size=3),
    image_url=objects(url=st.sampled_from(("https://x", "data:image/png;base64,AAAA", "data:,x"))),
    file=objects(file_data=st.just("data:a/b;base64,AA=="), filename=st.text(max_size=3)),
    cache_control=objects(type=st.just("ephemeral"), ttl=st.just("1h")),
)
messages = objects(
    role=st.sampled_from(("system", "user", "assistant", "tool")),
    content=st.text(max_size=3) | st.lists(maybe(parts), max_size=2),
    tool_calls=calls,
    tool_call_id=st.just("a"),
    reasoning=st.text(max_size=3),
    refusal=st.text(max_size=3),
)
requests = objects(
    model=st.just("m"),
    messages=st.lists(maybe(messages), min_size=1, max_size=3),
    tools=st.lists(maybe(objects(type=st.just("function"), function=functions)), max_size=2),
    tool_choice=st.sampled_from(("auto", "none")) | objects(type=st.just("function"), function=functions),
    response_format=objects(type=st.just("json_schema"), json_schema=objects(name=st.just("a"), schema=objects())),
    max_tokens=st.integers(1, 9),
    stop=st.lists(st.text(max_size=2), max_size=2),
    stream=st.booleans(),
    stream_options=objects(include_usage=st.booleans()),
    input=st.text(max_size=2),
)
usages = objects(prompt_tokens=st.integers(), prompt_tokens_details=objects(cached_tokens=st.integers()))
deltas = objects(
    content=st.text(max_size=3), reasoning=st.text(max_size=3), refusal=st.text(max_size=2), tool_calls=calls
)
choices = st.lists(
    maybe(
        objects(
            index=st.integers(0, 1),
            delta=deltas,
            message=messages,
            finish_reason=st.sampled_from(("stop", "length")),
            logprobs=junk,
        )
    ),
    max_size=2,
)
answers = objects(id=st.just("c"), model=st.just("m"), created=st.integers(), choices=choices, usage=usages, error=junk)


@given(requests)
@settings(max_examples=250, deadline=None)
def test_any_request_is_refused_or_can_be_sent_and_crossed(body: Any) -> None:
    raw = json.dumps(body).encode()
    try:
        call = dialect.read_call(raw, headers={})
    except Invalid:
        return
    sent = json.loads(dialect.write_call(call, Outgoing("real", frozenset({"max_completion_tokens"}), 5)))
    assert sent["model"] == "real"
    assert sent["max_completion_tokens"] <= 5
    try:
        crossed = dialect.from_conversation(dialect.to_conversation(call.content), Outgoing("real"))
    except Invalid:
        return
    assert json.loads(crossed)["model"] == "real"


@given(requests)
@settings(max_examples=100, deadline=None)
def test_any_request_for_embeddings_is_refused_or_can_be_sent(body: Any) -> None:
    try:
        call = embeddings.read_call(json.dumps(body).encode(), headers={})
    except Invalid:
        return
    assert json.loads(embeddings.write_call(call, Outgoing("real")))["model"] == "real"


@given(st.lists(answers, max_size=4))
@settings(max_examples=250, deadline=None)
def test_any_stream_fails_or_every_text_in_it_can_be_replaced(chunks: list[Any]) -> None:
    reader = dialect.read_events()
    call = dialect.read_call(b'{"model":"alias","messages":[{"role":"user"}]}', headers={})
    writer = dialect.write_events(call)
    closed: set[str] = set()
    try:
        for chunk in chunks:
            for event in reader.feed(SseEvent("", json.dumps(chunk).encode())):
                channels = [slot.channel for slot in event.slots]
                assert len(set(channels)) == len(channels)
                assert not closed & set(channels)
                closed |= set(event.closes)
                edited = event.edit(["new" for _ in event.slots])
                assert [slot.text for slot in edited.slots] == ["new"] * len(channels)
                assert edited.data.count(b'"new"') >= len([slot for slot in event.slots if slot.text])
                cast("WireEvent", edited).deltas()
                writer.write(edited)
        reader.finish()
    except Upstream:
        return
    assert writer.end().endswith(b"data: [DONE]\n\n")


@given(answers)
@settings(max_examples=250, deadline=None)
def test_any_answer_fails_or_can_be_rendered_and_crossed(body: Any) -> None:
    try:
        reply = dialect.read_reply(json.dumps(body).encode(), headers={})
    except Upstream:
        return
    assert json.loads(dialect.write_reply(reply, model="alias"))["model"] == "alias"
    assert json.loads(dialect.from_reply(dialect.to_reply(reply), model="alias"))["model"] == "alias"
