"""What servers and callers send at the border of a wire's form, and what dialects say of what they cannot say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel.errors import Invalid
from headgate.wire import anthropic_messages, openai_chat, openai_embeddings
from headgate.wire.conversation import Conversation, Message, Refusal, Text, Tool
from headgate.wire.dialect import Outgoing, WholeDialect
from headgate.wire.openai_chat_event import OpenAiChatEvent
from headgate.wire.sse import SseEvent

HEAD: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "gpt-real"}
TALK = Conversation((Message("user", (Text("hello"),)),), seed=7)


def chunk(*calls: dict[str, Any], index: int = 0) -> SseEvent:
    choice = {"index": index, "delta": {"tool_calls": list(calls)}, "finish_reason": None}
    return SseEvent("", json.dumps({**HEAD, "choices": [choice]}).encode())


def test_pieces_without_number_or_id_belong_to_the_call_before_them() -> None:
    reader = openai_chat.dialect.read_events()
    events = [
        event
        for data in (
            chunk({"id": "a", "function": {"name": "look", "arguments": "{"}}),
            chunk({"function": {"arguments": "}"}}),
            chunk({"id": "b", "function": {"name": "look", "arguments": "{}"}}),
        )
        for event in reader.feed(data)
    ]
    texts = [(slot.channel, slot.text) for event in events for slot in event.slots if slot.channel.startswith("tool/")]
    assert texts == [("tool/0/0", "{"), ("tool/0/0", "}"), ("tool/0/1", "{}")]


def test_a_call_of_another_choice_is_scanned_and_begins_nothing_in_the_first() -> None:
    events = openai_chat.dialect.read_events().feed(chunk({"index": 0, "id": "a", "function": {"name": "x"}}, index=1))
    (event,) = events
    assert [slot.text for slot in event.slots] == ["x"]
    assert isinstance(event, OpenAiChatEvent)
    assert not event.begins


@pytest.mark.parametrize(
    ("dialect", "left_out"),
    [(openai_chat.dialect, ()), (anthropic_messages.dialect, ("seed",))],
    ids=["openai", "anthropic"],
)
def test_a_dialect_names_what_it_cannot_say(dialect: WholeDialect, left_out: tuple[str, ...]) -> None:
    assert dialect.unsaid(TALK, Outgoing("m")) == left_out


def test_embeddings_are_no_conversation_in_any_direction() -> None:
    dialect = openai_embeddings.dialect
    with pytest.raises(Invalid):
        dialect.unsaid(TALK, Outgoing("m"))
    with pytest.raises(Invalid):
        dialect.from_conversation(TALK, Outgoing("m"))


def test_vectors_hold_no_text_to_scan_to_edit_or_to_label() -> None:
    raw = b'{"object":"list","model":"m","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":1}}'
    content = openai_embeddings.dialect.read_reply(raw, headers={}).content
    assert not content.segments()
    assert not content.runs()
    assert not content.spoken()
    assert not content.is_opaque
    assert content.edit({}) is content
    with pytest.raises(IndexError):
        content.edit({0: "x"})


def test_a_refusal_that_stands_among_other_parts_keeps_its_form() -> None:
    said = json.loads(
        openai_chat.dialect.from_conversation(
            Conversation((Message("user", (Text("you said"), Refusal("I will not"))),)), Outgoing("m")
        )
    )
    assert said["messages"][0]["content"][1] == {"type": "refusal", "refusal": "I will not"}


def test_tools_without_a_choice_leave_the_choice_to_the_server() -> None:
    tool = Tool("look", "", {"type": "object"})
    said = json.loads(openai_chat.dialect.from_conversation(Conversation(TALK.messages, tools=(tool,)), Outgoing("m")))
    assert [one["function"]["name"] for one in said["tools"]] == ["look"]
    assert "tool_choice" not in said
    assert "parallel_tool_calls" not in said
