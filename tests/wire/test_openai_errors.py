from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
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
from headgate.wire.openai_chat import dialect
from headgate.wire.openai_errors import read_error_event

OVERFLOW = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."


def upstream(status: int, said: Any = None, **headers: str) -> Upstream:
    body = said if isinstance(said, bytes) else json.dumps({"error": said or {"message": "went wrong"}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dialect.read_error(status, headers=named, body=body)


def rendered(error: HeadgateError) -> tuple[int, dict[str, str], dict[str, Any]]:
    answer = dialect.plane.write_error(error, request_id="req_1")
    return answer.status, dict(answer.headers), json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Invalid("bad", param="n"), openai.BadRequestError),
        (TooLarge("big"), openai.APIStatusError),
        (Unauthenticated("who"), openai.AuthenticationError),
        (Denied("no", rules=("r1",)), openai.BadRequestError),
        (NeedsApproval("ask", approval_id="a1"), openai.BadRequestError),
        (NotFound("gone"), openai.NotFoundError),
        (Conflict("twice"), openai.ConflictError),
        (OverBudget("spent"), openai.RateLimitError),
        (Unavailable("away"), openai.InternalServerError),
        (Corrupt("broken"), openai.InternalServerError),
        (Upstream("failed"), openai.InternalServerError),
        (UpstreamTimeout("late"), openai.InternalServerError),
        (upstream(400), openai.BadRequestError),
        (upstream(401), openai.InternalServerError),
        (upstream(422), openai.UnprocessableEntityError),
        (upstream(429), openai.RateLimitError),
        (upstream(529), openai.InternalServerError),
    ],
)
def test_each_outcome_is_raised_by_the_sdk_as_its_own_class_without_vain_retries(
    error: HeadgateError, raised: type[openai.APIStatusError]
) -> None:
    """Trap 33."""
    answer = dialect.plane.write_error(error, request_id="req_1")
    sent: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(answer.status, headers=list(answer.headers), content=answer.body)

    transport = httpx2.MockTransport(respond)
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(api_key="x", base_url="http://127.0.0.1/v1", http_client=http, max_retries=0) as client,
        pytest.raises(raised) as caught,
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert caught.value.status_code == answer.status
    assert caught.value.request_id == "req_1"
    assert len(sent) == 1


def test_a_denial_says_which_rule_and_why_under_a_stable_code() -> None:
    """Trap 33."""
    status, headers, error = rendered(Denied("the prompt holds personal data", rules=("pii.eu",), record_id="rec1"))
    assert status == 400, "agents take 403 as a failed login"
    assert headers["x-should-retry"] == "false"
    assert error == {
        "message": "the prompt holds personal data (rule pii.eu)",
        "type": "invalid_request_error",
        "param": None,
        "code": "denied",
        "record_id": "rec1",
        "rules": ["pii.eu"],
    }
    assert rendered(Denied("refused by pii.eu (personal data)", rules=("pii.eu",)))[2]["message"].count("pii.eu") == 1
    assert rendered(NeedsApproval("ask", approval_id="a1"))[2]["approval_id"] == "a1"


def test_the_field_at_fault_is_named() -> None:
    _, _, error = rendered(Invalid("n must be a whole number", param="n"))
    assert (error["param"], error["type"], error["code"]) == ("n", "invalid_request_error", "invalid_request")


@pytest.mark.parametrize(
    "message",
    [
        OVERFLOW,
        "prompt is too long: 9000 tokens > 8192 maximum",
        "input length and `max_tokens` exceed context limit: 9000 + 500 > 8192",
    ],
)
def test_a_prompt_that_is_too_long_reaches_the_client_verbatim_with_the_code_it_compacts_on(message: str) -> None:
    """Trap 34."""
    error = upstream(400, {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"})
    assert not error.retryable
    status, _, said = rendered(error)
    assert (status, said["message"], said["code"]) == (400, message, "context_length_exceeded")


def test_an_overflow_in_words_that_nobody_knows_keeps_its_code() -> None:
    """Trap 34."""
    error = upstream(400, {"message": "zu lang", "code": "context_length_exceeded"})
    assert rendered(error)[2]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "7", "retry_after_ms": "1500"}, 1.5),
        ({"retry_after": "1e9"}, 86_400.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:30 GMT"}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, None),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 -0000", "date": "Wed, 21 Oct 2026 07:27:30 GMT"}, None),
        ({"retry_after": "soon", "date": "Wed, 21 Oct 2026 07:27:30 GMT"}, None),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "nan"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_passed_on(headers: dict[str, str], seconds: float | None) -> None:
    """Trap 35."""
    error = upstream(429, {"message": "slow down"}, **headers)
    assert error.retry_after_s == seconds
    _, sent, said = rendered(error)
    assert (sent.get("retry-after-ms"), said["message"]) == (
        None if seconds is None else str(int(seconds * 1000)),
        "slow down",
    )


def test_our_own_limits_tell_how_long_to_wait_too() -> None:
    """Trap 35."""
    status, headers, error = rendered(OverBudget("the key's rate is used up", retry_after_s=1.2))
    assert (status, headers["retry-after"], headers["retry-after-ms"]) == (429, "2", "1200")
    assert "x-should-retry" not in headers
    assert error["code"] == "rate_limit_exceeded"
    assert rendered(OverBudget("the month's budget is used up"))[1]["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("status", "retryable", "client_status"),
    [
        *(
            (400, False, 400),
            (413, False, 413),
            (422, False, 422),
            (429, True, 429),
            (500, True, 502),
            (503, True, 503),
        ),
        *((307, True, 502), (405, True, 502), (415, True, 502)),
        *((529, True, 503), (408, True, 504), (504, True, 504), (401, True, 502), (403, True, 502), (404, True, 502)),
    ],
)
def test_what_the_caller_did_wrong_is_not_tried_elsewhere_and_what_the_gateway_did_wrong_is_not_blamed_on_it(
    status: int, retryable: bool, client_status: int
) -> None:
    """Trap 36."""
    error = upstream(status, {"message": "sk-secret is not valid"})
    assert (error.retryable, error.upstream_status) == (retryable, status)
    assert rendered(error)[0] == client_status
    assert ("sk-secret" in error.message) is (status not in (307, 401, 403, 404, 405, 415))


@pytest.mark.parametrize(
    ("status", "code", "seen"),
    [
        (400, "unsupported_parameter", ("unsupported_parameter", "max_tokens")),
        (429, "insufficient_quota", ("insufficient_quota", "max_tokens")),
        (400, 400, ("upstream_error", "max_tokens")),
        (400, "x" * 201, ("upstream_error", "max_tokens")),
        (401, "invalid_api_key", ("upstream_error", None)),
        (500, "secret_detail", ("upstream_error", None)),
    ],
)
def test_what_the_caller_did_wrong_keeps_the_providers_own_code_and_field(
    status: int, code: str | int, seen: tuple[str, str | None]
) -> None:
    """Trap 33: clients drop the parameter that is named, or stop asking where the quota is used up."""
    said = {"message": "no", "type": "invalid_request_error", "code": code, "param": "max_tokens"}
    error = rendered(upstream(status, said))[2]
    assert (error["code"], error["param"]) == seen


def test_a_provider_that_advises_against_a_retry_is_heeded() -> None:
    """Trap 35."""
    assert not upstream(500, x_should_retry="false").retryable


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Bad gateway</html>", "the provider answered with status 502"),
        (b"", "the provider answered with status 502"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b'{"error":"mere text"}', "mere text"),
        (b'{"object":"error","message":"flat","code":400}', "flat"),
        (b'{"error":{"message":"x","code":7,"param":["a"]}}', "x"),
        (b'{"error":{"message":"x","code":4.5,"type":["a"]}}', "x"),
        (b'[{"error":{"message":"x","code":400,"status":"INVALID"}}]', "x"),
        (b"[]", "the provider answered with status 502"),
        (b'{"detail":' + b"[" * 500 + b"]" * 500 + b"}", "the provider answered with status 502"),
        (b'{"error":{"message":7}}', "the provider answered with status 502"),
        (
            b'{"detail":[{"loc":["body","top_k"],"msg":"no"},{"msg":"nor"},{"message":"that"}]}',
            "body.top_k: no; nor; that",
        ),
        (b'{"object":"error","message":{"detail":[{"loc":["body",0,"name"],"msg":"extra"}]}}', "body.0.name: extra"),
        (b"[" * 20_000, "the provider answered with status 502"),
    ],
)
def test_error_bodies_of_every_form_are_read(body: bytes, message: str) -> None:
    """Trap 33."""
    assert upstream(502, body).message == message


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"code": 429}, 429),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "invalid_request_error"}, 400),
        ({"code": "context_length_exceeded"}, 400),
        ({"code": 7}, 500),
        ({}, 500),
    ],
)
def test_an_error_within_a_stream_gets_the_status_it_would_have_had(said: dict[str, Any], status: int) -> None:
    """Trap 37."""
    assert read_error_event(json.dumps({"error": {"message": "m", **said}}).encode()).upstream_status == status
