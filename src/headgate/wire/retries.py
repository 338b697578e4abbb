"""Retry headers and refusals for both wire formats, whose SDKs read the same headers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from headgate.kernel.errors import Denied, HeadgateError, OverBudget, Unavailable, Upstream

OURS: Final = frozenset({*range(300, 400), 401, 402, 403, 404, 405, 406, 407, 410, 411, 415, 421, 426})
"""An upstream's statuses that the gateway causes by its key, account, model name or address."""

_ORIGIN_RULE: Final = "gate.origin"
_SDKS_WAIT_S: Final = 60.0
"""SDKs obey a `retry-after` up to a minute. After a longer one they would try again at once, and in vain."""
_MAX_RETRY_AFTER_S: Final = 86_400.0


def denied_status(error: Denied) -> int:
    """Return the HTTP status of a refusal: 400, because agents treat 401 and 403 as a failed login.

    A page of another origin gets 403, the status that browsers' own checks expect.
    """
    return 403 if _ORIGIN_RULE in error.rules else 400


def with_rules(error: Denied) -> str:
    """Return the message of a refusal; append the names of rules that it does not mention."""
    unnamed = [rule for rule in error.rules if rule not in error.message]
    return f"{error.message} (rule {', '.join(unnamed)})" if unnamed else error.message


def retry_headers(error: HeadgateError) -> list[tuple[str, str]]:
    """Return the headers that steer an SDK's own retries."""
    headers: list[tuple[str, str]] = []
    if error.retry_after_s is not None:
        headers += [
            ("retry-after", str(max(0, math.ceil(error.retry_after_s)))),
            ("retry-after-ms", str(max(0, math.ceil(error.retry_after_s * 1000)))),
        ]
    if not _is_worth_a_retry(error):
        headers.append(("x-should-retry", "false"))
    return headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an upstream asks to wait, at most a day; None without a header."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        if name not in headers:
            continue
        try:
            seconds = float(headers[name]) / scale
        except ValueError:
            seconds = _until(headers[name], now=headers.get("date", ""))
        if math.isfinite(seconds) and seconds >= 0:
            return min(seconds, _MAX_RETRY_AFTER_S)
    return None


def _until(date: str, *, now: str) -> float:
    """Return the seconds until an HTTP date, by the upstream's clock; NaN if a date is invalid."""
    try:
        return (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return math.nan


def _is_worth_a_retry(error: HeadgateError) -> bool:
    """Whether a retry may succeed; SDKs retry 408, 409, 429 and every 5xx by themselves."""
    match error:
        case Upstream():
            return error.retryable and error.upstream_status not in OURS
        case OverBudget():
            return error.retry_after_s is not None and error.retry_after_s <= _SDKS_WAIT_S
        case Unavailable():
            return True
        case _:
            return False
