"""Output of commands: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's response as JSON.")

_COLOURS = {
    **dict.fromkeys(("done", "allow", "ok", "yes", "ready", "approved"), "green"),
    **dict.fromkeys(("ask", "withheld", "loading", "waiting", "abandoned"), "yellow"),
    **dict.fromkeys(("deny", "refused", "failed", "interrupted", "in_doubt", "failing", "no"), "red"),
}
_LEAST_CHARS = 8
_GAP = "  "


def print_rows(rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    """Print a table of these columns, or everything as JSON."""
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        print_table([[cell_of(row.get(column)) for column in columns] for row in rows], columns)


def print_table(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Print a table. On a terminal it fits the width, and known states have colours."""
    table = [columns, *rows]
    widths = _fitted([max(len(line[index]) for line in table) for index in range(len(columns))])
    for place, line in enumerate(table):
        print_line(line, widths, is_head=place == 0)


def print_line(cells: Sequence[str], widths: Sequence[int], *, is_head: bool = False) -> None:
    """Print one line of a table, with cells cut to these widths."""
    shown = [_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)]
    styled = [click.style(cell, bold=True) if is_head else coloured(cell) for cell in shown]
    click.echo(_GAP.join(styled).rstrip())


def print_csv(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as CSV. Source: RFC 4180, with the line ends of the system."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_not_a_formula(cell) for cell in row] for row in rows)
    click.echo(text.getvalue(), nl=False)


def coloured(cell: str) -> str:
    """Return a known state in its colour. `click.echo` removes colours where nobody sees them."""
    colour = "red" if cell.startswith("unhealthy since") else _COLOURS.get(cell.strip())
    return click.style(cell, fg=colour) if colour else cell


def cell_of(value: Any) -> str:
    """Return a value as the text of a cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(str(one) for one in cast("list[Any]", value)) if isinstance(value, list) else str(value)


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun, such as `1 change` or `2 changes`; `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def _fitted(widths: list[int]) -> list[int]:
    """Narrow the widest columns until a line fits the terminal. Output to a file or pipe is never cut."""
    if not sys.stdout.isatty():
        return widths
    room = shutil.get_terminal_size().columns - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > _LEAST_CHARS:
        widest = widths.index(max(widths))
        widths[widest] -= 1
    return widths


def _cut(cell: str, width: int) -> str:
    one_line = " ".join(cell.splitlines()) if "\n" in cell else cell
    return one_line if len(one_line) <= width else one_line[: width - 1] + "…"


def _not_a_formula(cell: str) -> str:
    """Return a cell that spreadsheets do not run. Source: OWASP, CSV injection."""
    return f"'{cell}" if cell[:1] in ("=", "+", "@", "\t", "\r") else cell
