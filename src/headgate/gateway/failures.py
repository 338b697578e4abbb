"""What callers are told of a failed dispatch: the alias, the deployment and the kind of failure.

Hosts, addresses and what a provider says of its own fault are for operators: the record has the first as its reason,
and the words sealed with it. What a caller can act on, such as a prompt that is too long, passes as the provider
wrote it: clients match on those words.
"""

from __future__ import annotations

from typing import Any

from headgate.kernel.errors import Denied, HeadgateError, Unavailable, Upstream, UpstreamTimeout, Withheld
from headgate.kernel.run import Run
from headgate.wire.model_call import ModelDispatch
from headgate.wire.retries import OURS

_ACTIONABLE = frozenset({400, 409, 413, 422, 429})
"""Statuses of a provider whose words are about what the caller sent, or how much of it."""


def for_callers(error: HeadgateError, run: Run[ModelDispatch, Any, Any]) -> HeadgateError:
    """Return the error that the caller of a dispatch gets; what the provider said is noted on the run."""
    deployment = f"deployment {run.payload.deployment.id} of {run.payload.call.model}"
    match error:
        case Upstream(upstream_status=int(status)):
            return _answered(error, status, deployment, run)
        case Withheld():
            return error
        case _ if error.detail is None:
            return error  # our own words, which name no place
        case Denied():
            told = f"{deployment} may not be reached from here; the record tells an administrator why"
            return Denied(told, rules=error.rules, detail=error.detail)
        case UpstreamTimeout():
            return _as(error, f"{deployment} did not answer in time")
        case Upstream():
            return _as(error, f"{deployment} could not be reached, or broke off its answer")
        case Unavailable():
            told = f"{deployment} cannot be called now"
            return Unavailable(told, retry_after_s=error.retry_after_s, detail=error.detail)
        case _:
            # Its address or network cannot be used: the fault of whoever declared it, and of no caller.
            return Upstream(f"{deployment} cannot be called as it is configured", detail=error.detail)


def _answered(error: Upstream, status: int, deployment: str, run: Run[ModelDispatch, Any, Any]) -> Upstream:
    """Return what is told of an answer, or an event of a stream, that says that something failed."""
    error.detail = f"{deployment} failed with status {status}"
    if status in OURS:
        return error
    run.error_text = error.message
    return error if status in _ACTIONABLE else _as(error, error.detail)


def _as(error: Upstream, message: str) -> Upstream:
    told = type(error)(
        message,
        upstream_status=error.upstream_status,
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        detail=error.detail,
    )
    told.headers = error.headers
    return told
