"""`headgate use-cases`: the register of use cases."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import quote

import click

from headgate.admin import completion
from headgate.admin.client import Client, client_at, url_option
from headgate.admin.printing import as_json_option, print_rows

_COLUMNS = ("id", "title", "status", "owner", "risk", "members", "review_on")
_FACTS = (
    *("id", "title", "status", "owner", "purpose", "risk", "review_on", "expires_at", "members"),
    *("deployments", "confidentiality", "categories", "ceiling", "ceiling_categories"),
)
_VIEW_ONLY = ("id", "names", "is_built_in", "ceiling", "ceiling_categories", "can_change", "can_share", "can_pause")
_yes = click.option("--yes", is_flag=True, help="Do not ask before a change that others notice.")


@click.group("use-cases")
def use_cases() -> None:
    """List, register, change, pause and remove use cases."""


@use_cases.command("list")
@url_option
@as_json_option
def list_use_cases(url: str | None, as_json: bool) -> None:
    """List the use cases."""
    print_rows(client_at(url).call("GET", "/api/use-cases")["use_cases"], _COLUMNS, as_json=as_json)


@use_cases.command("show")
@click.argument("use_case", shell_complete=completion.names("use case"))
@url_option
@as_json_option
def show_use_case(use_case: str, url: str | None, as_json: bool) -> None:
    """Show one use case with its rules and keys."""
    answer: dict[str, Any] = client_at(url).call("GET", _path(use_case))
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    for name in _FACTS:
        value = answer["use_case"][name]
        if value not in (None, "", []):
            text = ", ".join(cast("list[str]", value)) if isinstance(value, list) else value
            click.echo(f"{name:<20}{text}")
    for rule in answer["rules"]:
        click.echo(f"{rule['mode'] + 's rule':<20}{rule['id']}: {rule['reason']}")
    for key in answer["keys"] or ():
        click.echo(f"{'key':<20}{key['id']} {key['name']} ({key['principal']})")


@use_cases.command("put")
@click.argument("use_case", shell_complete=completion.names("use case"))
@click.option("--owner", required=True)
@click.option("--purpose", required=True)
@click.option("--title", default="", help="Its name for people.")
@click.option("--risk", type=click.Choice(["minimal", "limited", "high"]), default="limited", show_default=True)
@click.option("--confidentiality", type=click.Choice(["public", "internal", "confidential", "restricted"]))
@click.option("--deployment", "deployments", multiple=True, help="Allowed deployment. Repeatable. Default: all.")
@click.option("--member", "members", multiple=True, help="Member: an id, group:NAME, or '*' for everyone. Repeatable.")
@click.option("--observe", multiple=True, help="Rule that only observes. Repeatable.")
@click.option("--expires", "expires_at")
@click.option("--review", "review_on", help="Day of the next review, such as 2027-06-30.")
@url_option
def put_use_case(use_case: str, url: str | None, **fields: Any) -> None:
    """Register or replace a use case."""
    body = {
        **fields,
        "confidentiality": fields["confidentiality"] or "public",
        "deployments": list(fields["deployments"]) or None,
        "members": list(fields["members"]) or None,
        "observe": list(fields["observe"]),
    }
    client_at(url).call("PUT", _path(use_case), body)
    click.echo(f"{use_case} is registered")


@use_cases.command("set")
@click.argument("use_case", shell_complete=completion.names("use case"))
@click.option("--owner")
@click.option("--purpose")
@click.option("--title")
@click.option("--status", type=click.Choice(["draft", "live", "paused", "retired"]))
@click.option("--risk", type=click.Choice(["minimal", "limited", "high"]))
@click.option("--review", "review_on", help="Day of the next review, such as 2027-06-30.")
@click.option("--expires", "expires_at")
@_yes
@url_option
def set_fields(use_case: str, yes: bool, url: str | None, **fields: Any) -> None:
    """Change some fields of a use case, after a look at the effects."""
    client = client_at(url)
    changed = {name: value for name, value in fields.items() if value is not None}
    body = {**_body(client, use_case), **changed}
    _confirm(client, use_case, body, yes=yes)
    client.call("PUT", _path(use_case), body)
    click.echo(f"{use_case} is changed")


@use_cases.command("pause")
@click.argument("use_case", shell_complete=completion.names("use case"))
@_yes
@url_option
def pause(use_case: str, yes: bool, url: str | None) -> None:
    """Pause a use case. Headgate refuses its calls until somebody resumes it."""
    client = client_at(url)
    _confirm(client, use_case, {**_body(client, use_case), "status": "paused"}, yes=yes)
    client.call("PUT", f"{_path(use_case)}/status", {"status": "paused"})
    click.echo(f"{use_case} is paused; `headgate use-cases resume {use_case}` resumes it")


@use_cases.command("resume")
@click.argument("use_case", shell_complete=completion.names("use case"))
@url_option
def resume(use_case: str, url: str | None) -> None:
    """Make a use case live."""
    client_at(url).call("PUT", f"{_path(use_case)}/status", {"status": "live"})
    click.echo(f"{use_case} is live")


@use_cases.command("add-member")
@click.argument("use_case", shell_complete=completion.names("use case"))
@click.argument("member")
@url_option
def add_member(use_case: str, member: str, url: str | None) -> None:
    """Let MEMBER use a use case: an id, group:NAME, or '*' for everyone."""
    client_at(url).call("PUT", f"{_path(use_case)}/members/{quote(member, safe='')}")
    click.echo(f"{member} may use {use_case}")


@use_cases.command("remove-member")
@click.argument("use_case", shell_complete=completion.names("use case"))
@click.argument("member")
@url_option
def remove_member(use_case: str, member: str, url: str | None) -> None:
    """Remove MEMBER from a use case."""
    client_at(url).call("DELETE", f"{_path(use_case)}/members/{quote(member, safe='')}")
    click.echo(f"{member} may no longer use {use_case}")


@use_cases.command("delete")
@click.argument("use_case", shell_complete=completion.names("use case"))
@url_option
def delete_use_case(use_case: str, url: str | None) -> None:
    """Remove a use case and revoke its keys."""
    client_at(url).call("DELETE", _path(use_case))
    click.echo(f"{use_case} is removed")


def _body(client: Client, use_case: str) -> dict[str, Any]:
    """Return the stored use case as the body of a change."""
    view: dict[str, Any] = client.call("GET", _path(use_case))["use_case"]
    return {name: value for name, value in view.items() if name not in _VIEW_ONLY}


def _confirm(client: Client, use_case: str, body: dict[str, Any], *, yes: bool) -> None:
    """Print the effects of a change, and ask if there are any."""
    effects: list[str] = client.call("POST", f"{_path(use_case)}/effects", {"becomes": body})["effects"]
    for effect in effects:
        click.echo(effect)
    if effects and not yes:
        click.confirm("Go on?", abort=True)


def _path(use_case: str) -> str:
    return f"/api/use-cases/{quote(use_case, safe='')}"
