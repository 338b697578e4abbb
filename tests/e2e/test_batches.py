"""Batches of unmodified SDKs: each line is a governed call, on any deployment, whatever its wire."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from headgate.testing.command import Ended, run_command
from headgate.testing.lab import Lab, until

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "Hello"}]


def lines(*bodies: Any, url: str = "/v1/chat/completions") -> bytes:
    given = ({"custom_id": f"line-{at}", "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies))
    return b"\n".join(json.dumps(one).encode() for one in given)


def decoded(text: bytes | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def finished(client: openai.OpenAI, batch: str) -> Any:
    def look() -> Any:
        found = client.batches.retrieve(batch)
        return found if found.status in ("completed", "failed", "expired", "cancelled") else None

    return until(look, what="the end of the batch")


def run(client: openai.OpenAI, text: bytes, *, endpoint: Any = "/v1/chat/completions") -> Any:
    file = client.files.create(file=("calls.jsonl", text), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata={"night": "1"}
    )
    assert (batch.status, batch.metadata) == ("validating", {"night": "1"})
    return finished(client, batch.id)


def test_openai_runs_a_batch_over_deployments_of_every_wire(lab: Lab, openai_client: openai.OpenAI) -> None:
    """Trap 44."""
    chat = [{"model": model, "messages": HELLO} for model in ("cloud", "claude", "gem", "onprem")]
    secret = {"model": "cloud", "messages": [{"role": "user", "content": "Write to anna.bauer@example.com"}]}
    batch = run(openai_client, lines(*chat, secret, {"model": "cloud", "messages": "Hello"}))
    assert (batch.request_counts.completed, batch.request_counts.failed, batch.request_counts.total) == (5, 1, 6)
    answers = decoded(openai_client.files.content(batch.output_file_id).content)
    assert [one["custom_id"] for one in answers] == [f"line-{at}" for at in range(5)]
    texts = [one["response"]["body"]["choices"][0]["message"]["content"] for one in answers]
    assert set(texts) == {"Hello from the simulator."}
    assert answers[1]["response"]["body"]["model"] == "claude"
    (failed,) = decoded(openai_client.files.content(batch.error_file_id).content)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("line-5", 400)
    assert "anna.bauer" not in str([request.json for request in lab.cloud.requests])
    record = lab.record(answers[4]["response"]["request_id"])["record"]
    assert (record["verb"], record["outcome"]) == ("model.invoke", "done") or record["verb"] == "model.dispatch"
    assert record["facts"]["cost_micros"] == 12 + 2 * 7, "a line is charged as the provider charges it"


def test_openai_refuses_a_broken_file_as_a_whole(openai_client: openai.OpenAI) -> None:
    text = lines({"model": "cloud", "messages": HELLO}, {"model": "nobody", "messages": HELLO}) + b"\nno json\n"
    batch = run(openai_client, text)
    assert (batch.status, batch.output_file_id, batch.request_counts.completed) == ("failed", None, 0)
    assert [(one.line, one.code) for one in batch.errors.data] == [(2, "model_not_found"), (3, "invalid_json_line")]


def test_openai_hands_a_batch_over_to_the_provider_masked(lab: Lab, openai_client: openai.OpenAI) -> None:
    secret = {"model": "nightly", "messages": [{"role": "user", "content": "Write to anna.bauer@example.com"}]}
    batch = run(openai_client, lines(secret, {"model": "nightly", "messages": HELLO}))
    assert (batch.status, batch.request_counts.completed) == ("completed", 2)
    answers = decoded(openai_client.files.content(batch.output_file_id).content)
    assert [one["custom_id"] for one in answers] == ["line-0", "line-1"]
    sent = [request for request in lab.cloud.requests if request.method == "POST"]
    assert [request.path for request in sent] == ["/v1/files", "/v1/batches"]
    assert b"anna.bauer" not in sent[0].body
    facts = lab.record(answers[0]["response"]["request_id"])["record"]["facts"]
    assert (facts["batch"], facts["custom_id"], facts["cost_micros"]) == (batch.id, "line-0", (12 + 2 * 7) // 2)
    assert json.loads(command(lab, "show", batch.id, "--json").stdout)["handed"] == 2


def test_openai_runs_responses_and_embeddings_in_batches(openai_client: openai.OpenAI) -> None:
    for endpoint, body in (
        ("/v1/responses", {"model": "claude", "input": "Hello"}),
        ("/v1/embeddings", {"model": "cloud-embed", "input": "Hello"}),
    ):
        batch = run(openai_client, lines(body, url=endpoint), endpoint=endpoint)
        (answer,) = decoded(openai_client.files.content(batch.output_file_id).content)
        assert answer["response"]["body"]["object"] in ("response", "list")
        assert batch.error_file_id is None


def test_openai_keeps_files_for_their_owner_only(lab: Lab, openai_client: openai.OpenAI) -> None:
    """Trap 44."""
    text = lines({"model": "cloud", "messages": HELLO})
    file = openai_client.files.create(file=("my calls.jsonl", text), purpose="user_data")
    assert (file.bytes, file.filename, file.purpose) == (len(text), "my calls.jsonl", "user_data")
    assert file.id in [one.id for one in openai_client.files.list()]
    assert openai_client.files.content(file.id).content == text
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.intern, max_retries=0) as stranger:
        assert file.id not in [one.id for one in stranger.files.list()]
        for ask in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
            with pytest.raises(openai.NotFoundError):
                ask(file.id)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        openai_client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert openai_client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        openai_client.files.retrieve(file.id)


def test_anthropic_runs_a_batch_of_messages(lab: Lab, anthropic_client: anthropic.Anthropic) -> None:
    params: Any = {"max_tokens": 64, "messages": HELLO}
    requests: Any = [
        {"custom_id": "theirs", "params": {"model": "claude", **params}},
        {"custom_id": "ours", "params": {"model": "onprem", **params}},
        {"custom_id": "wrong", "params": {"model": "nobody", **params}},
    ]
    batches = anthropic_client.messages.batches
    begun = batches.create(requests=requests)
    assert (begun.processing_status, begun.request_counts.processing, begun.results_url) == ("in_progress", 3, None)

    def look() -> Any:
        found = batches.retrieve(begun.id)
        return found if found.processing_status == "ended" else None

    ended = until(look, what="the end of the batch")
    counts = ended.request_counts
    assert (counts.succeeded, counts.errored, counts.processing) == (2, 1, 0)
    found = {one.custom_id: one.result for one in batches.results(begun.id)}
    for name in ("theirs", "ours"):
        result = found[name]
        assert result.type == "succeeded"
        assert result.message.content[0].type == "text"
        assert result.message.content[0].text == "Hello from the simulator."
    wrong = found["wrong"]
    assert wrong.type == "errored"
    assert wrong.error.error.type == "not_found_error"
    assert begun.id in [one.id for one in batches.list(limit=5)]
    assert batches.delete(begun.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        batches.retrieve(begun.id)


def test_anthropic_hands_a_batch_over_to_the_provider_masked(
    lab: Lab, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    letter: Any = [{"role": "user", "content": "Write to anna.bauer@example.com"}]
    params: Any = {"model": "nightly-claude", "max_tokens": 100_000}
    requests: Any = [
        {"custom_id": "letter", "params": {**params, "messages": letter}},
        {"custom_id": "hello", "params": {**params, "messages": HELLO}},
        {"custom_id": "other", "params": {**params, "messages": HELLO, "model": "claude"}},
        {"custom_id": "wrong", "params": {**params, "messages": [{"role": "nobody", "content": "x"}]}},
    ]
    batches = anthropic_client.messages.batches
    with pytest.raises(anthropic.BadRequestError, match="custom_id"):
        batches.create(requests=[requests[0], requests[0]])
    begun = batches.create(requests=requests)
    until(lambda: batches.retrieve(begun.id).ended_at, what="the end of the batch")
    found = {one.custom_id: one.result.type for one in batches.results(begun.id)}
    assert found == {"letter": "succeeded", "hello": "succeeded", "other": "succeeded", "wrong": "errored"}
    paths = sorted(request.path for request in lab.cloud.requests if request.method == "POST")
    assert paths == ["/v1/messages", "/v1/messages/batches"], "a deployment without the switch gets single calls"
    assert b"anna.bauer" not in b"".join(request.body for request in lab.cloud.requests)
    shown = json.loads(command(lab, "show", begun.id, "--json").stdout)
    assert (shown["handed"], shown["succeeded"]) == (2, 3)
    # A batch of the other wire goes to the same API.
    batch = run(openai_client, lines({"model": "nightly-claude", "messages": HELLO}))
    (answer,) = decoded(openai_client.files.content(batch.output_file_id).content)
    assert answer["response"]["body"]["choices"][0]["message"]["content"] == "Hello from the simulator."
    facts = lab.record(answer["response"]["request_id"])["record"]["facts"]
    assert (facts["provider_batch"][:9], facts["cost_micros"]) == ("msgbatch_", (12 + 2 * 7) // 2)


def test_the_operator_lists_shows_and_cancels_batches(lab: Lab, openai_client: openai.OpenAI) -> None:
    batch = run(openai_client, lines({"model": "cloud", "messages": HELLO}))
    listed = json.loads(command(lab, "list", "--json").stdout)
    assert (batch.id, "clerk", "completed") in [(one["id"], one["owner"], one["state"]) for one in listed]
    shown = json.loads(command(lab, "show", batch.id, "--json").stdout)
    assert (shown["total"], shown["succeeded"]) == (1, 1)
    refused = command(lab, "cancel", batch.id)
    assert refused.exit_code != 0
    assert "has ended" in refused.stderr


def command(lab: Lab, *words: str) -> Ended:
    data, port = str(lab.gate.data), str(httpx2.URL(lab.gate.base_url).port)
    return run_command("--data", data, "batches", *words, HEADGATE_PORT=port)
