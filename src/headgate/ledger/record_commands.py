"""`headgate records`: lists, follows, shows and erases records."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin import completion
from headgate.admin.client import Client, client_at, url_option
from headgate.admin.printing import as_json_option, plural, print_csv, print_line, print_table
from headgate.kernel.errors import Unavailable
from headgate.ledger.activity_commands import filters_with
from headgate.ledger.record_text import record_text
from headgate.substrate.clock import SystemClock

Record = dict[str, Any]

_COLUMNS = ("time", "action", "use case", "model", "outcome", "seconds", "tokens", "cost", "who", "record", "why")
_WIDTHS = (8, 15, 18, 26, 11, 8, 7, 12, 14, 26, 60)
"""Widths of a followed table, whose rows are not known beforehand."""

_CSV = (
    *(
        "id",
        "opened_at",
        "closed_at",
        "verb",
        "principal",
        "who",
        "use_case",
        "resource",
        "deployment",
        "effect",
        "outcome",
    ),
    *("error", "duration_us", "input_tokens", "output_tokens", "cost_micros", "currency", "rules", "reason"),
)
_PAGE = 200
_LOOK_S = 1.0
_AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A time: so long ago (`30m`, `1h`, `2d`), a UTC day, or an RFC 3339 time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC."""
        if isinstance(value, datetime):
            return value
        if found := _AGO.fullmatch(value):
            return SystemClock().now() - timedelta(**{_UNITS[found["unit"]]: int(found["count"])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 30m, 1h, 2d, 2027-03-01 or 2027-03-01T09:00:00Z", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@click.group(invoke_without_command=True)
@click.option("--follow", "-f", is_flag=True, help="Print new records as they arrive, until Ctrl-C.")
@click.option("--since", type=Moment(), help="Only since then: 30m, 1h, 2d ago, a UTC day or an RFC 3339 time.")
@click.option("--until", type=Moment(), help="Only before then.")
@click.option("--principal", help="Only of this person or program.", shell_complete=completion.names("person"))
@click.option("--use-case", help="Only under this use case.", shell_complete=completion.names("use case"))
@click.option("--model", help="Only calls of this model.", shell_complete=completion.names("alias"))
@click.option("--rule", help="Only those in which this rule matched.")
@click.option("--outcome", help="Only with this outcome, such as refused or failed; open for running ones.")
@click.option("--verb", help="Only actions of this verb, such as model.invoke.")
@click.option("--view", help="The filters of a saved view; options go before them.")
@click.option("--search", "text", help="An id, the name of a thing, or words of the reason.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@url_option
@click.pass_context
def records(
    context: click.Context,
    follow: bool,
    limit: int,
    form: str | None,
    url: str | None,
    view: str | None,
    **filters: Any,
) -> None:
    """List records of allowed and refused actions, newest first, or follow new ones."""
    if context.invoked_subcommand is not None:
        return
    if follow and filters["until"] is not None:
        raise click.UsageError("--until ends a list; leave it out with --follow")
    client = client_at(url)
    query = filters_with(client, view, _query(filters))
    if follow:
        _follow(client, query, limit=limit, put=_printer(form))
        return
    found = list(_listed(client, query, limit=limit))
    match form:
        case "json":
            for record in found:
                click.echo(json.dumps(record))
        case "csv":
            print_csv([_CSV, *map(_csv_row, found)])
        case _:
            print_table([_row(record) for record in found], _COLUMNS)


@records.command("show")
@click.argument("record")
@url_option
@as_json_option
def show_record(record: str, url: str | None, *, as_json: bool) -> None:
    """Show one record, its conversation first. Reading content leaves a record."""
    shown = client_at(url).call("GET", f"/api/records/{quote(record, safe='')}")
    click.echo(json.dumps(shown, indent=1) if as_json else "\n".join(record_text(shown)))


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
    if answer["answers"]:
        click.echo(f"Erased too: {plural(answer['answers'], 'answer')} that programs could have continued.", err=True)


def _query(filters: dict[str, Any]) -> dict[str, str]:
    """Return the options as parameters of the API."""
    query = {name: value for name, value in filters.items() if value is not None and name != "model"}
    if filters["model"] is not None:
        query["resource"] = f"alias:{filters['model']}"
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in query.items()}


def _listed(client: Client, query: dict[str, str], *, limit: int) -> Iterator[Record]:
    """Yield records, newest first, page by page."""
    cursor: str | None = None
    while limit > 0:
        page = {**query, "limit": min(limit, _PAGE)} | ({} if cursor is None else {"cursor": cursor})
        answer = client.call("GET", f"/api/records?{urlencode(page)}")
        yield from answer["records"]
        limit -= len(answer["records"])
        cursor = answer["next"]
        if cursor is None:
            return


def _follow(client: Client, query: dict[str, str], *, limit: int, put: Callable[[Record], None]) -> None:
    """Print the newest records, and then each new one as it enters the log.

    The place in the log is the cursor, so nothing is missed or repeated while the server restarts.
    """
    place = client.call("GET", "/api/records/feed")["after"]
    for record in reversed(list(_listed(client, query, limit=limit))):
        if record["leaf_index"] is not None and record["leaf_index"] <= place:
            put(record)
    narrowed = {name: value for name, value in query.items() if name != "since"}
    is_away = False
    while True:
        try:
            page = client.call("GET", f"/api/records/feed?{urlencode({**narrowed, 'after': place})}")
        except Unavailable as error:
            if not is_away:
                click.echo(f"headgate: {error.message}; waiting for it", err=True)
            is_away = True
            time.sleep(_LOOK_S)
            continue
        is_away = False
        for record in page["records"]:
            put(record)
        if page["after"] == place:
            time.sleep(_LOOK_S)
        place = page["after"]


def _printer(form: str | None) -> Callable[[Record], None]:
    """Return a function that prints one followed record, after the head of the table."""
    match form:
        case "json":
            return lambda record: click.echo(json.dumps(record))
        case "csv":
            print_csv([_CSV])
            return lambda record: print_csv([_csv_row(record)])
        case _:
            print_line(_COLUMNS, _WIDTHS, is_head=True)
            return lambda record: print_line(_row(record), _WIDTHS)


def _row(record: Record) -> Sequence[str]:
    facts = record["facts"]
    tokens = [facts[name] for name in ("input_tokens", "output_tokens") if name in facts]
    cost = facts.get("cost_micros")
    duration_us = record["duration_us"]
    return (
        f"{datetime.fromisoformat(record['opened_at']):%H:%M:%S}",
        record["verb"],
        record["use_case"],
        record["resource"].removeprefix("alias:"),
        record["outcome"] or "open",
        "-" if duration_us is None else f"{duration_us / 1e6:.3f}",
        f"{sum(tokens):,}" if tokens else "-",
        "-" if cost is None else f"{cost / 1e6:.6f} {facts.get('currency') or ''}".rstrip(),
        record["who"]["name"] if record["who"] else record["principal"],
        record["id"],
        record["told"],
    )


def _csv_row(record: Record) -> Sequence[str]:
    who = record["who"]["name"] if record["who"] else None
    cells = {**record["facts"], **record, "who": who, "rules": " ".join(rule["id"] for rule in record["rules"])}
    return ["" if cells.get(name) is None else str(cells[name]) for name in _CSV]
