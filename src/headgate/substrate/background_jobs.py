"""Background jobs that restart after an error. Each cause is logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

log = structlog.get_logger(__name__)

_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_CALM_S = 60.0


class FailureLog:
    """Logs failures: once for each cause, and once at recovery.

    Args:
        event: name of the log event, such as `policies_not_refreshed`.
        names: fields of every line, such as the job's name.
    """

    def __init__(self, event: str, **names: str) -> None:
        self._event = event
        self._names = names
        self._cause: tuple[type[BaseException], str] | None = None

    def tell(self, error: BaseException) -> None:
        """Log the error with its traceback, unless it repeats the last one."""
        cause = (type(error), str(error))
        if cause != self._cause:
            self._cause = cause
            log.error(self._event, **self._names, exc_info=error)

    def is_over(self) -> None:
        """Log the recovery after a failure."""
        if self._cause is not None:
            self._cause = None
            log.info(f"{self._event}_over", **self._names)


async def keep_running(name: str, job: Callable[[], Awaitable[None]], *, pauses_s: Sequence[float] = _PAUSES_S) -> None:
    """Run a job and restart it after an error, until it returns or is cancelled."""
    trouble, failures, clock = FailureLog("job_failed", job=name), 0, asyncio.get_running_loop().time
    while True:
        begun_s = clock()
        try:
            await job()
            return
        except Exception as error:  # noqa: BLE001 - it is logged, once for each cause
            trouble.tell(error)
        failures = 0 if clock() - begun_s > _CALM_S else failures
        await asyncio.sleep(pauses_s[min(failures, len(pauses_s) - 1)])
        failures += 1
