"""The exit codes of the command `headgate`, for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from headgate.admin.client import ApiError
from headgate.kernel.errors import (
    Conflict,
    Denied,
    HeadgateError,
    Invalid,
    NotFound,
    OverBudget,
    Unauthenticated,
    Unavailable,
    Upstream,
)


class ExitCode(IntEnum):
    """The ways in which a command ends."""

    DONE = 0
    FAULTY = 1
    USAGE = 2
    REFUSED = 3
    NOT_FOUND = 4
    INVALID = 5
    LIMIT = 6
    UNAVAILABLE = 7
    STOPPED = 130
    PIPE_CLOSED = 141


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAULTY: "a check found a fault, or something is degraded; also an internal error",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.REFUSED: "refused: no valid key, not allowed, or a person has to approve it first",
    ExitCode.NOT_FOUND: "it does not exist, or you may not see it",
    ExitCode.INVALID: "the input is invalid or contradicts the stored state",
    ExitCode.LIMIT: "a rate limit or a budget is used up",
    ExitCode.UNAVAILABLE: "Headgate or one of its parts cannot be reached",
    ExitCode.STOPPED: "stopped by Ctrl-C, or by the answer no",
    ExitCode.PIPE_CLOSED: "the reader of the output closed the pipe",
}

_OF_ERRORS: Mapping[type[HeadgateError], ExitCode] = {
    Invalid: ExitCode.INVALID,
    Conflict: ExitCode.INVALID,
    Unauthenticated: ExitCode.REFUSED,
    Denied: ExitCode.REFUSED,
    NotFound: ExitCode.NOT_FOUND,
    OverBudget: ExitCode.LIMIT,
    Upstream: ExitCode.UNAVAILABLE,
    Unavailable: ExitCode.UNAVAILABLE,
}
"""The codes of errors and of their subclasses. All others are faults."""


def exit_code(error: HeadgateError) -> ExitCode:
    """Return the exit code of an error. An error of the API has the code of the error behind it."""
    kind = _KINDS.get(error.api_code, HeadgateError) if isinstance(error, ApiError) else type(error)
    return next((_OF_ERRORS[one] for one in kind.__mro__ if one in _OF_ERRORS), ExitCode.FAULTY)


def _kinds(kind: type[HeadgateError]) -> dict[str, type[HeadgateError]]:
    found = {kind.code: kind}
    for one in kind.__subclasses__():
        found |= _kinds(one)
    return found


_KINDS = _kinds(HeadgateError)
