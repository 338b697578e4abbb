"""Output of commands: tables for people, JSON for programs."""

from __future__ import annotations

import json
from typing import Any, cast

import click

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's response as JSON.")


def print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print a table of these columns, or everything as JSON."""
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    table = [columns, *(tuple(_cell(row.get(column)) for column in columns) for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ",".join(str(one) for one in cast("list[Any]", value)) if isinstance(value, list) else str(value)


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun, such as `1 change` or `2 changes`; `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
