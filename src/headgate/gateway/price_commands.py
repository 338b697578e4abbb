"""`headgate prices`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, print_rows

_RATES: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


@click.command()
@url_option
@as_json_option
def prices(url: str | None, as_json: bool) -> None:
    """Show the price of each deployment for a million tokens, where it comes from, and what follows it.

    A price comes from the deployment, else from a row of [[price]] in headgate.toml, else from the provider's list.
    """
    found = client_at(url).call("GET", "/api/prices")["prices"]
    rows = found if as_json else [_row(one) for one in found]
    print_rows(rows, ("deployment", "model", "from", *_RATES, "currency", "price"), as_json=as_json)


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: _money(one[f"{name}_micros"]) for name in _RATES}
    longer = f" (more above {one['above_input_tokens'][0]:,} tokens)" if one["above_input_tokens"] else ""
    unknown = "by the model asked for" if "*" in one["model"] else "unknown"
    return {
        "deployment": one["deployment"],
        "model": f"{one['provider']}/{one['model']}",
        "from": one["since"] or "",
        **told,
        "currency": one["currency"] or "",
        "price": f"{one['version'] or ('built in' if one['currency'] else unknown)}{longer}",
    }


def _money(micros: int | None) -> str:
    """Return a rate; unknown rates stay empty, because they are not zero."""
    if micros is None:
        return ""
    return f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".")


COMMANDS = (prices,)
