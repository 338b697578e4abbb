"""`headgate records|ledger`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, print_rows
from headgate.ledger.log_commands import ledger


@click.group()
def records() -> None:
    """List and show records of allowed and refused actions."""


@records.command("list")
@click.option("--verb")
@click.option("--outcome")
@click.option("--use-case")
@click.option("--since")
@click.option("--until")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor")
@url_option
@as_json_option
def list_records(url: str | None, as_json: bool, **filters: Any) -> None:
    """List records, newest first."""
    query = urlencode({name: value for name, value in filters.items() if value is not None})
    answer = client_at(url).call("GET", f"/api/records?{query}")
    print_rows(
        answer["records"], ("id", "opened_at", "verb", "resource", "effect", "outcome", "leaf_index"), as_json=as_json
    )
    if answer["next"] and not as_json:
        click.echo(f"more: --cursor {answer['next']}")


@records.command("show")
@click.argument("record")
@url_option
def show_record(record: str, url: str | None) -> None:
    """Show one record with its content. This leaves a record."""
    click.echo(json.dumps(client_at(url).call("GET", f"/api/records/{quote(record, safe='')}"), indent=1))


@records.command("erase")
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First UTC day to keep.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@url_option
def erase_content(before: datetime, url: str | None, *, yes: bool) -> None:
    """Erase the content of past days permanently. The records stay, and the log still verifies."""
    day = str(before.date())
    if not yes:
        click.confirm(f"Erase the content of all records before {day}? This cannot be undone.", abort=True)
    answer = client_at(url).call("POST", "/api/records/erase", {"before": day})
    for erased in answer["days"]:
        click.echo(erased)
    click.echo(answer["covers"] or f"There was no content before {day}.", err=True)


COMMANDS = (records, ledger)
