"""Error bodies and headers of the admin API, and two errors of HTTP itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from headgate.admin.bodies import ErrorBody, ErrorDetail
from headgate.admin.requests import Request
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NeedsApproval, Unauthenticated
from headgate.server.content_coding import ACCEPTED, UnsupportedCoding


class MethodNotAllowed(Invalid):
    """The path does not offer this method."""

    code = "method_not_allowed"
    status: ClassVar[int] = 405

    def __init__(self, method: str, *, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{method[:20]} is not offered here; use {self.allowed}")


class UnsupportedMediaType(Invalid):
    """The content type of the body is not JSON."""

    code = "unsupported_media_type"
    status: ClassVar[int] = 415


def body_of(error: HeadgateError) -> bytes:
    """Return the error's body."""
    return msgspec.json.encode(
        ErrorBody(
            error=ErrorDetail(
                code=error.code,
                message=error.message,
                param=error.param,
                rules=list(error.rules) if isinstance(error, Denied) else [],
                record=error.record_id,
                retry_after_s=error.retry_after_s,
                approval=error.approval_id if isinstance(error, NeedsApproval) else None,
            )
        )
    )


def headers_of_error(error: HeadgateError) -> list[tuple[str, str]]:
    """Return the headers for the error."""
    headers: list[tuple[str, str]] = []
    if error.retry_after_s is not None:
        headers.append(("retry-after", str(math.ceil(error.retry_after_s))))
    headers += accepted_instead(error)
    if isinstance(error, Unauthenticated):
        headers.append(("www-authenticate", "Bearer"))
    if error.record_id is not None:
        headers.append(("x-headgate-record", error.record_id))
    return headers


def accepted_instead(error: HeadgateError) -> list[tuple[str, str]]:
    """Return headers with the accepted alternatives: the methods of the path, or the codings of a body."""
    match error:
        case MethodNotAllowed():
            return [("allow", error.allowed)]
        case UnsupportedCoding():
            return [("accept-encoding", ACCEPTED)]
        case _:
            return []


class UndecidedError(Exception):
    """A handler is about to answer although policy was not asked: a fault of ours, and nothing is sent."""


def refuse_undecided(request: Request) -> None:
    """Raise UndecidedError unless policy has decided the verb that the request's operation declares."""
    operation = request.operation
    if not operation.is_decided(request.decided):
        raise UndecidedError(f"{operation.id} would be answered without a decision of policy")
