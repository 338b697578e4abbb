"""Google's unmodified `google-genai` SDK against a whole Headgate, and other SDKs against a Gemini upstream."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from headgate.testing.lab import Lab
from headgate.testing.simulator import Failure, Script, Tokens, ToolCall, context_overflow

pytestmark = pytest.mark.e2e

ALIASES = pytest.mark.parametrize("model", ["cloud", "claude", "gem"])
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HELLO: Any = [{"role": "user", "content": "Hello"}]
MAIL = "anna.schmidt@example.org"


class City(BaseModel):
    """The structured output that the tests ask for."""

    name: str
    is_rainy: bool


def weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: the name of the city.
    """
    return f"rain in {city}"


@pytest.fixture
def client(lab: Lab) -> Iterator[Any]:
    """Google's SDK as its users make it, with the clerk's key."""
    made = genai.Client(api_key=lab.clerk, http_options={"base_url": lab.gate.base_url})
    yield made
    made.close()


@ALIASES
def test_an_answer_comes_under_the_name_that_was_called(lab: Lab, client: Any, model: str) -> None:
    answer = client.models.generate_content(model=model, contents="Hello")
    assert answer.text == "Hello from the simulator."
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.model_version == model
    assert answer.usage_metadata.total_token_count == 19
    assert lab.clerk not in str(lab.cloud.requests[0].headers)


@ALIASES
def test_a_stream_comes_in_pieces_with_usage_at_its_end(client: Any, model: str) -> None:
    chunks = list(client.models.generate_content_stream(model=model, contents="Hello"))
    texts = [chunk.text for chunk in chunks if chunk.text]
    assert "".join(texts) == "Hello from the simulator."
    assert len(texts) > 1
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.total_token_count == 19
    assert {chunk.model_version for chunk in chunks} == {model}


@ALIASES
def test_a_chat_keeps_its_history(lab: Lab, client: Any, model: str) -> None:
    chat = client.chats.create(model=model)
    assert [chunk.text for chunk in chat.send_message_stream("One")]
    assert chat.send_message("Two").text == "Hello from the simulator."
    assert [turn.parts[0].text for turn in chat.get_history(curated=True) if turn.role == "user"] == ["One", "Two"]
    sent = json.dumps(lab.cloud.requests[1].json)
    assert sent.index("One") < sent.index("om the s") < sent.index("Two")


@ALIASES
@pytest.mark.parametrize("stream", [False, True])
def test_functions_are_called_automatically(lab: Lab, client: Any, model: str, stream: bool) -> None:
    calls = (ToolCall("weather", '{"city":"Bonn"}', "call_1"), ToolCall("weather", '{"city":"Oslo"}', "call_2"))
    lab.cloud.script(Script(text="", tool_calls=calls), Script(text="Rain everywhere."))
    config = types.GenerateContentConfig(tools=[weather])
    if stream:
        chunks = client.models.generate_content_stream(model=model, contents="Weather?", config=config)
        text = "".join(chunk.text or "" for chunk in chunks)
    else:
        text = client.models.generate_content(model=model, contents="Weather?", config=config).text
    assert text == "Rain everywhere."
    sent = json.dumps(lab.cloud.requests[1].json)
    assert sent.index("rain in Bonn") < sent.index("rain in Oslo")


def test_a_signature_goes_back_to_its_provider_unchanged(lab: Lab, client: Any) -> None:
    lab.cloud.script(Script(text="", tool_calls=(ToolCall("weather", '{"city":"Bonn"}'),)), Script(text="Rain."))
    config = types.GenerateContentConfig(tools=[weather])
    assert client.models.generate_content(model="gem", contents="Weather?", config=config).text == "Rain."
    (call,) = lab.cloud.requests[1].json["contents"][1]["parts"]
    assert call["thoughtSignature"] == "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I="


@ALIASES
def test_structured_output_is_parsed(lab: Lab, client: Any, model: str) -> None:
    lab.cloud.script(Script(text='{"name":"Bonn","is_rainy":true}'))
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    answer = client.models.generate_content(model=model, contents="Bonn?", config=config)
    assert answer.parsed == City(name="Bonn", is_rainy=True)
    assert '"is_rainy"' in json.dumps(lab.cloud.requests[0].json)


@ALIASES
def test_thoughts_are_told_apart_from_the_answer(lab: Lab, client: Any, model: str) -> None:
    lab.cloud.script(Script(reasoning=("Let me ", "think."), text="Done.", tokens=Tokens(reasoning=3)))
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    answer = client.models.generate_content(
        model=model, contents="Think", config=types.GenerateContentConfig(thinking_config=thinking)
    )
    parts = answer.candidates[0].content.parts
    assert [(part.text, bool(part.thought)) for part in parts] == [("Let me think.", True), ("Done.", False)]
    assert answer.text == "Done."


@pytest.mark.parametrize("model", ["seeing", "seeing-claude", "seeing-gem"])
def test_an_image_reaches_every_provider(lab: Lab, client: Any, model: str) -> None:
    contents = [types.Part.from_bytes(data=PIXEL, mime_type="image/png"), "What is this?"]
    assert client.models.generate_content(model=model, contents=contents).text == "Hello from the simulator."
    sent = json.dumps(lab.cloud.requests[0].json).replace("-M9", "+M9")  # the SDK itself writes base64url
    assert base64.b64encode(PIXEL).decode() in sent


@ALIASES
def test_personal_data_is_masked_for_the_provider_and_restored_for_the_client(
    lab: Lab, client: Any, model: str
) -> None:
    lab.cloud.script(Script(echo=True, chunk_chars=5))
    chunks = client.models.generate_content_stream(model=model, contents=f"write to {MAIL}")
    assert "".join(chunk.text or "" for chunk in chunks) == f"write to {MAIL}"
    assert MAIL not in json.dumps(lab.cloud.requests[0].json)


@pytest.mark.parametrize(("model", "low"), [("gem", 12), ("claude", 12), ("cloud", 1)])
def test_tokens_of_every_model_are_counted(client: Any, model: str, low: int) -> None:
    config = types.CountTokensConfig()
    counted = client.models.count_tokens(model=model, contents="Hello, how are you?", config=config)
    assert low <= counted.total_tokens < 100


@pytest.mark.parametrize("model", ["cloud-embed", "gem-embed", "local-embed"])
def test_texts_are_embedded_by_every_model(client: Any, model: str) -> None:
    texts = ["a red house", "a crimson building", "tax return"]
    answer = client.models.embed_content(model=model, contents=texts)
    assert len(answer.embeddings) == 3
    assert len({len(one.values) for one in answer.embeddings}) == 1
    assert answer.embeddings[0].values != answer.embeddings[1].values


def test_the_length_of_a_vector_reaches_the_provider(lab: Lab, client: Any, openai_client: openai.OpenAI) -> None:
    config = types.EmbedContentConfig(output_dimensionality=16, task_type="RETRIEVAL_QUERY")
    for model in ("cloud-embed", "gem-embed"):
        answer = client.models.embed_content(model=model, contents="a red house", config=config)
        assert len(answer.embeddings[0].values) == 16
    assert lab.cloud.requests[1].json["requests"][0]["taskType"] == "RETRIEVAL_QUERY"
    usual = openai_client.embeddings.create(model="gem-embed", input=["a red house"], dimensions=16)
    assert usual.data[0].embedding == pytest.approx(answer.embeddings[0].values, abs=1e-6)


def test_models_are_listed_in_googles_form(client: Any) -> None:
    names = [model.name for model in client.models.list(config={"page_size": 5})]
    assert {"models/cloud", "models/claude", "models/gem", "models/gem-embed", "models/local-embed"} <= set(names)
    found = client.models.get(model="gem")
    assert found.name == "models/gem"
    assert "generateContent" in found.supported_actions
    with pytest.raises(errors.ClientError) as missing:
        client.models.get(model="nowhere")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("status", "kind", "seen", "name"),
    [
        (400, errors.ClientError, 400, "INVALID_ARGUMENT"),
        (401, errors.ServerError, 502, "INTERNAL"),
        (404, errors.ServerError, 502, "INTERNAL"),
        (429, errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, 502, "INTERNAL"),
        (503, errors.ServerError, 503, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("model", ["unreliable-gem", "unreliable"])
def test_errors_of_the_provider_are_the_sdks_own(
    lab: Lab, client: Any, model: str, status: int, kind: type[errors.APIError], seen: int, name: str
) -> None:
    lab.cloud.answer_always(Script(failure=Failure(status, retry_after_s=7 if status == 429 else None)))
    with pytest.raises(kind) as caught:
        client.models.generate_content(model=model, contents="Hello")
    assert (caught.value.code, caught.value.status) == (seen, name)
    if status == 429:
        assert '"retryDelay": "7s"' in json.dumps(caught.value.details)


@pytest.mark.parametrize("model", ["unreliable-gem", "unreliable", "unreliable-claude"])
def test_a_context_overflow_is_told_in_googles_words(lab: Lab, client: Any, model: str) -> None:
    lab.cloud.script(Script(failure=context_overflow()))
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=model, contents="Hello")
    words = "The input token count (9001) exceeds the maximum number of tokens allowed (8192)."
    assert caught.value.message == words


@pytest.mark.parametrize("model", ["unreliable-gem", "unreliable"])
def test_a_stream_that_the_provider_cuts_ends_in_an_error(lab: Lab, client: Any, model: str) -> None:
    lab.cloud.answer_always(Script(text=("one ", "two ", "three"), cut="short", cut_after=2))
    with pytest.raises(errors.ServerError):
        list(client.models.generate_content_stream(model=model, contents="Hello"))


def test_errors_of_the_gate_are_the_sdks_own(lab: Lab, client: Any) -> None:
    wrong = genai.Client(api_key="hg_wrong", http_options={"base_url": lab.gate.base_url})
    with pytest.raises(errors.ClientError) as unknown:
        wrong.models.generate_content(model="cloud", contents="Hello")
    assert (unknown.value.code, unknown.value.status) == (401, "UNAUTHENTICATED")
    with pytest.raises(errors.ClientError) as missing:
        client.models.generate_content(model="nowhere", contents="Hello")
    assert missing.value.code == 404
    with lab.http(key="") as http:
        answer = http.post(f"/v1beta/models/gem:generateContent?key={lab.clerk}", json={"contents": []})
    assert answer.status_code == 400
    assert "x-goog-api-key" in answer.json()["error"]["message"]
    assert lab.clerk not in answer.text


# ---- other wires before a Gemini upstream


def test_openais_sdk_reaches_a_gemini_upstream(lab: Lab, openai_client: openai.OpenAI) -> None:
    calls = (ToolCall("weather", '{"city":"Bonn"}'), ToolCall("weather", '{"city":"Köln"}'))
    lab.cloud.script(Script(text="", tool_calls=calls), Script(text="Rain.", tokens=Tokens(cache_read=5, reasoning=3)))
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    first = openai_client.chat.completions.create(model="gem", messages=HELLO, tools=tools)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    made: Any = message.tool_calls
    assert [call.function.name for call in made] == ["weather", "weather"]
    assert len({call.id for call in made}) == 2
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in reversed(made)]
    history: Any = [*HELLO, message.model_dump(exclude_none=True), *results]
    second = openai_client.chat.completions.create(model="gem", messages=history, tools=tools)
    assert second.choices[0].message.content == "Rain."
    usage: Any = second.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (17, 7)
    assert usage.prompt_tokens_details.cached_tokens == 5
    assert usage.completion_tokens_details.reasoning_tokens == 3
    sent = lab.cloud.requests[1]
    assert sent.path == "/v1beta/models/gemini-sim:generateContent"
    assert [turn["role"] for turn in sent.json["contents"]] == ["user", "model", "user"]
    assert [part["functionResponse"]["name"] for part in sent.json["contents"][2]["parts"]] == ["weather"] * 2


def test_openais_sdk_streams_from_a_gemini_upstream(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(tool_calls=(ToolCall("weather", '{"city":"Bonn"}'),), text="Let me look."))
    gathered, text, finish = "", "", None
    for chunk in openai_client.chat.completions.create(model="gem", messages=HELLO, stream=True):
        delta: Any = chunk.choices[0].delta
        text += delta.content or ""
        gathered += "".join(call.function.arguments or "" for call in delta.tool_calls or ())
        finish = chunk.choices[0].finish_reason or finish
    assert (text, json.loads(gathered), finish) == ("Let me look.", {"city": "Bonn"}, "tool_calls")
    assert lab.cloud.requests[0].path == "/v1beta/models/gemini-sim:streamGenerateContent?alt=sse"


def test_anthropics_sdk_streams_from_a_gemini_upstream(lab: Lab, anthropic_client: anthropic.Anthropic) -> None:
    lab.cloud.script(Script(reasoning=("Hm. ",), text="Yes.", tokens=Tokens(reasoning=3)))
    with anthropic_client.messages.stream(model="gem", max_tokens=99, messages=HELLO) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (12, 7)
