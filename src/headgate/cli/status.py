"""`headgate status`: the state of the installation on one screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from headgate.admin.client import ApiError, Client, client_at, settings_from, url_option
from headgate.admin.exit_codes import ExitCode
from headgate.admin.printing import as_json_option, coloured, plural, print_table
from headgate.gateway.model_words import health_words
from headgate.substrate.clock import SystemClock

_NAME_CHARS = 16
_UNITS = ("B", "KiB", "MiB", "GiB")


@click.command()
@url_option
@as_json_option
def status(url: str | None, as_json: bool) -> None:
    """Show whether Headgate works, with its workers, log, models and waiting approvals.

    Exits with 0 if all is well, with 1 if something is degraded, and with 7 if Headgate cannot be reached.
    """
    address = url or settings_from(click.get_current_context()).client_url
    with suppress(ApiError):  # it is up and not ready; the next call says more
        Client(address, key="").call("GET", "/readyz")
    found: dict[str, Any] = client_at(url).call("GET", "/api/status")
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        for name, value in _lines(found, SystemClock().now()):
            click.echo(f"{name:<{_NAME_CHARS}}{value}")
        click.echo()
        print_table([_deployment(one) for one in found["deployments"]], ("deployment", "model", "health", "last error"))
    is_well = found["ready"] and not found["degraded"]
    click.get_current_context().exit(ExitCode.DONE if is_well else ExitCode.FAULTY)


def _lines(found: dict[str, Any], now: datetime) -> Iterator[tuple[str, str]]:
    yield "Headgate", f"{found['version']} at {found['address']}"
    yield "Ready", coloured("yes" if found["ready"] else "no")
    if found["degraded"]:
        yield "Degraded", ", ".join(found["degraded"])
    processes = ", ".join(str(one["pid"]) for one in found["workers"])
    yield "Workers", f"{len(found['workers'])} running, process{'es' if len(found['workers']) > 1 else ''} {processes}"
    yield "Database", "answers" if found["database"] else click.style("does not answer", fg="red")
    yield "Journal", f"{_size(found['backlog_bytes'])} wait for the database"
    yield "Log", _log(found["log"], now)
    yield "Embedded model", coloured(found["embedded_model"])
    yield "Approvals", f"{plural(found['approvals'], 'request')} waiting"
    recent = found["recent"]
    calls = f"{plural(recent['calls'], 'call')}, {recent['failed']:,} failed, {recent['refused']:,} refused"
    yield f"Last {max(1, round(recent['seconds'] / 60))} min", calls
    if found["left_out"]:
        yield "Not in use", ", ".join(found["left_out"])
    if found["records_set_aside"]:
        yield "Set aside", plural(found["records_set_aside"], "damaged record")


def _log(log: dict[str, Any], now: datetime) -> str:
    if log["updated_at"] is None:
        return "empty"
    age_s = (now - datetime.fromisoformat(log["updated_at"])).total_seconds()
    lag = f", {_time(log['lag_s'])} behind" if log["lag_s"] >= 1 else ""
    return f"{plural(log['size'], 'record')}, last checkpoint {_time(age_s)} ago{lag}"


def _deployment(one: dict[str, Any]) -> tuple[str, str, str, str]:
    failed_at = "" if one["failed_at"] is None else datetime.fromisoformat(one["failed_at"]).astimezone(UTC)
    error = f"{failed_at:%H:%M:%S} UTC: {one['reason']}" if failed_at else one["warning"] or "-"
    return one["id"], one["model"], health_words(one), error


def _time(seconds: float) -> str:
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _size(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} {_UNITS[-1]}"
