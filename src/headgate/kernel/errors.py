"""What can go wrong, as a table of outcomes.

    HeadgateError
    ├── Invalid          400  the request is not of the form that it must have
    │   └── TooLarge     413  it is larger, deeper or slower than allowed
    ├── Unauthenticated  401  nobody we know sent it
    ├── Denied           403  policy or the lattice refused it
    │   ├── NeedsApproval 403 a person has to approve it first
    │   └── Withheld     403  it was done, and what came back may not be released
    ├── NotFound         404  it is not there, or not for this caller
    ├── Conflict         409  it contradicts what is there
    ├── OverBudget       429  a rate or a sum of money is used up
    │   └── ExceedsLimit 429  the call alone would pass the whole limit
    ├── Upstream         502  a provider failed
    │   └── UpstreamTimeout 504  a provider did not answer in time
    ├── Unavailable      503  a part of ours is away
    └── Corrupt          500  stored evidence does not verify

Every class carries a stable `code` and an HTTP `status`; the server has one handler that renders them in the caller's
wire. Messages say what happened, to what, and what to do next; they never hold secrets, prompts or personal data.
"""

from __future__ import annotations

from typing import ClassVar


class HeadgateError(Exception):
    """The root of every error that Headgate raises on purpose.

    Args:
        message: what happened, to what, and what to do next.
        param: the input field at fault, as the caller would write it, or None.
        retry_after_s: seconds after which the same request may succeed, or None.
        record_id: the record that tells more, once one is open.
        detail: what the record and the log say in place of the message: more than callers may know, such as a host's
            name, or less than they are told, such as a name of a person. None: the message.
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
        """Whether it came up after the action was performed, so that trying another way would do it twice."""

    @property
    def recorded(self) -> str:
        """What records and logs say."""
        return self.message if self.detail is None else self.detail


class Invalid(HeadgateError):
    """The request is not of the form that it must have."""

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
        rules: ids of the rules that refused, for the caller to name when asking for help.
    """

    code = "denied"
    status = 403

    def __init__(
        self, message: str, *, rules: tuple[str, ...] = (), record_id: str | None = None, detail: str | None = None
    ) -> None:
        super().__init__(message, record_id=record_id, detail=detail)
        self.rules = rules


class NeedsApproval(Denied):
    """A person has to approve the action first; retry it with the grant that the approval yields."""

    code = "needs_approval"

    def __init__(
        self, message: str, *, approval_id: str, rules: tuple[str, ...] = (), record_id: str | None = None
    ) -> None:
        super().__init__(message, rules=rules, record_id=record_id)
        self.approval_id = approval_id


class Withheld(Denied):
    """The action was performed, and what came back may not be released, or not any more; nothing else is tried."""

    code = "withheld"


class NotFound(HeadgateError):
    """What was asked for is not there, or not visible to this caller."""

    code = "not_found"
    status = 404


class Conflict(HeadgateError):
    """The request contradicts what is stored."""

    code = "conflict"
    status = 409


class OverBudget(HeadgateError):
    """A rate limit or a budget is used up."""

    code = "rate_limit_exceeded"
    status = 429


class ExceedsLimit(OverBudget):
    """One call may cost more than the whole limit of its key; waiting does not help."""

    code = "call_exceeds_limit"


class Upstream(HeadgateError):
    """A provider failed or answered what it must not.

    Args:
        upstream_status: the provider's HTTP status, or None when there was no answer.
        upstream_code: the provider's own code for what the caller did wrong, or None.
        retryable: whether another deployment may be tried for the same request.
        headers: what the provider said of its limits, for the caller; names in lower case.
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


class UpstreamTimeout(Upstream):
    """A provider did not answer, or stopped answering, in time."""

    code = "upstream_timeout"
    status = 504


class Unavailable(HeadgateError):
    """A part of Headgate that the action needs is away; nothing was done."""

    code = "unavailable"
    status = 503


class Corrupt(HeadgateError):
    """Stored evidence does not verify."""

    code = "corrupt"
    status = 500
