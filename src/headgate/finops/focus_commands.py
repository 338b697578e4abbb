"""`headgate usage export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import click

from headgate.admin.client import Client, client_at, url_option
from headgate.admin.printing import plural
from headgate.finops.focus import BY, bill_of, days_of, month_of
from headgate.finops.sources import sources_of

_MOST: Final = 20_000


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month in UTC.")
@click.option("--focus", is_flag=True, help="As FOCUS 1.2 of the FinOps Foundation; the only format so far.")
@url_option
def export(url: str | None, month: str, *, focus: bool) -> None:
    """Print a month's usage as a bill: comma-separated values in the format FOCUS, for tools of cost management.

    One line for each day, use case, person, alias and deployment, with the provider and its model. The provider of
    the organisation's own machines and of cached answers is Headgate. Calls whose cost is unknown are not in it; their
    number goes to standard error.
    """
    try:
        period = month_of(month)
    except ValueError as error:
        raise click.BadParameter("write a month such as 2026-10", param_hint="--month") from error
    client = client_at(url)
    rows = [row for day in days_of(period) for row in _rows(client, day)]
    bill = bill_of(rows, period, sources=sources_of(client))
    click.echo(bill.text, nl=False)
    if bill.unpriced:
        click.echo(f"Not in it: {plural(bill.unpriced, 'call')} of unknown cost.", err=True)


def _rows(client: Client, day: datetime) -> Sequence[Mapping[str, Any]]:
    """Return a day's usage."""
    query = {
        "since": day.isoformat(),
        "until": (day + timedelta(days=1)).isoformat(),
        "grain": "day",
        "by": ",".join(("time", *BY)),
        "limit": _MOST,
    }
    rows: Sequence[Mapping[str, Any]] = client.call("GET", f"/api/usage?{urlencode(query)}")["rows"]
    if len(rows) == _MOST:
        raise click.ClickException(f"{day:%Y-%m-%d} has more than {_MOST:,} lines")
    return rows
