"""`headgate models calibrate`: the outcomes of an alias with `prefer = "auto"`, and a better threshold."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.money import money_words
from headgate.admin.printing import as_json_option, plural, print_rows


@click.command()
@click.argument("alias")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 366), help="Records of this many days.")
@click.option("--apply", "is_applied", is_flag=True, help="Set the suggested threshold.")
@url_option
@as_json_option
def calibrate(alias: str, days: int, is_applied: bool, url: str | None, as_json: bool) -> None:
    """Suggest a threshold for ALIAS from recorded outcomes, and tell what its choices saved and cost.

    An outcome is bad if the call failed, if a person asked the question again in the console's chat, or marked the
    answer as bad there. Programs leave no more than errors, so the shares are lower bounds.
    """
    client = client_at(url)
    found = client.call("GET", f"/api/models/outcomes?{urlencode({'alias': alias, 'days': days})}")
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _print(found)
    if not is_applied or found["suggested"] == found["threshold"]:
        return
    path = f"/api/entries/alias/{quote(alias, safe='')}"
    stored = client.call("GET", path)
    client.call("PUT", path, {"entry": {**stored["entry"], "threshold": found["suggested"]}})
    click.echo(f"The threshold of {alias} is now {found['suggested']}.", err=as_json)


def _print(found: dict[str, Any]) -> None:
    rows = [
        {**one, "bad share": f"{one['bad_share']:.1%}", "cost": money_words(one["cost_micros"], found["currency"])}
        for one in found["tiers"]
    ]
    print_rows(rows, ("deployment", "calls", "failed", "again", "bad", "good", "bad share", "cost"), as_json=False)
    since = f"since {found['since'][:10]}" + (", the newest records only" if found["is_cut"] else "")
    click.echo(f"{plural(found['calls'], 'call')} {since}; threshold {found['threshold']}.")
    click.echo(f"{saved_words(found)} {lost_words(found)}")
    click.echo(f"Suggested threshold: {found['suggested']}, as {found['why']}.")


def saved_words(found: dict[str, Any]) -> str:
    """Return what the choices saved, in words."""
    if found["saved_micros"] is None:
        return "What this saved is unknown, as prices are missing."
    premium = found["tiers"][-1]["deployment"]
    return f"Saved {money_words(found['saved_micros'], found['currency'])} against sending all to {premium}."


def lost_words(found: dict[str, Any]) -> str:
    """Return what the choices cost in quality, in words."""
    if found["more_bad"] is None:
        return "There are too few outcomes to estimate what it cost in quality."
    return f"About {found['more_bad']:.0f} more bad outcomes than there would have been."
