"""What went wrong, in words that a log may hold, and how often a log says it."""

from __future__ import annotations

import structlog

from headgate.kernel.errors import HeadgateError

log = structlog.get_logger(__name__)


def tell(event: str, problem: Exception, failures: int, **where: str) -> None:
    """Say it once, and again each time the failures have doubled."""
    if failures & (failures - 1) == 0:
        told = {"failures": failures, "code": code_of(problem), "reason": reason_of(problem)}
        log.warning(event, **where, **told, exc_info=unexpected(problem))


def unexpected(problem: Exception) -> Exception | None:
    """Return the problem where its traceback is worth a log's room: it is neither ours nor the system's."""
    return None if isinstance(problem, HeadgateError | OSError) else problem


def code_of(problem: Exception) -> str:
    """Return a word for the kind of problem."""
    if isinstance(problem, HeadgateError):
        return problem.code
    return "os_error" if isinstance(problem, OSError) else "internal_error"


def reason_of(problem: Exception) -> str:
    """Return what went wrong; of what is neither ours nor the system's its kind alone, as its text may hold values."""
    match problem:
        case HeadgateError():
            return problem.message
        case OSError():
            return str(problem.strerror)
        case _:
            return type(problem).__name__
