"""`headgate models`."""

from __future__ import annotations

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, print_rows


@click.command()
@url_option
@as_json_option
def models(url: str | None, as_json: bool) -> None:
    """List the models and the deployments behind them."""
    rows = [
        {**model, "deployments": [one["id"] for one in model["deployments"]]}
        for model in client_at(url).call("GET", "/api/models")["models"]
    ]
    print_rows(rows, ("id", "operation", "deployments", "description"), as_json=as_json)


COMMANDS = (models,)
