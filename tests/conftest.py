"""Holds every test of this process to loopback: what would leave the machine fails, wherever it was called.

What could not be tested here is told in one line at the end, with the reasons.
"""

from __future__ import annotations

import ipaddress
import sys
from collections import Counter
from typing import Any, cast

import pytest
import structlog


def refuse_what_leaves_the_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Be an audit hook. Raises RuntimeError for a connection to an address that is not this machine's own."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(cast("tuple[object, ...]", address)[0]).partition("%")[0]
    try:
        leaves = not ipaddress.ip_address(host).is_loopback
    except ValueError:
        leaves = host not in ("", "localhost")
    if leaves:
        raise RuntimeError(f"a test wants to reach {host}")


sys.addaudithook(refuse_what_leaves_the_machine)

# Structlog's own tracebacks, with all variables, take seconds to draw.
_plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _plain])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say what was left out, and why, after everything else; or nothing where nothing was."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped: list[Any] = reporter.stats.get("skipped", [])
    reasons = Counter(_reason(report.longrepr) for report in skipped)
    if reasons:
        told = "; ".join(f"{count} because {reason}" for reason, count in sorted(reasons.items()))
        reporter.write_line(f"not tested here: {told}", yellow=True)


def _reason(said: Any) -> str:
    text = str(said[2] if isinstance(said, tuple) else said)  # pyright: ignore[reportUnknownArgumentType] - pytest's own
    return text.removeprefix("Skipped: ")
