"""Errors of failed dispatches for callers: the alias, the deployment and the kind of failure.

Hosts, addresses and a provider's own error texts are for operators: the record holds hosts and
addresses in its reason, and seals the texts. An error that the caller can fix, such as a prompt
that is too long, passes unchanged, because clients match on its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headgate.kernel.errors import Denied, HeadgateError, Unavailable, Upstream, UpstreamTimeout, Withheld
from headgate.kernel.run import Run
from headgate.substrate.egress import Request
from headgate.wire.model_call import ModelDispatch
from headgate.wire.retries import OURS

_ACTIONABLE = frozenset({400, 409, 413, 422, 429})
"""Provider statuses that the caller can act on: they are about the content or rate of requests."""


_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-amz-security-token"})
_LEAST_CHARS = 8
_HIDDEN = "[credential]"


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


def hide_credential(error: HeadgateError, request: Request) -> None:
    """Replace the credential of a request in the provider's own text, which may repeat it."""
    for secret in _secrets_of(request):
        error.message = error.message.replace(secret.decode("latin-1"), _HIDDEN)


def without_credential(body: bytes, request: Request) -> bytes:
    """Return a provider's answer with the credential of its request replaced."""
    for secret in _secrets_of(request):
        body = body.replace(secret, _HIDDEN.encode())
    return body


def _secrets_of(request: Request) -> Iterator[bytes]:
    for name, value in request.headers:
        secret = value.rpartition(b" ")[2]
        if name.lower() in _CREDENTIALS and len(secret) >= _LEAST_CHARS:
            yield secret


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
