"""`headgate usage`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.money import money_words
from headgate.admin.printing import as_json_option
from headgate.finops.focus_commands import export
from headgate.finops.sources import Source, source_of, sources_of
from headgate.finops.what_if_commands import what_if

_DIMENSIONS: Final = ("use_case", "person", "model", "key", "deployment", "outcome", "verb", "time")
_SUMS: Final = ("calls", "refused", "failed", "input_tokens", "output_tokens", "cached_tokens", "masked", "unpriced")
_HEADS: Final = {"time": "at"}
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@click.group(invoke_without_command=True)
@click.option("--since", default="7d", show_default=True, help="A span such as 24h, a UTC day or an RFC 3339 time.")
@click.option("--until", help="A UTC day or an RFC 3339 time; now by default.")
@click.option("--by", multiple=True, type=click.Choice(_DIMENSIONS), help="Group by this; repeatable.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Only these, such as use_case=support.")
@click.option("--order", type=click.Choice(("calls", "cost", "refused", "failed", "masked")), default="calls")
@click.option("--limit", type=click.IntRange(1, 20_000), default=100, show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@as_json_option
@url_option
@click.pass_context
def usage(context: click.Context, url: str | None, *, as_json: bool, as_csv: bool, **given: Any) -> None:
    """Show calls, tokens and cost, by use case unless --by says otherwise.

    A model is an alias. `--by deployment` also shows the provider and its model.
    """
    if context.invoked_subcommand is not None:
        return
    by: tuple[str, ...] = given["by"] or ("use_case",)
    query = {
        **_period(given["since"], given["until"]),
        **_filters(given["filters"]),
        "by": ",".join(by),
        "order": given["order"],
        "limit": given["limit"],
    }
    client = client_at(url)
    answer = client.call("GET", f"/api/usage?{urlencode(query)}")
    if as_json:
        click.echo(json.dumps(answer, indent=1))
    elif as_csv:
        click.echo(csv_of(answer["rows"], by), nl=False)
    else:
        _usage_table(answer["rows"], by, sources=sources_of(client) if "deployment" in by else None)
        for one in answer["saved"]:
            money = f", which saved {_money(one['saved'])}" if one["saved"] is not None else ""
            click.echo(f"The cache of {one['model']} answered {one['hits']:,} of these calls{money}.")


@usage.command("mine")
@click.option("--since", default="30d", show_default=True, help="A span such as 24h, a UTC day or an RFC 3339 time.")
@as_json_option
@url_option
def mine(url: str | None, since: str, *, as_json: bool) -> None:
    """Show your own usage, and what is left of your keys' limits."""
    answer = client_at(url).call("GET", f"/api/usage/mine?{urlencode(_period(since, None))}")
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    figures = answer["figures"]
    click.echo(f"{figures['calls']:,} calls since {answer['since'][:16]}Z, {_cost(figures)}")
    _usage_table(answer["models"], ("model",))
    others = figures["calls"] - sum(row["figures"]["calls"] for row in answer["models"])
    if others > 0:
        click.echo(f"and {others:,} calls of other models: headgate usage mine --json, or a shorter --since")
    for key in answer["keys"]:
        click.echo(f"key {key['name'] or key['id']} for {key['use_case']}: {_left(key)}")


@usage.command("rules")
@click.option("--since", default="7d", show_default=True, help="A span such as 24h, a UTC day or an RFC 3339 time.")
@click.option("--use-case", help="Only records of this use case.")
@as_json_option
@url_option
def rules(url: str | None, since: str, use_case: str | None, *, as_json: bool) -> None:
    """Show how often each rule matched."""
    query = {**_period(since, None), **({} if use_case is None else {"use_case": use_case})}
    answer = client_at(url).call("GET", f"/api/usage/rules?{urlencode(query)}")
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    heads = ("rule", "mode", "does", "hits")
    print_table(
        heads, [[str(one["rule"]), one["mode"], one["does"], f"{one['hits']:,}"] for one in answer["rules"]], text=3
    )


@usage.command("rebuild")
@url_option
def rebuild(url: str | None) -> None:
    """Count usage again from the records. Figures stay readable meanwhile."""
    answer = client_at(url).call("POST", "/api/usage/rebuild")
    told = "The new count has begun." if answer["has_begun"] else "A new count is already under way."
    click.echo(f"{told} Its figures replace the present ones when it is complete.")


def csv_of(rows: Sequence[Mapping[str, Any]], by: Sequence[str]) -> str:
    """Return rows as comma-separated values: a line for each row and currency, costs in whole units."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*by, *_SUMS, "currency", "cost"])
    for row in rows:
        figures = row["figures"]
        sums = [figures[name] for name in _SUMS]
        costs: list[list[str]] = [[one["currency"], f"{one['micros'] / 1_000_000:.6f}"] for one in figures["costs"]]
        for money in costs or [["", ""]]:
            writer.writerow([*(_safe(_value(row, name)) for name in by), *sums, *money])
            sums = [""] * len(_SUMS)  # the sums of a row are for all of its currencies
    return out.getvalue()


def _safe(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _period(since: str, until: str | None) -> dict[str, str]:
    is_span = since[:1].isdigit() and since[-1:] in "mhd"
    period = {"span": since} if is_span else {"since": _moment(since)}
    return period if until is None else {**period, "until": _moment(until)}


def _moment(text: str) -> str:
    """Return a time as it is, and a UTC day as its start."""
    return f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text


def _filters(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, is_there, value = one.partition("=")
        if not is_there or name not in _DIMENSIONS or name == "time":
            known = ", ".join(name for name in _DIMENSIONS if name != "time")
            raise click.BadParameter(f"write NAME=VALUE with one of {known}", param_hint="--filter")
        found[name] = value
    return found


def _usage_table(
    rows: Sequence[Mapping[str, Any]], by: Sequence[str], *, sources: Mapping[str, Source] | None = None
) -> None:
    names = (*by, "provider", "its model") if sources is not None else by
    heads = (*names, "calls", "refused", "failed", "tokens in", "tokens out", "masked", "cost")
    lines = [
        [
            *(_value(row, name) or "–" for name in by),
            *(() if sources is None else source_of(row["deployment"] or "", row["model"] or "", sources)),
            *_numbers(row["figures"]),
            _cost(row["figures"]),
        ]
        for row in rows
    ]
    if not lines:
        click.echo("There were no calls in this time.")
        return
    print_table(heads, lines, text=len(names))


def print_table(heads: Sequence[str], lines: Sequence[Sequence[str]], *, text: int) -> None:
    """Print a table; the first `text` columns begin at the left, and numbers end at the right."""
    table = [list(heads), *map(list, lines)]
    widths = [max(len(line[at]) for line in table) for at in range(len(heads))]
    for line in table:
        cells = [
            cell.ljust(width) if at < text else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _numbers(figures: Mapping[str, Any]) -> list[str]:
    names = ("calls", "refused", "failed", "input_tokens", "output_tokens", "masked")
    return [f"{figures[name]:,}" for name in names]


def _value(row: Mapping[str, Any], name: str) -> str:
    if name == "person":
        return str(row["person_name"] or row["person"][:10])
    if name == "key":
        return str(row["key_name"] or row["key"])
    return str(row[_HEADS.get(name, name)] or "")


def _cost(figures: Mapping[str, Any]) -> str:
    costs = " + ".join(map(_money, figures["costs"]))
    if not costs:
        return "unknown" if figures["unpriced"] else "0"
    return f"{costs} + unknown" if figures["unpriced"] else costs


def _money(cost: Mapping[str, Any]) -> str:
    return money_words(cost["micros"], cost["currency"])


def _left(key: Mapping[str, Any]) -> str:
    parts: list[str] = []
    if key["cost_micros_per_day"] is not None:
        left, limit = (money_words(key[f"cost_micros_{one}"], key["currency"]) for one in ("left", "per_day"))
        parts.append(f"{left} of {limit} left today")
    if key["requests_per_minute"] is not None:
        parts.append(f"{key['requests_left']} of {key['requests_per_minute']} requests left this minute")
    return ", ".join(parts) or "no limit"


usage.add_command(export)
usage.add_command(what_if)

COMMANDS = (usage,)
