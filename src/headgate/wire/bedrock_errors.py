"""Errors of Amazon Bedrock: whole answers, and exceptions within a stream.

Source: API reference of Amazon Bedrock Runtime, "Converse" and "ConverseStream", their errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.errors import Upstream, UpstreamTimeout
from headgate.wire.retries import OURS, retry_after

_MAX_MESSAGE_CHARS: Final = 2000
_STATUSES: Final[Mapping[str, int]] = {
    "validationexception": 400,
    "servicequotaexceededexception": 429,
    "accessdeniedexception": 403,
    "unrecognizedclientexception": 403,
    "invalidsignatureexception": 403,
    "expiredtokenexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "throttlingexception": 429,
    "modelnotreadyexception": 503,
    "modelerrorexception": 502,
    "modelstreamerrorexception": 502,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}
"""The statuses by exception, where `x-amzn-errortype` tells more than the status of the answer."""


class _Body(msgspec.Struct):
    """An error; some of AWS's services write `Message`."""

    message: Any = None
    Message: Any = None


_BODY: Final = msgspec.json.Decoder(_Body)


def read_upstream_error(status: int, *, headers: Mapping[str, str], body: bytes) -> Upstream:
    """Turn an error answer into ours; `headers` have names in lower case."""
    kind = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
    return _upstream(_STATUSES.get(kind.lower(), status), _message(body), retry_after_s=retry_after(headers))


def exception_of(kind: str, payload: bytes) -> Upstream:
    """Turn an exception within a stream into our error; its type determines the status."""
    return _upstream(_STATUSES.get(kind.lower(), 500), _message(payload), retry_after_s=None)


def _upstream(status: int, message: str, *, retry_after_s: float | None) -> Upstream:
    if status in OURS:
        text = (
            f"the provider refused the gateway's own request with status {status}; an administrator has to look at it"
        )
        return Upstream(text, upstream_status=status, retryable=True, retry_after_s=retry_after_s)
    text = message[:_MAX_MESSAGE_CHARS] or f"the provider answered with status {status}"
    error_class = UpstreamTimeout if status in (408, 504) else Upstream
    is_retryable = status in (408, 429) or status >= 500
    return error_class(text, upstream_status=status, retryable=is_retryable, retry_after_s=retry_after_s)


def _message(body: bytes) -> str:
    """Return the message of an error; empty for another form, such as the page of a proxy."""
    try:
        said = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return next((text for text in (said.message, said.Message) if isinstance(text, str)), "")
