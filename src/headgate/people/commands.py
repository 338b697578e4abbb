"""`headgate people`: list, show, invite, change and remove people, and end their sessions."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import Client, client_at, url_option
from headgate.admin.printing import as_json_option, plural, print_rows
from headgate.kernel.labels import PSEUDONYMOUS

_person = click.argument("person")


@click.group()
def people() -> None:
    """List, invite, change and remove people and services, and end their sessions."""


@people.command("list")
@click.option("--search", help="Part of an id or name.")
@click.option("--kind", type=click.Choice(["person", "service", "agent"]))
@click.option("--role", help="Has this role.")
@click.option("--group", help="Is in this group.")
@click.option("--use-case", help="Owns this use case or is a member of it.")
@url_option
@as_json_option
def list_people(url: str | None, as_json: bool, **filters: str | None) -> None:
    """List people and services."""
    rows = _every_page(client_at(url), {name: value for name, value in filters.items() if value})
    shown = [row if as_json else _row(row) for row in rows]
    print_rows(shown, ("id", "name", "kind", "roles", "use_cases", "keys", "sessions", "last_seen"), as_json=as_json)


@people.command("show")
@_person
@url_option
def show_person(person: str, url: str | None) -> None:
    """Show all fields of one PERSON."""
    click.echo(json.dumps(client_at(url).call("GET", _path(person)), indent=1))


@people.command("invite")
@_person
@click.option("--name", default="", help="Name for display.")
@click.option("--role", "roles", multiple=True, help="Role in administration. Repeatable.")
@click.option("--group", "groups", multiple=True, help="Group. Repeatable.")
@click.option(
    "--may-see",
    type=click.Choice(["public", "internal", "confidential", "restricted"]),
    default="internal",
    show_default=True,
    help="Most confidential content that the person may see.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    help="Sensitive data that the person may see, such as pii. Repeatable. Default: only placeholders of it.",
)
@click.option("--again", is_flag=True, help="Make another link for a person who is registered already.")
@url_option
def invite(
    person: str,
    name: str,
    roles: tuple[str, ...],
    groups: tuple[str, ...],
    may_see: str,
    categories: tuple[str, ...],
    again: bool,
    url: str | None,
) -> None:
    """Register a PERSON and print a sign-in link. The link works once, within a week."""
    client = client_at(url)
    if not again:
        body = {
            "id": person,
            "name": name,
            "roles": list(roles),
            "groups": list(groups),
            "confidentiality": may_see,
            "categories": [*PSEUDONYMOUS.values(), *categories],
        }
        client.call("POST", "/api/people", body)
    click.echo(client.call("POST", f"{_path(person)}/link")["link"])


@people.command("set-roles")
@_person
@click.argument("roles", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Print the effects and change nothing.")
@url_option
def set_roles(person: str, roles: tuple[str, ...], dry_run: bool, url: str | None) -> None:
    """Give a PERSON exactly these ROLES. Without ROLES the person has none."""
    path = _path(person) + ("?dry_run=true" if dry_run else "")
    effects = client_at(url).call("PUT", path, {"roles": list(roles)})
    _print_list("gains", effects["gains"])
    _print_list("loses", effects["loses"])
    _print_list("keys that lose a role", [key["name"] or key["id"] for key in effects["keys"]])
    held = ", ".join(sorted(roles)) or "no role"
    click.echo(f"{person} would have {held}" if dry_run else f"{person} has {held}")


@people.command("remove")
@_person
@click.option("--dry-run", is_flag=True, help="Print the effects and change nothing.")
@url_option
def remove_person(person: str, dry_run: bool, url: str | None) -> None:
    """Remove a PERSON with all keys and sessions."""
    effects = client_at(url).call("DELETE", _path(person) + ("?dry_run=true" if dry_run else ""))
    _print_list("keys that stop", [key["name"] or key["id"] for key in effects["keys"]])
    _print_list("use cases without their owner", effects["owns"])
    if effects["sessions"]:
        click.echo(f"open sessions: {effects['sessions']}")
    click.echo(f"{person} would be removed" if dry_run else f"{person} is removed")


@people.command("sessions")
@_person
@url_option
@as_json_option
def list_sessions(person: str, url: str | None, as_json: bool) -> None:
    """List the open sessions of a PERSON."""
    rows = client_at(url).call("GET", f"{_path(person)}/sessions")["sessions"]
    print_rows(rows, ("id", "browser", "created_at", "seen_at", "idle_at", "expires_at", "let_in_by"), as_json=as_json)


@people.command("end-sessions")
@_person
@click.option("--session", help="End only this session.")
@url_option
def end_sessions(person: str, session: str | None, url: str | None) -> None:
    """End all sessions of a PERSON, and make unused sign-in links invalid."""
    client = client_at(url)
    if session is not None:
        client.call("DELETE", f"/api/sessions/{quote(session, safe='')}")
        click.echo(f"session {session} has ended")
        return
    ended = client.call("DELETE", f"{_path(person)}/sessions")["ended"]
    click.echo(f"{plural(ended, 'session')} of {person} ended")


def _every_page(client: Client, filters: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = urlencode({**filters, "limit": 200, **({"cursor": cursor} if cursor else {})})
        page = client.call("GET", f"/api/people?{query}")
        found += page["people"]
        cursor = page["next"]
        if cursor is None:
            return found


def _row(person: dict[str, Any]) -> dict[str, Any]:
    """Return a person as one line of a table."""
    return {**person, "use_cases": [one["id"] for one in person["use_cases"]], "keys": len(person["keys"])}


def _print_list(title: str, items: list[str]) -> None:
    if items:
        click.echo(f"{title}: {', '.join(items)}")


def _path(person: str) -> str:
    return f"/api/people/{quote(person, safe='')}"


COMMANDS = (people,)
