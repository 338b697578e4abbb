"""Kept state of the Responses wire: calls that continue something without input of their own, or with too much."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel.errors import TooLarge
from headgate.wire.json_document import MAX_BODY_BYTES
from headgate.wire.model_call import ModelCall
from headgate.wire.openai_responses import OpenAiResponses
from headgate.wire.sse import SseEvent, SseParser
from headgate.wire.stateful import Earlier

DIALECT = OpenAiResponses()


def call(**fields: Any) -> ModelCall:
    return DIALECT.read_call(json.dumps({"model": "m", **fields}).encode(), headers={})


@pytest.mark.parametrize("param", ["conversation", "previous_response_id"])
def test_a_call_without_input_continues_what_is_kept_within_the_limit(param: str) -> None:
    kept = b'{"type":"message","role":"user","content":"x","vendor":1.0}'
    whole = DIALECT.after(call(**{param: "id_1"}), Earlier(items=[kept])).content.to_bytes()
    assert whole == b'{"model": "m","input":[' + kept + b"]}"
    with pytest.raises(TooLarge) as refused:
        DIALECT.after(call(**{param: "id_1"}), Earlier(items=[b"x" * MAX_BODY_BYTES]))
    assert refused.value.param == param


def test_the_providers_own_stream_names_the_conversation() -> None:
    writer = DIALECT.write_events_as(call(input="x", conversation={"id": "conv_1"}), answer="resp_here")
    created: dict[str, Any] = {
        "type": "response.created",
        "sequence_number": 7,
        "response": {"id": "resp_there", "output": []},
    }
    frames = b"".join(
        writer.write(event)
        for event in DIALECT.read_events().feed(SseEvent("response.created", json.dumps(created).encode()))
    )
    (event,) = SseParser().feed(frames)
    assert json.loads(event.data)["response"] == {
        **{"id": "resp_here", "output": [], "conversation": {"id": "conv_1"}},
    }
