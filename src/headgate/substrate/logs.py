"""Structured logs on standard error: one JSON object per line, named by event, without prompts or secrets."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec
import structlog

from headgate.substrate.settings import LogLevel

_MAX_VALUE_CHARS = 500
_HIDDEN = frozenset(
    {"authorization", "x-api-key", "api_key", "key", "password", "secret", "token", "cookie", "body", "prompt"}
)


def set_up_logs(process: str, *, level: LogLevel) -> None:
    """Configure logging of this process and of its libraries, whose lines are warnings and errors."""
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _named(process),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OfLibraries(process))
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[handler])


class _OfLibraries(logging.Formatter):
    """Formats warnings of libraries as our JSON lines, truncated and without the arguments of tracebacks."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON line."""
        told = {
            "logger": record.name,
            "event": record.getMessage()[:_MAX_VALUE_CHARS],
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": record.process,
        }
        return msgspec.json.encode(told).decode()


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Truncate long values and hide fields with secret names, as a safety net for code that logs them."""
    for name, value in event.items():
        if name in _HIDDEN:
            event[name] = "[hidden]"
        elif isinstance(value, str) and len(value) > _MAX_VALUE_CHARS and name != "exception":
            event[name] = value[:_MAX_VALUE_CHARS] + "…"
    return event


def _named(process: str) -> Any:
    pid = os.getpid()

    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event["process"], event["pid"] = process, pid
        return event

    return add
