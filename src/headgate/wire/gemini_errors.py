"""Errors on Gemini's wire, in both directions.

The gateway itself causes an upstream's 401, 402, 403 and 404 (its key, its account, its model
name), and the 400 for an invalid key. The caller gets 502, without the provider's text. An error
that the caller can act on, such as a prompt that is too long, reaches the caller verbatim.

Source: Google's API design guide, "Errors" (AIP-193); `google.rpc` `error_details.proto` and
`code.proto`; `errors.py` of the `google-genai` SDK 3.x.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import (
    Conflict,
    Denied,
    HeadgateError,
    Invalid,
    NeedsApproval,
    NotFound,
    OverBudget,
    Unauthenticated,
    Unavailable,
    Upstream,
    UpstreamTimeout,
)
from headgate.wire.plane import HttpError
from headgate.wire.retries import OURS, denied_status, retry_after, retry_headers, with_rules
from headgate.wire.token_counts import leniently_decoded, object_of

_MAX_MESSAGE_CHARS: Final = 2000
_MAX_WAIT_S: Final = 86_400.0
_CALLERS: Final = frozenset({400, 409, 413, 422})
_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CODES: Final[Mapping[str, int]] = {
    **{name: code for code, name in _STATUSES.items() if code != 502},
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "ALREADY_EXISTS": 409,
}
_OVERFLOWS: Final = (
    re.compile(
        r"maximum context length is (?P<limit>\d+)[\s\S]{0,200}?"
        r"(?:resulted in|requested(?: about)?|has|contains?) (?P<used>\d+)"
    ),
    re.compile(r"prompt is too long: (?P<used>\d+) tokens > (?P<limit>\d+) maximum"),
)
_TYPE: Final = "type.googleapis.com/google.rpc."
_SECONDS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def read_upstream_error(status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
    """Turn a provider's error answer into ours; `headers` have names in lower case."""
    return _upstream(_said(body), status=status, waits=retry_after(headers))


def read_error_event(data: bytes) -> Upstream:
    """Turn an error within a stream into ours; its code or status determines the HTTP status."""
    error = _said(data)
    code = error.get("code")
    if not isinstance(code, int) or not 400 <= code < 600:
        code = _CODES.get(str(error.get("status")), 500)
    return _upstream(error, status=code, waits=None)


def write_http_error(error: HeadgateError, *, request_id: str) -> HttpError:
    """Render an error as an answer that Google's SDKs raise as their class for that status."""
    headers = (("x-request-id", request_id), *retry_headers(error))
    return HttpError(_status(error), headers, envelope(error))


def envelope(error: HeadgateError) -> bytes:
    """Return the error as this wire's JSON, for an answer or for the last event of a stream.

    The SDKs recognise an event as an error if its first key is `error`.
    """
    status = _status(error)
    is_refusal = isinstance(error, Denied) and status == 400
    said: dict[str, Any] = {
        "code": status,
        "message": _message(error),
        "status": "FAILED_PRECONDITION"
        if is_refusal
        else _STATUSES.get(status, _STATUSES[400 if status < 500 else 500]),
        "details": _details(error),
    }
    return msgspec.json.encode({"error": said})


def context_overflow(message: str) -> str | None:
    """Translate another wire's message about a too long prompt into Google's words, or return None."""
    for words in _OVERFLOWS:
        found = words.search(message)
        if found is not None:
            return (
                f"The input token count ({found['used']}) exceeds the maximum number of tokens allowed"
                f" ({found['limit']})."
            )
    return None


def _said(body: bytes) -> Mapping[str, Any]:
    """Return the error of a body; empty for another form, such as the HTML page of a proxy."""
    try:
        given = leniently_decoded(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(given, list):  # a stream without `alt=sse` is a list
        given = next(iter(cast("list[Any]", given)), None)
    return object_of(object_of(given).get("error"))


def _upstream(error: Mapping[str, Any], *, status: int, waits: float | None) -> Upstream:
    details = [object_of(one) for one in _list(error.get("details"))]
    if status == 400 and any(one.get("reason") == "API_KEY_INVALID" for one in details):
        status = 401
    waits = _retry_delay(details) if waits is None else waits
    if status in OURS:
        text = (
            f"the provider refused the gateway's own request with status {status}; an administrator has to look at it"
        )
        return Upstream(text, upstream_status=status, retryable=True, retry_after_s=waits)
    message = error.get("message")
    text = message[:_MAX_MESSAGE_CHARS] if isinstance(message, str) else ""
    error_class = UpstreamTimeout if status in (408, 504) else Upstream
    return error_class(
        text or f"the provider answered with status {status}",
        upstream_status=status,
        retryable=status in (408, 429) or status >= 500,
        retry_after_s=waits,
    )


def _retry_delay(details: list[Mapping[str, Any]]) -> float | None:
    """Return the seconds of a `RetryInfo`, at most a day."""
    for one in details:
        delay = one.get("retryDelay")
        found = _SECONDS.fullmatch(delay) if isinstance(delay, str) else None
        if found is not None:
            return min(float(found[1]), _MAX_WAIT_S)
    return None


def _status(error: HeadgateError) -> int:
    match error:
        case Upstream(upstream_status=int(status)) if status in _CALLERS or status == 429:
            return status
        case Upstream(upstream_status=503 | 529):
            return 503
        case UpstreamTimeout():
            return 504
        case Upstream():
            return 502
        case Unauthenticated():
            return 401
        case Denied():
            return denied_status(error)
        case NotFound():
            return 404
        case Conflict():
            return 409
        case OverBudget():
            return 429
        case Unavailable():
            return 503
        case _:
            return error.status


def _message(error: HeadgateError) -> str:
    match error:
        case Upstream():
            return context_overflow(error.message) or error.message
        case Denied():
            return with_rules(error)
        case _:
            return error.message


def _details(error: HeadgateError) -> list[dict[str, Any]]:
    metadata: dict[str, str] = {}
    if error.record_id is not None:
        metadata["record_id"] = error.record_id
    if isinstance(error, Denied) and error.rules:
        metadata["rules"] = ",".join(error.rules)
    if isinstance(error, NeedsApproval):
        metadata["approval_id"] = error.approval_id
    details: list[dict[str, Any]] = [
        {"@type": f"{_TYPE}ErrorInfo", "reason": error.code.upper(), "domain": "headgate", "metadata": metadata}
    ]
    if isinstance(error, Invalid) and error.param is not None:
        fault = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [fault]})
    if error.retry_after_s is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{error.retry_after_s:g}s"})
    return details


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
