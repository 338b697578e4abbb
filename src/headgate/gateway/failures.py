"""Errors of failed dispatches for callers: the alias, the deployment and the kind of failure.

Hosts, addresses and a provider's own error texts are for operators: the record holds hosts and
addresses in its reason, and seals the texts. An error that the caller can fix, such as a prompt
that is too long, passes unchanged, because clients match on its text.
"""

from __future__ import annotations

from typing import Any

from headgate.kernel.errors import Denied, HeadgateError, Unavailable, Upstream, UpstreamTimeout, Withheld
from headgate.kernel.run import Run
from headgate.wire.model_call import ModelDispatch
from headgate.wire.retries import OURS

_ACTIONABLE = frozenset({400, 409, 413, 422, 429})
"""Provider statuses that the caller can act on: they are about the content or rate of requests."""


def for_callers(error: HeadgateError, run: Run[ModelDispatch, Any, Any]) -> HeadgateError:
    """Return the caller's error for a failed dispatch, and keep the provider's text on the run."""
    deployment = f"deployment {run.payload.deployment.id} of {run.payload.call.model}"
    match error:
        case Upstream(upstream_status=int(status)):
            return _answered(error, status, deployment, run)
        case Withheld():
            return error
        case _ if error.detail is None:
            return error  # Headgate's own text, without a host or address
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
            # The deployment's address or network is misconfigured; the caller made no mistake.
            return Upstream(f"{deployment} cannot be called as it is configured", detail=error.detail)


def _answered(error: Upstream, status: int, deployment: str, run: Run[ModelDispatch, Any, Any]) -> Upstream:
    """Return the caller's error for a provider's error response or error event."""
    error.detail = f"{deployment} failed with status {status}"
    if status in OURS:
        return error
    run.error_text = error.message
    return error if status in _ACTIONABLE or error.is_passed else _as(error, error.detail)


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
