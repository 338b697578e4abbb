"""Threads of Anthropic's wire: a conversation that its client continues by the id of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script
from headgate.wire.sse import SseParser

MODEL = "local-chat"


async def send(client: Any, *messages: Any, after: str | None = None, status: int = 200, **fields: Any) -> Any:
    thread = {"type": "create"} if after is None else {"type": "continue", "previous_message_id": after}
    body = {"model": MODEL, "max_tokens": 50, "messages": list(messages), "thread": thread, **fields}
    answer = await client.post("/v1/messages", json=body)
    assert answer.status_code == status, answer.text
    if not fields.get("stream"):
        return answer.json()
    return [json.loads(event.data) for event in SseParser().feed(answer.content)]


def user(text: str, **marks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text, **marks}]}


async def test_a_thread_goes_on_with_its_system_prompt(house: House) -> None:
    house.simulator.script(Script(text="Bonn."), Script(text="Rain."), Script(text="So it is."))
    async with house.client(house.admin_key) as client:
        first = await send(client, user("Where am I?"), system="Be brief.")
        assert first["id"].startswith("msg_")
        events = await send(client, user("The weather?"), after=first["id"], stream=True)
        second = events[0]["message"]["id"]
        await send(client, user("Really?"), after=second, system="Be brief.")
        sent = house.simulator.requests[-1].json["messages"]
        assert [one["role"] for one in sent] == ["system", "user", "assistant", "user", "assistant", "user"]
        assert [one["content"] for one in sent[2:]] == ["Bonn.", "The weather?", "Rain.", "Really?"]
        # An answer may be continued more than once, also without a message of its own.
        await send(client, after=second)
        assert house.simulator.requests[-1].json["messages"] == sent[:-1]
        refused = await send(client, user("x"), after=second, status=400, system="Be long.")
        assert refused["error"]["details"]["error_code"] == "thread_fingerprint_mismatch"


async def test_nobody_else_continues_a_thread(house: House) -> None:
    other = await house.register("another", "developer")
    async with house.client(house.admin_key) as client, house.client(other) as stranger:
        kept = await send(client, user("x"))
        refused = await send(stranger, user("y"), after=kept["id"], status=404)
        unknown = await send(stranger, user("y"), after="msg_0", status=404)
        assert refused["error"]["message"] == unknown["error"]["message"]
        assert unknown["error"]["details"]["error_code"] == "thread_not_found"
        plain = await client.post(
            "/v1/messages", json={"model": MODEL, "max_tokens": 5, "messages": [user("x")], "thread": None}
        )
        await send(client, user("y"), after=plain.json()["id"], status=404)
        counted = {"model": MODEL, "messages": [user("y")]}
        thread = {"type": "continue", "previous_message_id": kept["id"]}
        counts = [
            (await client.post("/v1/messages/count_tokens", json={**counted, **more})).json()["input_tokens"]
            for more in ({}, {"thread": thread})
        ]
        assert counts[1] > counts[0]


async def test_an_empty_answer_and_a_failed_one_leave_a_thread_that_goes_on(house: House) -> None:
    house.simulator.script(Script(text=""), Script(text="Rain."), Script(breaks=Failure(500)))
    async with house.client(house.admin_key) as client:
        first = await send(client, user("x"))
        second = await send(client, user("y"), after=first["id"])
        assert [one["role"] for one in house.simulator.requests[-1].json["messages"]] == ["user", "user"]
        failed = await send(client, user("z"), after=second["id"], stream=True)
        assert failed[-1]["type"] == "error"
        await send(client, after=failed[0]["message"]["id"], status=404)
        await send(client, user("z"), after=second["id"])


@pytest.mark.parametrize("thread", [{"type": "fork"}, {"type": "continue"}, {}, "create"])
async def test_a_thread_of_another_form_is_invalid(house: House, thread: Any) -> None:
    async with house.client(house.admin_key) as client:
        refused = await send(client, user("x"), status=400, thread=thread)
    assert refused["error"]["details"]["param"].startswith("thread")


async def test_a_thread_that_is_too_large_is_refused(house: House) -> None:
    async with house.client(house.admin_key) as client:
        last = None
        for _ in range(2):
            answer = await send(client, user("x" * (11 << 20)), after=last)
            last = answer["id"]
        assert (await send(client, user("y" * (11 << 20)), after=last, status=413))["error"][
            "type"
        ] == "request_too_large"
