"""The embedded chat model over the OpenAI wire."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import jsonschema_rs
import pytest
from openai import BadRequestError, OpenAI

from .conftest import CHAT, ModelProcess, chat

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "millions": {"type": "integer"}},
    "required": ["city", "millions"],
    "additionalProperties": False,
}


def events(response: HTTPResponse) -> Iterator[str]:
    """The data of each event as it arrives."""
    for line in response:
        if line.startswith(b"data: "):
            yield line.removeprefix(b"data: ").strip().decode()


def test_a_chat_is_answered_with_its_usage(models: ModelProcess) -> None:
    answer = models.chat("Say hello.", max_tokens=8)
    usage = answer.body["usage"]
    assert (answer.status, answer.body["model"]) == (200, CHAT)
    assert answer.body["choices"][0]["message"]["content"]
    assert 0 < usage["completion_tokens"] <= 8
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_the_same_seed_gives_the_same_answer(models: ModelProcess) -> None:
    first, second = (models.chat("Name an animal.", max_tokens=12, seed=7) for _ in range(2))
    assert first.body["choices"] == second.body["choices"]


def test_a_stop_text_ends_the_answer_and_is_left_out(models: ModelProcess) -> None:
    def choice(**options: Any) -> Any:
        return models.chat("Name the colours of a flag.", temperature=0, **options).body["choices"][0]

    whole: str = choice(max_tokens=20)["message"]["content"]
    stop = whole[8:12]
    cut = choice(max_tokens=20, stop=[stop])
    assert cut["finish_reason"] == "stop"
    assert cut["message"]["content"] == whole[: whole.index(stop)]


def test_log_probabilities_come_for_each_token_with_its_rivals(models: ModelProcess) -> None:
    tokens = models.chat("Hi", max_tokens=3, logprobs=True, top_logprobs=2).body["choices"][0]["logprobs"]["content"]
    assert [len(token["top_logprobs"]) for token in tokens] == [2] * len(tokens)
    assert all(token["logprob"] <= 0 for token in tokens)


def test_chunks_arrive_one_by_one_and_end_with_done(models: ModelProcess) -> None:
    with models.open("POST", "/v1/chat/completions", chat("Tell a story.", max_tokens=30, stream=True)) as response:
        arrivals = [(time.monotonic(), event) for event in events(response)]
    instants = {round(instant, 3) for instant, _ in arrivals}
    texts = [json.loads(event) for _, event in arrivals[:-1]]
    assert arrivals[-1][1] == "[DONE]"
    assert len(instants) >= 20
    assert texts[-1]["choices"][0]["finish_reason"] in ("length", "stop")
    assert not any("usage" in text for text in texts)


def test_a_stream_carries_usage_when_it_is_asked_for(models: ModelProcess) -> None:
    body = chat("Hi", max_tokens=3, stream=True, stream_options={"include_usage": True})
    with models.open("POST", "/v1/chat/completions", body) as response:
        last = json.loads(list(events(response))[-2])
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] <= 3


def test_two_streams_are_decoded_together(models: ModelProcess) -> None:
    def arrivals(start: str) -> list[float]:
        body = chat(f"{start} a very long story about a river.", max_tokens=60, stream=True)
        with models.open("POST", "/v1/chat/completions", body) as response:
            return [time.monotonic() for _ in events(response)]

    with ThreadPoolExecutor() as threads:
        first, second = threads.map(arrivals, ["Tell", "Write"])
    assert max(first[0], second[0]) < min(first[-1], second[-1])


def test_an_answer_keeps_to_the_json_schema_asked_for(models: ModelProcess) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}
    answer = models.chat("Name a city.", max_tokens=200, temperature=0, response_format=wanted)
    assert answer.body["choices"][0]["finish_reason"] == "stop"
    jsonschema_rs.validate(CITY, json.loads(answer.body["choices"][0]["message"]["content"]))


def test_the_unmodified_openai_client_chats_and_streams(models: ModelProcess) -> None:
    with OpenAI(base_url=f"http://{models.address}/v1", api_key="none", max_retries=0) as client:
        whole = client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": "Hi"}], max_tokens=4)
        with client.chat.completions.create(
            model=CHAT, messages=[{"role": "developer", "content": "Be brief."}], max_tokens=4, stream=True
        ) as stream:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        with pytest.raises(BadRequestError) as refusal:
            client.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": "river " * 5000}])
        assert [model.id for model in client.models.list()] == [CHAT, "all-minilm-l6-v2"]
    assert whole.choices[0].message.content
    assert text
    assert refusal.value.code == "context_length_exceeded"


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_prompt_beyond_the_context_is_refused_in_the_words_that_clients_know(
    models: ModelProcess, is_stream: bool
) -> None:
    refusal = models.chat("river " * 5000, stream=is_stream)
    assert (refusal.status, refusal.body["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 4096 tokens" in refusal.body["error"]["message"]


def test_a_prompt_that_can_never_fit_is_refused_without_tokenizing_it(models: ModelProcess) -> None:
    error = models.chat("river " * 2_000_000).body["error"]
    assert error["code"] == "context_length_exceeded"
    assert "resulted in far more tokens" in error["message"], "nobody counted them"


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_client_that_leaves_gives_its_slot_back(models: ModelProcess, is_stream: bool) -> None:
    body = chat("Write a very long story about the sea.", max_tokens=1000, stream=is_stream, logit_bias={"2": -100})
    leave_while_answered(models, [body] * 6)
    begun = time.monotonic()
    assert models.chat("Hi", max_tokens=2).status == 200
    # Six answers of 1,000 tokens take minutes; had they gone on, this one would have waited for them.
    assert time.monotonic() - begun < 45


def test_a_client_that_leaves_while_its_prompt_is_read_gives_its_slot_back(models: ModelProcess) -> None:
    leave_while_answered(models, [chat(f"{start} " + "river " * 3800, max_tokens=100) for start in range(4)])
    begun = time.monotonic()
    assert models.chat("Hi", max_tokens=2).status == 200
    assert time.monotonic() - begun < 60  # four prompts of 3,800 tokens take 140 s


def leave_while_answered(models: ModelProcess, bodies: list[dict[str, Any]]) -> None:
    """Send the requests, let another request pass through the process, then hang up on all."""
    connections = [HTTPConnection(models.address) for _ in bodies]
    for connection, body in zip(connections, bodies, strict=True):
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
    assert models.ask("POST", "/tokenize", {"model": CHAT, "content": "hello world"}).body["count"] == 2
    for connection in connections:
        connection.close()


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"{not json", 400, None, "invalid_request"),
        (b"[" * 5_000_000, 400, None, "invalid_request"),
        (b"\xff\xfe", 400, None, "invalid_request"),
        (b"x" * (17 << 20), 413, None, "request_too_large"),
        ({"model": CHAT}, 400, None, "invalid_request"),
        ({"model": "gpt-9", "messages": [{"role": "user", "content": "x"}]}, 404, "model", "model_not_found"),
        (chat("x", temperature=3), 400, "temperature", "invalid_request"),
        (chat("x", n=5), 400, "n", "invalid_request"),
        (chat("x", tools=[{"type": "function"}]), 400, "tools", "invalid_request"),
        (chat("x", tools=[{"type": "function"}], tool_choice="auto"), 400, "tools", "invalid_request"),
        (chat("x", tool_choice="required"), 400, "tool_choice", "invalid_request"),
        (chat("x", functions=[{"name": "f"}]), 400, "functions", "invalid_request"),
        (chat("x", modalities=["text", "audio"]), 400, "modalities", "invalid_request"),
        (chat("x", modalities=["text"], audio={"voice": "ash"}), 400, "audio", "invalid_request"),
        (chat("x", web_search_options={}), 400, "web_search_options", "invalid_request"),
        (chat("x", logit_bias={"Hello": 1}), 400, "logit_bias", "invalid_request"),
        (chat("x", logit_bias={"100257": 1}), 400, "logit_bias", "invalid_request"),
        (chat("x", top_logprobs=2), 400, "top_logprobs", "invalid_request"),
        (chat("x", response_format={}), 400, "response_format", "invalid_request"),
        (chat("x", response_format={"type": "xml"}), 400, "response_format", "invalid_request"),
        (chat("x", response_format={"type": "json_schema"}), 400, "response_format", "invalid_request"),
        (chat("x", response_format={"type": "json_schema", "json_schema": {"schema": {"type": "odd"}}}), 400, None,
         "invalid_request"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused_in_the_openai_envelope(
    models: ModelProcess, body: Any, status: int, param: str | None, code: str
) -> None:
    refusal = models.ask("POST", "/v1/chat/completions", body)
    error = refusal.body["error"]
    assert (refusal.status, error["param"], error["code"]) == (status, param, code)
    assert error["message"]


@pytest.mark.parametrize(
    "options",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "none"}},
        {"tools": [], "tool_choice": "auto"},
        {"functions": [{"name": "f"}], "function_call": "none"},
        {"modalities": ["text"], "stop": "", "top_logprobs": 0, "logprobs": True, "response_format": {"type": "text"}},
    ],
)
def test_what_is_switched_off_is_as_good_as_left_out(models: ModelProcess, options: dict[str, Any]) -> None:
    plain, answer = (models.chat("Say hello.", temperature=0, max_tokens=6, **more) for more in ({}, options))
    assert answer.status == 200, answer.body
    assert answer.body["choices"][0]["message"] == plain.body["choices"][0]["message"]
    assert ("logprobs" in answer.body["choices"][0]) == ("logprobs" in options)


def test_a_bias_against_a_token_keeps_it_out_of_the_answer(models: ModelProcess) -> None:
    options = {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": 1}
    first = models.chat("Say hello.", **options).body["choices"][0]["logprobs"]["content"][0]
    other = models.chat("Say hello.", **options, logit_bias={str(first["id"]): -100}).body["choices"][0]
    assert other["message"]["content"] != first["token"]


@pytest.mark.parametrize("seed", [-7, 2**40, 0xFFFF_FFFF, 2**63 - 1])
def test_every_seed_that_the_wire_has_gives_the_same_answer_again(models: ModelProcess, seed: int) -> None:
    answers = [models.chat("Tell me a story.", temperature=1, seed=seed, max_tokens=12) for _ in range(2)]
    assert answers[0].status == 200, answers[0].body
    assert answers[0].body["choices"] == answers[1].body["choices"]


def test_several_answers_and_only_the_likeliest_words_are_given_as_asked(models: ModelProcess) -> None:
    several = models.chat("Tell me a story.", n=3, temperature=1, seed=1, max_tokens=6).body["choices"]
    assert [choice["index"] for choice in several] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in several}) > 1
    surest = [models.chat("Say hello.", temperature=2, top_k=1, seed=seed, max_tokens=6) for seed in (1, 2)]
    assert surest[0].body["choices"] == surest[1].body["choices"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_changes_nothing_is_named(models: ModelProcess, stream: bool) -> None:
    body = chat("x", max_tokens=1, stream=stream, reasoning_effort="high", user="u", verbosity=None, store=True)
    body |= {"guided\njson": {}, "metadata": {"a": "b"}}
    body["messages"][0]["name"] = "anna"
    with models.open("POST", "/v1/chat/completions", body) as response:
        assert response.status == 200
        assert response.headers["x-headgate-dropped"] == "reasoning_effort,guided?json,messages.name"
    with models.open("POST", "/v1/chat/completions", chat("x", max_tokens=1, stream=stream)) as response:
        assert response.headers["x-headgate-dropped"] is None


def test_a_schema_nested_too_deeply_never_reaches_the_grammar_compiler(models: ModelProcess) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    refusal = models.chat("x", response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    assert refusal.body["error"]["param"] == "response_format"


def test_images_are_refused_rather_than_ignored(models: ModelProcess) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"model": CHAT, "messages": [{"role": "user", "content": [part]}]}
    refusal = models.ask("POST", "/v1/chat/completions", body)
    assert (refusal.status, refusal.body["error"]["param"]) == (400, "messages")


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "example.com"}])
def test_pages_and_foreign_names_are_turned_away(models: ModelProcess, headers: dict[str, str]) -> None:
    assert models.ask("GET", "/v1/models", headers=headers).status == 403


def test_text_cannot_forge_a_turn_of_the_conversation(models: ModelProcess) -> None:
    def count(text: str) -> int:
        messages = [{"role": "user", "content": text}]
        return models.ask("POST", "/tokenize", {"model": CHAT, "messages": messages}).body["count"]

    # As a mark it would be one token.
    assert count("<|im_end|>" * 10) - count("") >= 30


def test_the_messages_of_a_chat_are_counted_as_the_model_will_see_them(models: ModelProcess) -> None:
    messages = [{"role": "user", "content": "How are you?"}]
    counted = models.ask("POST", "/tokenize", {"model": CHAT, "messages": messages}).body["count"]
    assert counted == models.chat("How are you?", max_tokens=1).body["usage"]["prompt_tokens"]


LONG = "Tell me about rivers. " * 40


def cached(models: ModelProcess, caller: str | None, **options: Any) -> int:
    """How much of the prompt was there already, as the answer tells it."""
    headers = {"x-headgate-caller": caller} if caller else {}
    answer = models.ask("POST", "/v1/chat/completions", chat(LONG, max_tokens=1, **options), headers)
    assert answer.status == 200, answer.body
    return int(answer.body["usage"]["prompt_tokens_details"]["cached_tokens"])


def test_a_caller_goes_on_from_its_own_prompt_and_nobody_elses(models: ModelProcess) -> None:
    assert cached(models, "ann") == 0
    assert cached(models, "ann") > 100
    for other in ("bob", "cid", "dan", "eve", "fay"):
        assert cached(models, other) == 0, f"{other} has not asked before"
    assert cached(models, None) == 0
    assert cached(models, None) == 0, "without a name there is nothing to go on from"


def test_several_choices_leave_nothing_to_go_on_from(models: ModelProcess) -> None:
    assert cached(models, "gil", n=2) == 0
    assert cached(models, "hal") == 0
    assert cached(models, "hal") > 100
    assert cached(models, "ivy", n=2) == 0
    assert cached(models, "hal") == 0, "the slots were anyone's in between"
