"""A value that is split over messages, or over parts that another wire puts together, is found in every piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.guard import Engine, GuardLabeller
from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.identity import Principal, TenantId, UseCase
from headgate.wire.anthropic_messages import dialect as anthropic
from headgate.wire.model_call import MODEL_DISPATCH
from headgate.wire.openai_chat import dialect as openai

DISPATCH: Verb[Any, Any, Any] = MODEL_DISPATCH
TENANT = TenantId("acme")


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def system(content: Any) -> dict[str, Any]:
    return {"role": "system", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def tool(content: Any, call: str = "a") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": content}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


CALLS = [{"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}} for name in "ab"]
CALL: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
A, B = "My card: 4111 1111", "1111 1111, valid until May"
PIECES = ["4111 1111", "1111 1111"]


def found(engine: Engine, body: dict[str, Any], *, is_anthropic: bool = False) -> list[str]:
    """What the labeller finds in a request, piece by piece."""
    dialect = anthropic if is_anthropic else openai
    headers = {"anthropic-version": "2023-06-01"} if is_anthropic else {}
    call = dialect.read_call(json.dumps({"model": "m", "max_tokens": 9, **body}).encode(), headers=headers)
    use_case = UseCase("support", TENANT, owner="o", purpose="p")
    action = Action(DISPATCH, Principal("jane", TENANT), Resource("deployment", "d"), call, Context(use_case))
    labelled = GuardLabeller(engine=engine).label(action)
    segments = call.content.segments()
    return [segments[one.segment].text[one.start : one.end] for one in labelled.findings]


@pytest.mark.parametrize(
    "messages",
    [
        [user(A), user(B)],
        [user("Hello"), assistant("Hello"), user(A), user([text(B)])],
        [user("4111"), user("1111"), user([text("1111")]), user("1111")],
        [system(A), user("Hello"), system(B)],
        [{"role": "developer", "content": A}, system(B), user("Hello")],
        [user(A), system("Be kind."), user(B)],
        [user(A), assistant(None), user(B)],
        [user(A), assistant(" \n"), user(B)],
        [user(A), assistant([]), user(B)],
        [user([text(A), PICTURE, text(B)])],
        [user([text(A), PICTURE]), user([PICTURE, text(B)])],
        [assistant("", tool_calls=CALLS), tool(A, "a"), tool(B, "b"), user("Hello")],
        [assistant("", tool_calls=CALLS), tool([text(A), text(B)], "a"), tool("x", "b")],
        [user("Hello"), assistant(A), assistant(B), user("Go on")],
    ],
)
def test_messages_of_one_author_in_a_row_are_read_in_one_go(engine: Engine, messages: list[dict[str, Any]]) -> None:
    pieces = ["4111", "1111", "1111", "1111"] if messages[0]["content"] == "4111" else PIECES
    assert found(engine, {"messages": messages}) == pieces


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [user(A), user(B)]},
        {"system": A, "messages": [user("Hello"), system(B), user("Hello")]},
        {"system": [text(A), text(B)], "messages": [user("Hello")]},
        {"messages": [user("Hello"), assistant([text(A), CALL, text(B)])]},
        {
            "messages": [
                user("Hello"),
                assistant([CALL]),
                user([text(A), {"type": "tool_result", "tool_use_id": "a", "content": "x"}, text(B)]),
            ]
        },
        {
            "messages": [
                user("Hello"),
                assistant([CALL]),
                user([{"type": "tool_result", "tool_use_id": "a", "content": [text(A), text(B)]}]),
            ]
        },
    ],
)
def test_what_another_wire_puts_together_is_read_in_one_go(engine: Engine, body: dict[str, Any]) -> None:
    assert found(engine, body, is_anthropic=True) == PIECES


@pytest.mark.parametrize(
    "messages",
    [
        [user("There were 4111 1111."), user("1111 1111 people live there")],
        [user(A), assistant("Go on."), user(B)],
        [user("4111 1112"), user("1111 1111")],
        [user("My address is"), user("ordinary words follow")],
        [user("It takes 12"), user("34 minutes, or 56")],
        [user("role"), user("content")],
    ],
)
def test_messages_that_only_stand_side_by_side_say_nothing(engine: Engine, messages: list[dict[str, Any]]) -> None:
    assert found(engine, {"messages": messages}) == []


@pytest.mark.parametrize(
    ("messages", "values"),
    [
        ([user("Write to"), user("bob@example.org"), user("please")], ["bob@example.org"]),
        ([user("the password=Xk9mPq2vLw7"), user("Please keep it")], ["Xk9mPq2vLw7"]),
        ([user("card 4111 1111 1111 1111"), user("2 of them")], ["4111 1111 1111 1111"]),
        ([user("from 192.0.2.17"), user("8 times")], ["192.0.2.17"]),
    ],
)
def test_the_words_of_the_next_message_are_no_part_of_a_value(
    engine: Engine, messages: list[dict[str, Any]], values: list[str]
) -> None:
    assert found(engine, {"messages": messages}) == values


def test_a_private_key_is_found_in_every_message_that_it_goes_through(engine: Engine) -> None:
    lines = "\n".join("A" * 64 for _ in range(9))
    messages = [f"-----BEGIN PRIVATE KEY-----\n{lines}", lines, f"{lines}\n-----END PRIVATE KEY-----"]
    assert found(engine, {"messages": [user(one) for one in messages]}) == messages


def test_many_short_messages_take_little_more_than_one(fast_engine: Engine) -> None:
    messages = [user("4111111111111111 ") for _ in range(20_000)]
    assert len(found(fast_engine, {"messages": messages})) == len(messages)
