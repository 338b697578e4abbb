"""What the simulator says on OpenAI's wire is valid by OpenAI's own API document."""

from __future__ import annotations

import json
from typing import Any, cast

import jsonschema_rs
import pytest
from tests.datasets import dataset

from headgate.testing.simulator import Failure, Script, Tokens, ToolCall, context_overflow, openai_wire

pytestmark = pytest.mark.measured

TOOLS = (ToolCall("weather", '{"city":"Zürich"}'), ToolCall("clock", "{}"))
SCRIPTS = {
    "text": Script(),
    "tools": Script(tool_calls=TOOLS),
    "refusal": Script(refusal="No."),
    "length": Script(stop="length", tokens=Tokens(cache_read=4, reasoning=2)),
}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def components() -> Any:
    return nullable(json.loads(dataset("wire/openai-openapi-pruned.json").read_text())["components"])


def nullable(schema: Any) -> Any:
    """The document with `nullable`, a word of OpenAPI 3.0, said in JSON Schema."""
    if isinstance(schema, list):
        return [nullable(one) for one in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    said = {key: nullable(value) for key, value in cast("dict[str, Any]", schema).items() if key != "nullable"}
    return {"anyOf": [said, {"type": "null"}]} if schema.get("nullable") is True else said


def check(components: Any, schema: str, value: Any) -> None:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": components}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


@pytest.mark.parametrize("name", SCRIPTS)
def test_whole_answers_and_streams_are_valid(components: Any, name: str) -> None:
    whole = openai_wire.chat(ASKED, SCRIPTS[name], number=1)
    check(components, "CreateChatCompletionResponse", json.loads(whole.body))
    streaming = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    for event in (openai_wire.chat(streaming, SCRIPTS[name], number=1).events or ())[:-1]:
        chunk = json.loads(event.data)
        check(components, "CreateChatCompletionStreamResponse", chunk)


def test_embeddings_models_and_errors_are_valid(components: Any) -> None:
    vectors = openai_wire.embeddings({"model": "m", "input": ["a", "b"]}, Script())
    check(components, "CreateEmbeddingResponse", json.loads(vectors.body))
    check(components, "ListModelsResponse", json.loads(openai_wire.models(["m"]).body))
    for failure in (Failure(400), Failure(401), Failure(404), Failure(429), Failure(500), context_overflow()):
        check(components, "ErrorResponse", json.loads(openai_wire.failed(failure).body))
