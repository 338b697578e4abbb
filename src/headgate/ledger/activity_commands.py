"""`headgate records search|export|views`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import Client, client_at, url_option
from headgate.admin.printing import as_json_option, plural, print_rows
from headgate.ledger.filter_parameters import FILTERS

F = TypeVar("F", bound=Callable[..., Any])


def filters_with(client: Client, view: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters of a saved view, and over them the given ones that are not None.

    Raises:
        ClickException: there is no such view.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if view is None:
        return chosen
    found = [one for one in client.call("GET", "/api/views")["views"] if one["name"] == view]
    if not found:
        raise click.ClickException(f"there is no view {view!r}; `headgate records views list` names them")
    # Of several views of one name, one's own comes first.
    return {**max(found, key=lambda one: one["is_own"])["filters"], **chosen}


def _filter_options(command: F) -> F:
    """Add an option for each filter, and `--view`."""
    for one in reversed(FILTERS):
        flag = f"--{one.name.replace('_', '-')}"
        if one.kind == "boolean":
            command = click.option(flag, one.name, is_flag=True, default=None, help=one.description)(command)
        else:
            command = click.option(flag, one.name, help=one.description)(command)
    return click.option("--view", help="The filters of a saved view; options go before them.")(command)


@click.command("search")
@click.argument("words")
@_filter_options
@url_option
@as_json_option
def search_records(words: str, url: str | None, view: str | None, *, as_json: bool, **filters: Any) -> None:
    """Search the content of records that you may see, newest first. This leaves a record.

    It looks at 5,000 records at most. Ctrl-C stops it.
    """
    client = client_at(url)
    query = _query(client, view, filters)
    name = ""
    for line in client.lines("POST", f"/api/records/search?{query}", {"text": words}):
        if line.startswith(b"event: "):
            name = line[7:].decode().strip()
        elif line.startswith(b"data: "):
            _print_event(name, json.loads(line[6:]), as_json=as_json)


def _print_event(name: str, data: dict[str, Any], *, as_json: bool) -> None:
    match name:
        case "error":
            raise click.ClickException(data["error"]["message"])
        case "hit" if as_json:
            click.echo(json.dumps(data))
        case "hit":
            record = data["record"]
            excerpt = " ".join(f"{data['before']}[{data['match']}]{data['after']}".split())
            click.echo(f"{record['id']}  {record['opened_at'][:19]}  {record['use_case']}  …{excerpt}…")
        case "done":
            ended = "every record that matches" if data["ended"] == "all" else f"the limit of {data['ended']}"
            hidden = f"; {plural(data['withheld'], 'record')} with content you may not see" if data["withheld"] else ""
            click.echo(f"looked at {plural(data['looked'], 'record')}, up to {ended}{hidden}", err=True)
        case _:
            pass


@click.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option("--content", is_flag=True, help="With the content that you may see.")
@_filter_options
@url_option
def export_records(form: str, url: str | None, view: str | None, *, content: bool, **filters: Any) -> None:
    """Write the filtered records to standard output, newest first. This leaves a record."""
    client = client_at(url)
    query = _query(client, view, filters, format=form, content=str(content).lower())
    for line in client.lines("GET", f"/api/records/export?{query}"):
        click.echo(line, nl=False)


@click.group("views")
def views() -> None:
    """Save filters of records under a name."""


@views.command("list")
@url_option
@as_json_option
def list_views(url: str | None, *, as_json: bool) -> None:
    """List built-in views, your own, and those that others share."""
    found = client_at(url).call("GET", "/api/views")["views"]
    rows = found if as_json else [{**one, "filters": urlencode(one["filters"])} for one in found]
    print_rows(rows, ("name", "filters", "is_own", "is_shared"), as_json=as_json)


@views.command("save")
@click.argument("name")
@click.option("--share", is_flag=True, help="Show it to everybody who may list records.")
@_filter_options
@url_option
def save_view(name: str, url: str | None, view: str | None, *, share: bool, **filters: Any) -> None:
    """Save filters under a name."""
    client = client_at(url)
    chosen = {key: _text(value) for key, value in filters_with(client, view, filters).items()}
    client.call("PUT", f"/api/views/{quote(name, safe='')}", {"filters": chosen, "is_shared": share})
    click.echo(f"saved; use it with --view {name!r}")


@views.command("delete")
@click.argument("name")
@url_option
def delete_view(name: str, url: str | None) -> None:
    """Delete one of your views."""
    client_at(url).call("DELETE", f"/api/views/{quote(name, safe='')}")


def _query(client: Client, view: str | None, filters: Mapping[str, Any], **more: str) -> str:
    chosen = filters_with(client, view, filters)
    return urlencode({name: _text(value) for name, value in chosen.items()} | more)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
