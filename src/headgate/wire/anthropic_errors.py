"""Errors on Anthropic's wire, in both directions.

The gateway itself causes an upstream's 401, 402, 403 and 404 (its key, its account, its model
name). The caller gets 502, without the provider's text. An error that the caller can act on, such
as a prompt that is too long, reaches the caller verbatim.

Source: docs of the API, "Errors"; `_exceptions.py` and `_error_classes.py` of the `anthropic` SDK 2.x.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

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
from headgate.wire.plane import HttpError
from headgate.wire.retries import OURS, denied_status, retry_after, retry_headers, with_rules

_MAX_MESSAGE_CHARS: Final = 2000
_STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPES: Final[Mapping[int, str]] = {
    **{status: kind for kind, status in _STATUSES.items()},
    422: "invalid_request_error",
    503: "overloaded_error",
}
_CALLERS: Final = frozenset({400, 409, 413, 422})
_OVERFLOW: Final = re.compile(
    r"maximum context length is (?P<limit>\d+)[\s\S]{0,200}?"
    r"(?:resulted in|requested(?: about)?|has|contains?) (?P<used>\d+)"
)
_GEMINI_OVERFLOW: Final = re.compile(
    r"input token count \((?P<used>\d+)\) exceeds the maximum number of tokens allowed \((?P<limit>\d+)\)"
)
_OVERFLOWS: Final = ("maximum context length", "context_length_exceeded", "exceeds the available context size")


class ThreadUnsupported(Invalid):
    """The request refers to a history that the provider holds.

    No label and no rule can see that history. At this code, SDKs send the whole history instead.

    Source: `lib/threads/_thread_state.py` of the `anthropic` SDK 2.x, which continues without a
    thread at this code.
    """

    code = "thread_unsupported_request"


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    """An error answer; Bedrock sends a message without the envelope."""

    error: _Error | None = None
    message: str = ""


class _Rendering(NamedTuple):
    status: int
    type: str
    message: str


_BODY: Final = msgspec.json.Decoder(_Body)


def status_of(body: bytes) -> int:
    """Return the status that an error had, from its type."""
    try:
        error = _BODY.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 500
    return _STATUSES.get(error.type, 500) if error is not None else 500


def read_upstream_error(status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
    """Turn a provider's error answer into ours; `headers` have names in lower case."""
    try:
        said = _BODY.decode(body)
        error = said.error or _Error(message=said.message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A proxy answered in its own form, such as an HTML page. The caller does not see its text.
        error = _Error()
    return upstream_error(
        error.type, error.message, status=status, retry_after_s=retry_after(headers), advice=_advice(headers)
    )


def upstream_error(
    kind: str,
    message: str,
    *,
    status: int | None,
    retry_after_s: float | None = None,
    advice: Literal["retry", "stop"] | None = None,
) -> Upstream:
    """Return our error for a provider's; within a stream, the type determines the status."""
    known = _STATUSES.get(kind, 500) if status is None else status
    if known in OURS:
        text = f"the provider refused the gateway's own request with status {known}; an administrator has to look at it"
        return Upstream(text, upstream_status=known, retryable=True, retry_after_s=retry_after_s)
    text = message[:_MAX_MESSAGE_CHARS] or f"the provider answered with status {known}"
    is_retryable = known in (408, 429) or known >= 500
    if known >= 500 and advice == "stop":
        is_retryable = False
    error_class = UpstreamTimeout if known in (408, 504) else Upstream
    return error_class(text, upstream_status=known, retryable=is_retryable, retry_after_s=retry_after_s)


def write_http_error(error: HeadgateError, *, request_id: str) -> HttpError:
    """Render an error as an answer that the `anthropic` SDK raises by its class for the status."""
    rendering = _render(error)
    headers = (("request-id", request_id), *retry_headers(error))
    return HttpError(rendering.status, headers, _envelope(error, rendering, request_id=request_id))


def error_event(error: HeadgateError) -> bytes:
    """Return the data of the `error` event that ends a failed stream."""
    return _envelope(error, _render(error), request_id=error.record_id)


def context_overflow(message: str) -> str | None:
    """Translate another wire's message about a too long prompt into Anthropic's words.

    Clients of this wire recognise a context overflow by these words. Returns None for any other
    message, and for a message in these words already.
    """
    found = _OVERFLOW.search(message) or _GEMINI_OVERFLOW.search(message)
    if found is not None:
        return f"prompt is too long: {found['used']} tokens > {found['limit']} maximum"
    if any(words in message for words in _OVERFLOWS):
        return f"prompt is too long: {message}"
    return None


def _render(error: HeadgateError) -> _Rendering:
    match error:
        case Upstream():
            return _render_upstream(error)
        case TooLarge():
            return _Rendering(413, "request_too_large", error.message)
        case Invalid():
            return _Rendering(error.status, "invalid_request_error", error.message)
        case Unauthenticated():
            return _Rendering(401, "authentication_error", error.message)
        case Denied():
            status = denied_status(error)
            kind = "permission_error" if status == 403 else "invalid_request_error"
            return _Rendering(status, kind, with_rules(error))
        case NotFound():
            return _Rendering(404, "not_found_error", error.message)
        case Conflict():
            return _Rendering(409, "conflict_error", error.message)
        case OverBudget():
            return _Rendering(429, "rate_limit_error", error.message)
        case Unavailable():
            return _Rendering(503, "overloaded_error", error.message)
        case _:
            return _Rendering(error.status, "api_error", error.message)


def _render_upstream(error: Upstream) -> _Rendering:
    status = error.upstream_status
    if status in _CALLERS:
        message = context_overflow(error.message) or error.message
        return _Rendering(status, _TYPES[status], message)
    if status in (429, 503, 529):
        return _Rendering(status, _TYPES[status], error.message)
    if isinstance(error, UpstreamTimeout):
        return _Rendering(504, "timeout_error", error.message)
    return _Rendering(502, "api_error", error.message)


def _envelope(error: HeadgateError, rendering: _Rendering, *, request_id: str | None) -> bytes:
    details: dict[str, Any] = {"error_code": error.code}
    for name, value in (("param", error.param), ("record_id", error.record_id)):
        if value is not None:
            details[name] = value
    if isinstance(error, Denied) and error.rules:
        details["rules"] = error.rules
    if isinstance(error, NeedsApproval):
        details["approval_id"] = error.approval_id
    said = {"type": rendering.type, "message": rendering.message, "details": details}
    return msgspec.json.encode({"type": "error", "error": said, "request_id": request_id})


def _advice(headers: Mapping[str, str]) -> Literal["retry", "stop"] | None:
    match headers.get("x-should-retry"):
        case "true":
            return "retry"
        case "false":
            return "stop"
        case _:
            return None
