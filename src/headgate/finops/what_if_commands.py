"""`headgate usage what-if`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.money import money_words
from headgate.admin.printing import as_json_option, print_rows


@click.command("what-if")
@click.option("--model", required=True, help="A deployment, or a model with a list price, such as openai/gpt-4o.")
@click.option("--month", metavar="YYYY-MM", help="The month in UTC; the last whole one by default.")
@click.option("--use-case", help="Only calls of this use case.")
@url_option
@as_json_option
def what_if(url: str | None, model: str, month: str | None, use_case: str | None, as_json: bool) -> None:
    """Show what a month would have cost on another model, at its price of today.

    It counts the recorded tokens. Other models count and cache tokens in another way, so the cost is an estimate.
    """
    query = {"price_of": model, "month": month, "use_case": use_case}
    given = {name: value for name, value in query.items() if value is not None}
    found = client_at(url).call("GET", f"/api/usage/what-if?{urlencode(given)}")
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    rows = [
        {
            **one,
            "tokens in": f"{one['input_tokens']:,}",
            "tokens out": f"{one['output_tokens']:,}",
            "cost": _costs(one["costs"], one["unpriced"]),
            f"on {model}": _costs([one["would"]] if one["would"] else [], one["would"] is None),
        }
        for one in found["rows"]
    ]
    if not rows:
        click.echo(f"There were no calls with tokens in {found['month']}.")
        return
    heads = ("model", "deployment", "calls", "tokens in", "tokens out", "cost", f"on {model}")
    print_rows(rows, heads, as_json=False)
    would = _costs([found["would"]] if found["would"] else [], found["would"] is None)
    click.echo(
        f"{found['month']}: {found['calls']:,} calls cost {_costs(found['costs'], found['unpriced'])}. On {model} they"
        f" would have cost {would} (price: {found['price'] or 'built in'})."
    )


def _costs(costs: Sequence[Mapping[str, Any]], is_partly_unknown: object) -> str:
    told = [money_words(one["micros"], one["currency"]) for one in costs]
    return " + ".join([*told, *(["unknown"] if is_partly_unknown else [])]) or "0"
