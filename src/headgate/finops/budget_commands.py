"""`headgate budgets`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option
from headgate.finops.budget_words import amount_words, period_words
from headgate.finops.commands import print_table

_HEADS: Final = ("budget", "for", "used", "reserved", "limit", "% used", "forecast", "resets", "alerts")


@click.command()
@as_json_option
@url_option
def budgets(url: str | None, *, as_json: bool) -> None:
    """Show the use of each budget in its current period. `[[budget]]` in headgate.toml declares budgets."""
    answer = client_at(url).call("GET", "/api/budgets")
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    if not answer["budgets"]:
        click.echo("There are no budgets. Declare one as [[budget]] in headgate.toml, or in the console.")
        return
    print_table(_HEADS, [_line(one) for one in answer["budgets"]], text=2)
    for one in answer["budgets"]:
        if one["counted_from"] is not None:
            click.echo(f"{one['id']} counts calls since {one['counted_from'][:16]}Z, when it was added.")


def _line(one: Mapping[str, Any]) -> list[str]:
    def amount(units: int) -> str:
        return amount_words(units, one["unit"], one["currency"] or "")

    passed = [f"{alert['threshold']} %" for alert in one["alerts"] if alert["raised_at"] is not None]
    return [
        one["id"],
        one["title"],
        amount(one["used"]),
        amount(one["reserved"]),
        f"{amount(one['limit'])}{period_words(one['period'])}{'' if one['hard'] else ' (soft)'}",
        f"{100 * one['used'] / one['limit']:.1f}",
        "–" if one["forecast"] is None else amount(one["forecast"]),
        "–" if one["ends_at"] is None else f"{one['ends_at'][:16]}Z",
        ", ".join(passed) or "none",
    ]


COMMANDS = (budgets,)
