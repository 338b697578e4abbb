"""Errors and whole answers of Anthropic's wire, as the unmodified SDK sees them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import pytest

from headgate.kernel.errors import (
    Conflict,
    Corrupt,
    Denied,
    HeadgateError,
    Invalid,
    NeedsApproval,
    NotFound,
    OverBudget,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Upstream,
    UpstreamTimeout,
)
from headgate.wire.anthropic_messages import dialect
from headgate.wire.conversation import Image, Reasoning, Refusal, Reply, Text, ToolUse
from headgate.wire.model_call import Usage

ANSWER = (
    b'{ "id":"msg_1","type":"message","role":"assistant","model":"claude-opus-5","content":[{"type":"text",'
    b'"text":"caf\\u00e9"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,'
    b'"cache_read_input_tokens":90,"cache_creation_input_tokens":0,"output_tokens":5,"future":1.0}}'
)


def client_of(status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> anthropic.Anthropic:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, headers=list(headers), content=body))
    return anthropic.Anthropic(
        api_key="k", base_url="http://gate.test", http_client=httpx2.Client(transport=transport), max_retries=0
    )


def raised_for(error: HeadgateError) -> anthropic.APIStatusError:
    """Return what the SDK raises when the gateway answers with this error."""
    answer = dialect.plane.write_error(error, request_id="req_1")
    client = client_of(answer.status, answer.body, answer.headers)
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    return caught.value


@pytest.mark.parametrize(
    ("error", "sdk_class", "kind"),
    [
        (Invalid("no", param="model"), anthropic.BadRequestError, "invalid_request_error"),
        (TooLarge("no"), anthropic.RequestTooLargeError, "request_too_large"),
        (Unauthenticated("no"), anthropic.AuthenticationError, "authentication_error"),
        (Denied("no"), anthropic.BadRequestError, "invalid_request_error"),
        (NeedsApproval("no", approval_id="ap_1"), anthropic.BadRequestError, "invalid_request_error"),
        (NotFound("no"), anthropic.NotFoundError, "not_found_error"),
        (Conflict("no"), anthropic.ConflictError, "conflict_error"),
        (OverBudget("no", retry_after_s=1.5), anthropic.RateLimitError, "rate_limit_error"),
        (Upstream("no"), anthropic.InternalServerError, "api_error"),
        (Upstream("no", upstream_status=529), anthropic.InternalServerError, "overloaded_error"),
        (Upstream("no", upstream_status=429), anthropic.RateLimitError, "rate_limit_error"),
        (Upstream("no", upstream_status=400, retryable=False), anthropic.BadRequestError, "invalid_request_error"),
        (UpstreamTimeout("no"), anthropic.InternalServerError, "timeout_error"),
        (Unavailable("no"), anthropic.InternalServerError, "overloaded_error"),
        (Corrupt("no"), anthropic.InternalServerError, "api_error"),
    ],
)
def test_the_sdk_raises_its_own_class_for_each_of_our_errors(
    error: HeadgateError, sdk_class: type[anthropic.APIStatusError], kind: str
):
    """Trap 33: the envelope carries type, message, our code and the request's id."""
    raised = raised_for(error)
    assert isinstance(raised, sdk_class)
    assert (raised.type, raised.api_message, raised.error_code) == (kind, "no", error.code)
    assert raised.request_id == "req_1"
    envelope: Any = raised.body
    assert envelope["request_id"] == "req_1"


def test_an_error_names_the_field_the_record_and_the_approval():
    error = NeedsApproval("a person has to approve", approval_id="ap_1", record_id="01R")
    details = json.loads(dialect.plane.write_error(error, request_id="r").body)["error"]["details"]
    assert details == {"error_code": "needs_approval", "record_id": "01R", "approval_id": "ap_1"}
    details = json.loads(dialect.plane.write_error(Invalid("x", param="messages.0"), request_id="r").body)["error"][
        "details"
    ]
    assert details["param"] == "messages.0"


def test_a_refusal_names_its_rules_once_for_people_and_for_programs():
    refused = Denied("refused by no-cards (cards stay here)", rules=("no-cards", "lattice.flow"))
    said = json.loads(dialect.plane.write_error(refused, request_id="r").body)["error"]
    assert said["message"] == "refused by no-cards (cards stay here) (rule lattice.flow)"
    assert said["details"]["rules"] == ["no-cards", "lattice.flow"]


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (OverBudget("x", retry_after_s=1.2), {"retry-after": "2", "retry-after-ms": "1200"}),
        (OverBudget("x"), {"x-should-retry": "false"}),
        (Upstream("x", upstream_status=401, retryable=False), {"x-should-retry": "false"}),
        (Upstream("x", upstream_status=529, retry_after_s=3), {"retry-after": "3", "retry-after-ms": "3000"}),
        (Conflict("x"), {"x-should-retry": "false"}),
        (Unavailable("x"), {}),
    ],
)
def test_clients_are_told_whether_and_when_to_retry(error: HeadgateError, headers: dict[str, str]):
    """Trap 35: a local 429 carries them too; without them agents retry for ever."""
    said = dict(dialect.plane.write_error(error, request_id="r").headers)
    assert {name: value for name, value in said.items() if "retry" in name} == headers


OVERFLOW = "prompt is too long: 212345 tokens > 200000 maximum"


@pytest.mark.parametrize(
    "text",
    [OVERFLOW, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length"],
)
def test_overflow_texts_reach_the_client_verbatim(text: str):
    """Trap 34: clients compact on these very words."""
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": text}}).encode()
    error = dialect.read_error(400, headers={}, body=body)
    assert (error.upstream_status, error.retryable) == (400, False)
    assert raised_for(error).api_message == text


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            "prompt is too long: 9001 tokens > 8192 maximum",
        ),
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the "
            "messages, 1000 in the completion).",
            "prompt is too long: 5000 tokens > 4096 maximum",
        ),
        (
            "the request exceeds the available context size",
            "prompt is too long: the request exceeds the available context size",
        ),
        ("temperature is deprecated", "temperature is deprecated"),
    ],
)
def test_overflow_of_another_wire_is_said_in_the_words_that_clients_of_this_one_know(theirs: str, ours: str):
    """Trap 34 in the crossing."""
    assert raised_for(Upstream(theirs, upstream_status=400, retryable=False)).api_message == ours


@pytest.mark.parametrize("status", [307, 401, 402, 403, 404, 405, 415])
def test_a_refusal_of_the_gateways_own_key_is_the_gateways_fault(status: int):
    """Trap 36: 502, no retry, and none of the provider's words, which may name keys and accounts."""
    body = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key sk-ant-123"}}'
    error = dialect.read_error(status, headers={}, body=body)
    assert (error.upstream_status, error.retryable) == (status, True), "another deployment may do"
    raised = raised_for(error)
    assert raised.status_code == 502
    assert "sk-ant" not in str(raised)


@pytest.mark.parametrize(
    ("status", "headers", "retryable", "retry_after_s"),
    [
        (400, {}, False, None),
        (413, {}, False, None),
        (422, {}, False, None),
        (408, {}, True, None),
        (429, {"retry-after": "7"}, True, 7.0),
        (429, {"retry-after-ms": "1500", "retry-after": "9"}, True, 1.5),
        (429, {"retry-after": "soon"}, True, None),
        (429, {"retry-after": "inf"}, True, None),
        (500, {"x-should-retry": "false"}, False, None),
        (503, {"x-should-retry": "true"}, True, None),
        (529, {}, True, None),
    ],
)
def test_an_upstreams_status_says_whether_another_may_do(
    status: int, headers: dict[str, str], retryable: bool, retry_after_s: float | None
):
    """Traps 35 and 36: a deterministic 4xx neither falls back nor trips breakers."""
    error = dialect.read_error(status, headers=headers, body=b"<html>Bad gateway</html>")
    assert (error.retryable, error.retry_after_s) == (retryable, retry_after_s)
    assert "<html>" not in error.message


def test_a_long_upstream_text_is_cut():
    body = json.dumps({"error": {"type": "api_error", "message": "x" * 9000}}).encode()
    assert len(dialect.read_error(500, headers={}, body=body).message) == 2000


def test_an_answer_passes_byte_for_byte_but_for_the_models_name():
    """Traps 22 and 42; trap 35: what clients act on is kept of the headers, what names the account is not."""
    headers = {
        "request-id": "req_9",
        "anthropic-ratelimit-unified-status": "allowed",
        "anthropic-organization-id": "org",
        "set-cookie": "a=b",
    }
    reply = dialect.read_reply(ANSWER, headers=headers)
    assert dict(reply.headers) == {"request-id": "req_9", "anthropic-ratelimit-unified-status": "allowed"}
    assert dialect.write_reply(reply, model="our-alias") == ANSWER.replace(b"claude-opus-5", b"our-alias")
    assert (reply.stop_reason, reply.usage) == ("stop", Usage(100, 5, cache_read_tokens=90))
    assert ("café", "assistant") in reply.content.segments()


def test_a_count_passes_and_costs_nothing():
    """Trap 24."""
    reply = dialect.read_reply(b'{"input_tokens":2095}', headers={})
    assert dialect.write_reply(reply, model="a") == b'{"input_tokens":2095}'
    assert reply.usage == Usage(0, 0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type":"message","stop_reason":3}', b'{"a":1,"a":2}'])
def test_what_is_not_an_answer_of_the_wire_is_the_upstreams_failure(body: bytes):
    with pytest.raises(Upstream):
        dialect.read_reply(body, headers={})


def test_a_typed_answer_becomes_a_message_that_the_sdk_reads_and_comes_back_the_same():
    """Traps 8, 12, 18 and 19."""
    reply = Reply(
        id="msg_7",
        model="upstream",
        parts=(
            Reasoning("Hm", signature="c2ln"),
            Reasoning("", redacted="eA=="),
            Text("Hi"),
            ToolUse("t", "f", '{"a":1}'),
        ),
        stop_reason="tool_use",
        usage=Usage(100, 5, cache_read_tokens=60, cache_write_tokens=10, cache_write_1h_tokens=20, reasoning_tokens=2),
    )
    raw = dialect.from_reply(reply, model="our-alias")
    message = client_of(200, raw, (("content-type", "application/json"),)).messages.create(
        model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]
    )
    assert [block.type for block in message.content] == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert (message.model, message.usage.input_tokens, message.usage.cache_creation_input_tokens) == (
        "our-alias",
        10,
        30,
    )
    again = dialect.to_reply(dialect.read_reply(raw, headers={}))
    assert again == replace(reply, model="our-alias")


def test_a_refusal_is_shown_as_text_and_explained_and_comes_back_as_one():
    """Trap 8."""
    reply = Reply(id="chatcmpl-1", model="m", parts=(Refusal("I can't."),), stop_reason="stop")
    said = json.loads(dialect.from_reply(reply, model="a"))
    assert (said["stop_reason"], said["content"]) == ("refusal", [{"type": "text", "text": "I can't."}])
    assert said["stop_details"]["explanation"] == "I can't."
    assert said["id"] == "msg_chatcmpl-1"
    again = dialect.to_reply(dialect.read_reply(dialect.from_reply(reply, model="a"), headers={}))
    assert (again.parts, again.stop_reason) == ((Refusal("I can't."),), "refusal")


def test_an_unknown_stop_reason_is_never_a_clean_end():
    """Trap 9."""
    reply = Reply(id="1", model="m", parts=(Text("x"), Text("")), stop_reason="unknown")
    said = json.loads(dialect.from_reply(reply, model="a"))
    assert said["stop_reason"] == "max_tokens"
    assert len(said["content"]) == 1


@pytest.mark.parametrize("content", ["3", '[{"type":"tool_use","name":"f"}]'])
def test_an_answer_whose_content_is_malformed_does_not_cross(content: str):
    raw = b'{"type":"message","content":%b}' % content.encode()
    with pytest.raises(Upstream):
        dialect.to_reply(dialect.read_reply(raw, headers={}))


def test_parts_that_no_answer_holds_are_left_out():
    raw = dialect.from_reply(Reply(id="1", model="m", parts=(Image(url="u"),), stop_reason="stop"), model="a")
    assert json.loads(raw)["content"] == []
