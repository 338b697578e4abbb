"""Log lines of failures, without values and with fewer and fewer repetitions."""

from __future__ import annotations

import structlog

from headgate.kernel.errors import HeadgateError

log = structlog.get_logger(__name__)


def tell(event: str, problem: Exception, failures: int, **where: str) -> None:
    """Log a failure the first time, and again each time the count has doubled."""
    if failures & (failures - 1) == 0:
        told = {"failures": failures, "code": code_of(problem), "reason": reason_of(problem)}
        log.warning(event, **where, **told, exc_info=unexpected(problem))


def unexpected(problem: Exception) -> Exception | None:
    """Return the problem if its traceback belongs in the log: it is neither a `HeadgateError` nor an `OSError`."""
    return None if isinstance(problem, HeadgateError | OSError) else problem


def code_of(problem: Exception) -> str:
    """Return a code for the problem."""
    if isinstance(problem, HeadgateError):
        return problem.code
    return "os_error" if isinstance(problem, OSError) else "internal_error"


def reason_of(problem: Exception) -> str:
    """Return the message of a known error, or the type of any other, because its message may contain values."""
    match problem:
        case HeadgateError():
            return problem.message
        case OSError():
            return str(problem.strerror)
        case _:
            return type(problem).__name__
