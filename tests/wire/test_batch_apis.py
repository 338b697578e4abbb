"""The dialogues with providers' batch APIs: what is asked, and how answers of any form are read."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import pytest

from headgate.kernel.errors import Upstream
from headgate.wire.anthropic_batch_api import AnthropicBatchApi
from headgate.wire.batch_api import Ask, BatchApi, Dialogue, LineAnswer, ProviderBatch
from headgate.wire.openai_batch_api import OpenAiBatchApi

T = TypeVar("T")
APIS: dict[str, BatchApi] = {"openai": OpenAiBatchApi(), "anthropic": AnthropicBatchApi()}


def held(dialogue: Dialogue[T], *answers: bytes) -> tuple[list[Ask], T]:
    """Return what was asked, and the result."""
    asked = [] if not answers else [next(dialogue)]
    try:
        for answer in answers:
            asked.append(dialogue.send(answer))
        next(dialogue)
    except StopIteration as end:
        return asked, end.value
    raise AssertionError(f"asks again: {asked}")


def lines(*values: Any) -> bytes:
    return b"\n\n".join(json.dumps(value).encode() for value in values)


def test_anthropics_batch_is_begun_looked_at_and_cancelled() -> None:
    api = APIS["anthropic"]
    state = {"id": "msgbatch_1", "processing_status": "in_progress"}
    asked, begun = held(api.begin({7: b'{"model":\n"m"}'}, path="/v1/messages", name="b-1"), json.dumps(state).encode())
    assert json.loads(asked[0].body) == {"requests": [{"custom_id": "line-7", "params": {"model": "m"}}]}
    assert (begun.id, begun.is_ended) == ("msgbatch_1", False)
    assert held(api.find("b-1"))[1] is None, "it keeps no names"
    ended = json.dumps({**state, "processing_status": "ended"}).encode()
    asked, seen = held(api.look("msgbatch_1"), ended)
    assert (asked[0].path, seen.is_ended) == ("/v1/messages/batches/msgbatch_1", True)
    assert held(api.cancel("msgbatch_1"), b"{}")[0][0].path == "/v1/messages/batches/msgbatch_1/cancel"


OPENAI = lines(
    {"custom_id": "line-2", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}},
    {"custom_id": "line-1", "response": {"status_code": 200, "body": {"id": "a"}}},
    {"custom_id": "theirs", "response": {"status_code": 200, "body": {}}},
    {"custom_id": "line-3", "error": {"code": "batch_expired", "message": "late"}},
)
ANTHROPIC = lines(
    {"custom_id": "line-2", "result": {"type": "errored", "error": {"error": {"type": "invalid_request_error"}}}},
    {"custom_id": "line-1", "result": {"type": "succeeded", "message": {"id": "a"}}},
    {"custom_id": "theirs", "result": {"type": "canceled"}},
    {"custom_id": "line-3", "result": {"type": "expired"}},
    {"custom_id": "line-4", "result": {"type": "errored", "error": {"error": None}}},
    {"custom_id": "line-5", "result": {"type": "errored", "error": "odd"}},
)


@pytest.mark.parametrize(("name", "text"), [("openai", OPENAI), ("anthropic", ANTHROPIC)])
def test_results_come_in_any_order_and_those_of_others_are_left_out(name: str, text: bytes) -> None:
    asked, found = held(APIS[name].answers(ProviderBatch("b", is_ended=True, results=("/results",))), text)
    assert asked[0].path == "/results"
    assert (found[1].status, json.loads(found[1].body)["id"], found[1].left) == (200, "a", None)
    assert found[2].status == 400
    assert found[3].left == "expired"
    assert {one.batch for one in found.values()} == {"b"}
    rest = {number: answer for number, answer in found.items() if number > 3}
    assert all(answer == LineAnswer(500, answer.body, batch="b") for answer in rest.values())


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"id": 7}', b"\xff", b"[" * 9999])
def test_an_answer_of_another_form_is_the_providers_fault(name: str, answer: bytes) -> None:
    with pytest.raises(Upstream, match="in another form"):
        held(APIS[name].look("b"), answer)
