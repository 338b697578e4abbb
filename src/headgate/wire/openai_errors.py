"""Errors on OpenAI's wire, in both directions.

The gateway itself causes an upstream's 401, 402, 403 and 404 (its key, its account, its model
name). Another deployment may answer. Otherwise the caller gets 502, without the provider's text.
An error that the caller can act on reaches the caller verbatim. A prompt that is too long gets the
code `context_length_exceeded`, on which clients compact. A refusal by policy is a 400 with the
code `denied` or `needs_approval`.

Source: schemas `ErrorResponse` and `Error` of OpenAI's API document; `_base_client.py` of the
`openai` SDK 3.x for its exception classes and for the headers that steer its retries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

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

OVERFLOW_CODE: Final = "context_length_exceeded"

_MAX_MESSAGE_CHARS: Final = 2000
_MAX_NAME_CHARS: Final = 200
_MAX_FAULTS: Final = 10
_CALLERS: Final = frozenset({400, 409, 413, 422})
_OVERFLOW: Final = re.compile(
    r"maximum context length|context_length_exceeded|exceeds? the (?:available )?context|exceed context limit"
    r"|prompt is too long|maximum model length|context window|maximum number of tokens allowed",
    re.IGNORECASE,
)
_STATUSES: Final[Mapping[str, int]] = {
    OVERFLOW_CODE: 400,
    "invalid_request_error": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "server_error": 500,
    "overloaded_error": 503,
}


class _Error(msgspec.Struct):
    """The fields of an error; some servers send `message`, `type` or `code` of any type."""

    message: Any = None
    type: Any = None
    param: Any = None
    code: Any = None


class _Body(msgspec.Struct):
    """An error answer; some servers omit the envelope, or send plain text or a list of faults."""

    error: _Error | str | None = None
    message: Any = None
    type: Any = None
    code: Any = None
    detail: Any = None


class _Rendering(NamedTuple):
    status: int
    type: str
    code: str | None
    message: str


_BODY: Final[msgspec.json.Decoder[_Body | list[_Body]]] = msgspec.json.Decoder(_Body | list[_Body])


def read_upstream_error(status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
    """Turn a provider's error answer into ours; `headers` have names in lower case."""
    error = _said(body)
    return _upstream(
        error, status=status, retry_after_s=retry_after(headers), may_retry=headers.get("x-should-retry") != "false"
    )


def read_error_event(data: bytes) -> Upstream:
    """Turn an error within a stream into ours; its code or type determines the status."""
    error = _said(data)
    code = error.code if isinstance(error.code, int) else None
    status = code if code is not None and 400 <= code < 600 else None
    if status is None:
        status = _STATUSES.get(str(error.code), _STATUSES.get(str(error.type), 500))
    return _upstream(error, status=status, retry_after_s=None, may_retry=True)


def write_http_error(error: HeadgateError, *, request_id: str) -> HttpError:
    """Render an error as an answer that the `openai` SDK raises as its class for that status."""
    rendering = _render(error)
    headers = (("x-request-id", request_id), *retry_headers(error))
    return HttpError(rendering.status, headers, envelope(error))


def envelope(error: HeadgateError) -> bytes:
    """Return the error as this wire's JSON, for an answer or for the last frame of a stream."""
    rendering = _render(error)
    said: dict[str, Any] = {
        "message": rendering.message,
        "type": rendering.type,
        "param": error.param,
        "code": rendering.code,
    }
    if error.record_id is not None:
        said["record_id"] = error.record_id
    if isinstance(error, Denied):
        said["rules"] = error.rules
    if isinstance(error, NeedsApproval):
        said["approval_id"] = error.approval_id
    return msgspec.json.encode({"error": said})


def is_overflow(message: str) -> bool:
    """Whether a message reports, in any provider's words, a prompt too long for the model."""
    return _OVERFLOW.search(message) is not None


def _said(body: bytes) -> _Error:
    """Return the error of a body; empty for another form, such as the HTML page of a proxy."""
    try:
        given = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    decoded = next(iter(given), _Body()) if isinstance(given, list) else given
    match decoded.error:
        case _Error() as error:
            return error
        case str() as text:
            return _Error(message=text, type=decoded.type, code=decoded.code)
        case None:
            return _Error(message=decoded.message or decoded.detail, type=decoded.type, code=decoded.code)


def _text(said: Any, *, depth: int = 3) -> str:
    """Return the text of a message, or of a list of validation faults with their places."""
    match said:
        case str():
            return said
        case list() if depth:
            faults = cast("list[Any]", said)[:_MAX_FAULTS]
            return "; ".join(filter(None, (_text(fault, depth=depth - 1) for fault in faults)))
        case {"detail": inner} if depth:
            return _text(inner, depth=depth - 1)
        case {"msg": str(words), "loc": [*steps]}:
            return f"{'.'.join(str(step) for step in steps if isinstance(step, (str, int)))}: {words}"
        case {"msg": str(words)} | {"message": str(words)}:
            return words
        case _:
            return ""


def _upstream(error: _Error, *, status: int, retry_after_s: float | None, may_retry: bool) -> Upstream:
    if status in OURS:
        text = (
            f"the provider refused the gateway's own request with status {status}; an administrator has to look at it"
        )
        return Upstream(text, upstream_status=status, retryable=True, retry_after_s=retry_after_s)
    text = _text(error.message)[:_MAX_MESSAGE_CHARS] or f"the provider answered with status {status}"
    if OVERFLOW_CODE in (error.code, error.type) and not is_overflow(text):
        text = f"{text} ({OVERFLOW_CODE})"
    is_retryable = status in (408, 429) or (status >= 500 and may_retry)
    error_class = UpstreamTimeout if status in (408, 504) else Upstream
    is_told = status == 429 or status in _CALLERS
    return error_class(
        text,
        upstream_status=status,
        upstream_code=_named(error.code) if is_told else None,
        param=_named(error.param) if is_told else None,
        retryable=is_retryable,
        retry_after_s=retry_after_s,
    )


def _named(said: Any) -> str | None:
    """Return a provider's name or code, or None if the value is no string or is too long."""
    return said if isinstance(said, str) and 0 < len(said) <= _MAX_NAME_CHARS else None


def _render(error: HeadgateError) -> _Rendering:
    match error:
        case Upstream():
            return _render_upstream(error)
        case Invalid():
            return _Rendering(error.status, "invalid_request_error", error.code, error.message)
        case Unauthenticated():
            return _Rendering(401, "authentication_error", error.code, error.message)
        case Denied():
            status = denied_status(error)
            kind = "permission_error" if status == 403 else "invalid_request_error"
            return _Rendering(status, kind, error.code, with_rules(error))
        case NotFound():
            return _Rendering(404, "invalid_request_error", error.code, error.message)
        case Conflict():
            return _Rendering(409, "invalid_request_error", error.code, error.message)
        case OverBudget():
            return _Rendering(429, "rate_limit_error", error.code, error.message)
        case Unavailable():
            return _Rendering(503, "server_error", error.code, error.message)
        case _:
            return _Rendering(error.status, "server_error", error.code, error.message)


def _render_upstream(error: Upstream) -> _Rendering:
    status = error.upstream_status
    if status is not None and (status in _CALLERS or error.is_passed):
        code = OVERFLOW_CODE if is_overflow(error.message) else error.upstream_code or error.code
        return _Rendering(status, "invalid_request_error", code, error.message)
    if status == 429:
        return _Rendering(429, "rate_limit_error", error.upstream_code or OverBudget.code, error.message)
    if status in (503, 529):
        return _Rendering(503, "server_error", error.code, error.message)
    return _Rendering(error.status, "server_error", error.code, error.message)
