"""The error tree: one class for each outcome.

    HeadgateError
    ├── Invalid          400  the request is malformed
    │   └── TooLarge     413  the request is too large, too deep or too slow
    ├── Unauthenticated  401  the request has no valid key or session
    ├── Denied           403  policy or the lattice refused the action
    │   ├── NeedsApproval 403 a person has to approve the action first
    │   └── Withheld     403  the action ran, but its result may not be released
    ├── NotFound         404  the object does not exist, or not for this caller
    ├── Conflict         409  the request contradicts the stored state
    ├── OverBudget       429  a rate limit or a budget is used up
    │   └── ExceedsLimit 429  one call would pass the whole limit
    ├── Upstream         502  a provider failed
    │   └── UpstreamTimeout 504  a provider did not answer in time
    ├── Unavailable      503  a component of Headgate is down
    └── Corrupt          500  stored evidence does not verify

Every class carries a stable `code` and an HTTP `status`.
One handler of the server renders them in the caller's wire format.
Messages say what happened, to what, and what to do next.
They never hold secrets, prompts or personal data.
"""

from __future__ import annotations

from typing import ClassVar


class HeadgateError(Exception):
    """The root of every error that Headgate raises on purpose.

    Args:
        message: what happened, to what, and what to do next.
        param: the input field at fault, as the caller would write it, or None.
        retry_after_s: seconds after which the same request may succeed, or None.
        record_id: the record with the details, once one is open.
        detail: the text for the record and the log; None uses the message. It may hold more than
            the caller may know, such as a host name, or less, such as no name of a person.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        record_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.record_id = record_id
        self.detail = detail
        self.is_final = False
        """Whether the action already ran, so that a retry would run it twice."""

    @property
    def recorded(self) -> str:
        """The text for records and logs: `detail`, or else the message."""
        return self.message if self.detail is None else self.detail


class Invalid(HeadgateError):
    """The request is malformed."""

    code = "invalid_request"
    status = 400


class TooLarge(Invalid):
    """The request is larger or deeper than allowed."""

    code = "request_too_large"
    status = 413


class Unauthenticated(HeadgateError):
    """No valid key or session came with the request."""

    code = "invalid_api_key"
    status = 401


class Denied(HeadgateError):
    """Policy or the lattice refused the action.

    Args:
        rules: ids of the rules that refused, which the caller can quote to an administrator.
    """

    code = "denied"
    status = 403

    def __init__(
        self, message: str, *, rules: tuple[str, ...] = (), record_id: str | None = None, detail: str | None = None
    ) -> None:
        super().__init__(message, record_id=record_id, detail=detail)
        self.rules = rules


class NeedsApproval(Denied):
    """A person has to approve the action first; retry it with the approval's grant."""

    code = "needs_approval"

    def __init__(
        self, message: str, *, approval_id: str, rules: tuple[str, ...] = (), record_id: str | None = None
    ) -> None:
        super().__init__(message, rules=rules, record_id=record_id)
        self.approval_id = approval_id


class Withheld(Denied):
    """The action ran, but policy does not allow the release of its result. Not retried."""

    code = "withheld"


class NotFound(HeadgateError):
    """The requested object does not exist, or this caller may not see it."""

    code = "not_found"
    status = 404


class Conflict(HeadgateError):
    """The request contradicts the stored state."""

    code = "conflict"
    status = 409


class OverBudget(HeadgateError):
    """A rate limit or a budget is used up.

    Args:
        limit: the kind of limit, such as `requests`.
    """

    code = "rate_limit_exceeded"
    status = 429

    def __init__(
        self,
        message: str,
        *,
        limit: str = "",
        param: str | None = None,
        retry_after_s: float | None = None,
        record_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s, record_id=record_id, detail=detail)
        self.limit = limit


class ExceedsLimit(OverBudget):
    """One call may cost more than the whole limit of its key. Waiting does not help."""

    code = "call_exceeds_limit"


class Upstream(HeadgateError):
    """A provider failed or sent an invalid answer.

    Args:
        upstream_status: the provider's HTTP status, or None when there was no answer.
        upstream_code: the provider's own code for the caller's mistake, or None.
        retryable: whether the gateway may retry the request on another deployment.
        headers: the provider's rate limit headers, for the caller; names in lower case.

    Attributes:
        is_passed: whether the caller reads the provider's own status.
    """

    code = "upstream_error"
    status = 502

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        param: str | None = None,
        retryable: bool = True,
        retry_after_s: float | None = None,
        record_id: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after_s=retry_after_s, record_id=record_id, detail=detail)
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.retryable = retryable
        self.headers: tuple[tuple[str, str], ...] = ()
        self.is_passed = False


class UpstreamTimeout(Upstream):
    """A provider did not answer in time, or stopped in the middle of its answer."""

    code = "upstream_timeout"
    status = 504


class Unavailable(HeadgateError):
    """A component that the action needs is down. Nothing was done."""

    code = "unavailable"
    status = 503


class Corrupt(HeadgateError):
    """Stored evidence does not verify."""

    code = "corrupt"
    status = 500
