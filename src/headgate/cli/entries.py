"""`headgate config`: read and change single entries of a running Headgate's configuration."""

from __future__ import annotations

import json
import tomllib
from typing import Any, cast
from urllib.parse import quote

import click

from headgate.admin.client import ApiError, Client, client_at, url_option
from headgate.admin.printing import as_json_option, print_rows
from headgate.cli.configuration import print_plan
from headgate.kernel.errors import Invalid

_COLUMNS = {
    "person": ("id", "name", "kind", "roles", "confidentiality", "categories"),
    "use_case": ("id", "owner", "risk", "confidentiality", "ceiling", "observe", "expires"),
    "policy": ("id",),
    "deployment": ("id", "provider", "model", "base_url", "network"),
    "alias": ("id", "operation", "deployments"),
    "network": ("id", "proxy_url", "allow"),
}
_MOST_COLUMNS = 6
_section = click.argument("section")
_entry = click.argument("entry")
_dry_run = click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")


@click.group()
def config() -> None:
    """Read and change single people, use cases, policies, deployments, aliases and networks."""


@config.command("list")
@_section
@url_option
@as_json_option
def list_entries(section: str, url: str | None, as_json: bool) -> None:
    """List the entries of a SECTION."""
    entries = client_at(url).call("GET", f"/api/entries/{quote(section, safe='')}")["entries"]
    print_rows(entries, _COLUMNS.get(section) or _columns(entries), as_json=as_json)


@config.command("show")
@_section
@_entry
@url_option
def show_entry(section: str, entry: str, url: str | None) -> None:
    """Show all fields of one ENTRY."""
    click.echo(json.dumps(client_at(url).call("GET", _path(section, entry))["entry"], indent=1))


@config.command("set")
@_section
@_entry
@click.argument("fields", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--unset", "unset", multiple=True, metavar="KEY", help="Remove this key. Repeatable.")
@_dry_run
@url_option
def set_entry(
    section: str, entry: str, fields: tuple[str, ...], unset: tuple[str, ...], dry_run: bool, url: str | None
) -> None:
    """Add an ENTRY, or change some of its keys.

    Write keys and values as in headgate.toml. Plain text needs no quotes:

        headgate config set person grace name=Grace 'roles=["approver"]'
    """
    client = client_at(url)
    table = _stored(client, section, entry)
    for field in fields:
        _merge(table, _parsed(field))
    for key in unset:
        table.pop(key, None)
    print_plan(client.call("PUT", _path(section, entry, dry_run=dry_run), {"entry": table}), is_dry=dry_run)


@config.command("remove")
@_section
@_entry
@_dry_run
@url_option
def remove_entry(section: str, entry: str, dry_run: bool, url: str | None) -> None:
    """Remove an ENTRY. Headgate refuses while another entry refers to it."""
    print_plan(client_at(url).call("DELETE", _path(section, entry, dry_run=dry_run)), is_dry=dry_run)


def _stored(client: Client, section: str, entry: str) -> dict[str, Any]:
    """Return the stored entry, or an empty one if there is none."""
    try:
        return dict(client.call("GET", _path(section, entry))["entry"])
    except ApiError as error:
        if error.api_status != 404:
            raise
        return {}


def _parsed(field: str) -> dict[str, Any]:
    """Parse `KEY=VALUE` as a line of TOML. A value that is not valid TOML becomes a string."""
    key, equals, value = field.partition("=")
    if not equals or not key.strip():
        raise Invalid(f"{field!r} does not have the form KEY=VALUE", param=field)
    for line in (f"{key} = {value}", f"{key} = {json.dumps(value)}"):
        try:
            return cast("dict[str, Any]", json.loads(json.dumps(tomllib.loads(line), default=str)))
        except tomllib.TOMLDecodeError:
            continue
    raise Invalid(f"{key!r} is not a valid key; write KEY=VALUE, such as owner=Anna", param=key)


def _merge(into: dict[str, Any], table: dict[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], cast("dict[str, Any]", value))
        else:
            into[key] = value


def _path(section: str, entry: str, *, dry_run: bool = False) -> str:
    return f"/api/entries/{section}/{quote(entry, safe='')}" + ("?dry_run=true" if dry_run else "")


def _columns(entries: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the keys of a feature's own entries, the id first; at most as many as fit a line."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    return ("id", *(name for name in names if name != "id"))[:_MOST_COLUMNS]
