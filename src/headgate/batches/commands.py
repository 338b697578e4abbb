"""`headgate batches`: how batches stand."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, cell_of, print_rows, print_table

_COLUMNS = ("id", "state", "owner", "endpoint", "use_case", "total", "succeeded", "errored", "handed", "created_at")


@click.group()
def batches() -> None:
    """List, show and cancel batches. An administrator sees those of everybody."""


@batches.command("list")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor")
@url_option
@as_json_option
def list_batches(limit: int, cursor: str | None, url: str | None, as_json: bool) -> None:
    """List batches, newest first."""
    query = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
    answer = client_at(url).call("GET", f"/api/batches?{urlencode(query)}")
    print_rows(answer["batches"], _COLUMNS, as_json=as_json)
    if answer["next"] and not as_json:
        click.echo(f"more: --cursor {answer['next']!r}")


@batches.command("show")
@click.argument("batch")
@url_option
@as_json_option
def show(batch: str, url: str | None, as_json: bool) -> None:
    """Show how a batch stands."""
    _print(client_at(url).call("GET", _path(batch)), as_json=as_json)


@batches.command("cancel")
@click.argument("batch")
@url_option
@as_json_option
def cancel(batch: str, url: str | None, as_json: bool) -> None:
    """Cancel a batch. Lines on their way still finish."""
    _print(client_at(url).call("POST", f"{_path(batch)}/cancel"), as_json=as_json)


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=1))
    else:
        print_table([[name, cell_of(value)] for name, value in answer.items()], ("field", "value"))


def _path(batch: str) -> str:
    return f"/api/batches/{quote(batch, safe='')}"


COMMANDS = (batches,)
