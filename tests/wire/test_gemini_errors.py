"""Errors of Gemini's wire in both directions, and its lists of models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import errors
from tests.wire.gemini_sdk import sdk

from headgate.kernel.errors import (
    Conflict,
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
from headgate.wire import anthropic_errors, openai_errors
from headgate.wire.gemini import dialect
from headgate.wire.gemini_errors import context_overflow, write_http_error
from headgate.wire.gemini_models import gemini_model, gemini_page
from headgate.wire.gemini_provider_stream import GeminiReader
from headgate.wire.model_call import Capability
from headgate.wire.plane import ModelCard
from headgate.wire.sse import SseEvent

RETRY = "type.googleapis.com/google.rpc.RetryInfo"
OVERFLOW = "The input token count (9001) exceeds the maximum number of tokens allowed (8192)."


def told(status: int, *, headers: dict[str, str] | None = None, **error: Any) -> Upstream:
    """Our error for a provider's answer."""
    return dialect.read_error(status, headers=headers or {}, body=json.dumps({"error": error}).encode())


def raised(error: HeadgateError) -> errors.APIError:
    """Return the error that the SDK raises for ours."""
    answer = write_http_error(error, request_id="q")
    with pytest.raises(errors.APIError) as caught:
        sdk(answer.status, answer.body).models.generate_content(model="m", contents="x")
    return caught.value


@pytest.mark.parametrize("status", [401, 403, 404])
def test_the_gateways_own_faults_are_not_told(status: int) -> None:
    """Trap 36."""
    error = told(status, message="secret of the account")
    assert (error.upstream_status, error.retryable) == (status, True)
    assert "secret" not in error.message


def test_an_invalid_key_is_the_gateways_fault_though_its_status_is_400() -> None:
    """Trap 36: Google answers 400 to a wrong key."""
    error = told(400, message="API key not valid.", details=[{"reason": "API_KEY_INVALID"}])
    assert (error.upstream_status, error.retryable) == (401, True)
    assert "API key" not in error.message


def test_the_time_to_wait_is_read() -> None:
    """Trap 35."""
    assert told(429, message="slow", details=["odd", {"@type": RETRY, "retryDelay": "37.5s"}]).retry_after_s == 37.5
    assert told(429, headers={"retry-after": "7"}, details=[{"retryDelay": "9s"}]).retry_after_s == 7
    assert told(429, details=[{"retryDelay": "999999s"}]).retry_after_s == 86_400
    assert told(429, details=[{"retryDelay": "soon"}, {"retryDelay": 7}]).retry_after_s is None


@pytest.mark.parametrize(
    ("status", "retryable", "kind"),
    [(400, False, Upstream), (429, True, Upstream), (500, True, Upstream), (504, True, UpstreamTimeout)],
)
def test_which_errors_another_deployment_may_cure(status: int, retryable: bool, kind: type[Upstream]) -> None:
    error = told(status, message="why")
    assert (error.message, error.retryable, type(error)) == ("why", retryable, kind)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'[{"error":{"message":"listed"}}]', b'{"error":"x"}', b"[" * 9999])
def test_an_answer_of_another_form_is_still_an_error(body: bytes) -> None:
    error = dialect.read_error(500, headers={}, body=body)
    assert error.message in ("the provider answered with status 500", "listed")


def test_an_error_within_a_stream_has_the_status_of_its_code() -> None:
    for said, status in (({"code": 429}, 429), ({"status": "UNAVAILABLE"}, 503), ({"code": 7}, 500)):
        with pytest.raises(Upstream) as caught:
            GeminiReader().feed(SseEvent("", json.dumps({"error": said}).encode()))
        assert caught.value.upstream_status == status


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (Invalid("x", param="contents"), 400, "INVALID_ARGUMENT"),
        (TooLarge("x"), 413, "INVALID_ARGUMENT"),
        (Unauthenticated("x"), 401, "UNAUTHENTICATED"),
        (Denied("x", rules=("r",)), 400, "FAILED_PRECONDITION"),
        (Denied("x", rules=("gate.origin",)), 403, "PERMISSION_DENIED"),
        (NeedsApproval("x", approval_id="a"), 400, "FAILED_PRECONDITION"),
        (NotFound("x"), 404, "NOT_FOUND"),
        (Conflict("x"), 409, "ABORTED"),
        (OverBudget("x", retry_after_s=3), 429, "RESOURCE_EXHAUSTED"),
        (Unavailable("x"), 503, "UNAVAILABLE"),
        (Upstream("x", upstream_status=400), 400, "INVALID_ARGUMENT"),
        (Upstream("x", upstream_status=422), 422, "INVALID_ARGUMENT"),
        (Upstream("x", upstream_status=429), 429, "RESOURCE_EXHAUSTED"),
        (Upstream("x", upstream_status=529), 503, "UNAVAILABLE"),
        (Upstream("x", upstream_status=401), 502, "INTERNAL"),
        (Upstream("x"), 502, "INTERNAL"),
        (UpstreamTimeout("x"), 504, "DEADLINE_EXCEEDED"),
        (HeadgateError("x"), 500, "INTERNAL"),
    ],
)
def test_our_errors_are_the_sdks_own(error: HeadgateError, status: int, name: str) -> None:
    """Trap 33."""
    caught = raised(error)
    assert (caught.code, caught.status) == (status, name)
    assert (caught.message or "").startswith("x")
    assert isinstance(caught, errors.ClientError if status < 500 else errors.ServerError)


def test_the_details_of_an_error() -> None:
    error = NeedsApproval("x", approval_id="a", rules=("r",))
    error.record_id = "rec"
    details: Any = json.loads(write_http_error(error, request_id="q").body)["error"]["details"]
    assert details[0]["metadata"] == {"record_id": "rec", "rules": "r", "approval_id": "a"}
    wrong: Any = json.loads(write_http_error(Invalid("x", param="p"), request_id="q").body)["error"]["details"]
    assert wrong[1]["fieldViolations"] == [{"field": "p", "description": "x"}]
    slow = write_http_error(OverBudget("x", retry_after_s=2.5), request_id="q")
    assert json.loads(slow.body)["error"]["details"][1] == {"@type": RETRY, "retryDelay": "2.5s"}
    assert dict(slow.headers)["retry-after"] == "3"


def test_a_prompt_that_is_too_long_is_told_in_the_words_of_each_wire() -> None:
    """Trap 34: clients compact a conversation on the exact words."""
    openais = (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
        " Please reduce the length of the messages."
    )
    anthropics = "prompt is too long: 9001 tokens > 8192 maximum"
    for words in (openais, anthropics, OVERFLOW):
        assert raised(Upstream(words, upstream_status=400)).message == OVERFLOW
    assert context_overflow("something else") is None
    assert openai_errors.is_overflow(OVERFLOW)
    assert anthropic_errors.context_overflow(OVERFLOW) == anthropics


def test_models_are_listed_page_by_page() -> None:
    cards = [
        ModelCard("org/chat", description="d", capability=Capability(context_tokens=9, output_tokens=5)),
        ModelCard("embed", operation="embed", capability=Capability()),
        ModelCard("bare"),
    ]
    first = json.loads(gemini_page(cards, {"pageSize": "2"}))
    assert [model["name"] for model in first["models"]] == ["models/org/chat", "models/embed"]
    assert (first["models"][0]["inputTokenLimit"], first["models"][0]["outputTokenLimit"]) == (9, 5)
    assert first["models"][1]["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]
    last = json.loads(gemini_page(cards, {"pageSize": "2", "pageToken": first["nextPageToken"]}))
    assert [model["name"] for model in last["models"]] == ["models/bare"]
    assert "nextPageToken" not in last
    assert len(json.loads(gemini_page(cards, {"pageToken": "gone", "pageSize": ""}))["models"]) == 3
    assert json.loads(gemini_model(cards[2]))["displayName"] == "bare"
    for size in ("0", "1001", "many"):
        with pytest.raises(Invalid, match="pageSize"):
            gemini_page(cards, {"pageSize": size})
