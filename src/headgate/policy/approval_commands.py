"""`headgate approvals`: lists, shows and decides requests for approval."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, print_rows

_COLUMNS = ("id", "state", "requested_at", "expires_at", "title")
_FACTS = (
    *("title", "id", "state", "verb", "resource", "use_case", "principal", "on_behalf_of", "makers", "labels"),
    *("policy_version", "record", "requested_at", "expires_at", "approver", "decided_at", "reason", "used_at"),
)
_reason = click.option("--reason", required=True, help="The reason, for the record.")


@click.group()
def approvals() -> None:
    """List and decide requests for approval."""


@approvals.command("list")
@click.option("--all", "every", is_flag=True, help="Include decided and expired requests.")
@click.option("--mine", is_flag=True, help="Only your own requests, in any state.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor")
@url_option
@as_json_option
def list_approvals(every: bool, mine: bool, limit: int, cursor: str | None, url: str | None, as_json: bool) -> None:
    """List pending requests, newest first."""
    query: dict[str, Any] = {"limit": limit}
    if mine:
        query["mine"] = "true"
    elif not every:
        query["waiting"] = "true"
    if cursor is not None:
        query["cursor"] = cursor
    answer = client_at(url).call("GET", f"/api/approvals?{urlencode(query)}")
    print_rows(answer["approvals"], _COLUMNS, as_json=as_json)
    if answer["next"] and not as_json:
        click.echo(f"more: --cursor {answer['next']}")


@approvals.command("show")
@click.argument("approval")
@url_option
@as_json_option
def show_approval(approval: str, url: str | None, as_json: bool) -> None:
    """Show one request with its content. This leaves a record."""
    answer: dict[str, Any] = client_at(url).call("GET", _path(approval))
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    asked: dict[str, Any] = answer["approval"]
    facts: dict[str, Any] = {name: asked[name] for name in _FACTS}
    facts |= {name: ", ".join(asked[name]) for name in ("on_behalf_of", "makers")} | asked["details"]
    for name, value in facts.items():
        if value not in (None, ""):
            click.echo(f"{name:<16}{value}")
    for rule in asked["rules"]:
        click.echo(f"{'asked by':<16}{rule['id']}: {rule['reason']}")
    click.echo(f"{'content':<16}{answer['content']}")
    for part in answer["parts"]:
        click.echo(f"\n{part['name']}, {part['size_bytes']} bytes:\n{part['text'] or '(not text)'}")


@approvals.command("approve")
@click.argument("approval", nargs=-1, required=True)
@_reason
@url_option
def approve(approval: tuple[str, ...], reason: str, url: str | None) -> None:
    """Approve requests. Each then runs once, within an hour. Requesters cannot approve their own requests."""
    for name in _decide(approval, "approve", reason, url):
        click.echo(f"{name} is approved; repeat the request once with the header x-headgate-grant: {name}")


@approvals.command("refuse")
@click.argument("approval", nargs=-1, required=True)
@_reason
@url_option
def refuse(approval: tuple[str, ...], reason: str, url: str | None) -> None:
    """Refuse requests."""
    for name in _decide(approval, "refuse", reason, url):
        click.echo(f"{name} is refused")


def _decide(approvals: tuple[str, ...], decision: str, reason: str, url: str | None) -> list[str]:
    """Decide requests, and return the decided ones. Fails if one was not decided, after the others were."""
    client = client_at(url)
    if len(approvals) == 1:
        client.call("POST", f"{_path(approvals[0])}/{decision}", {"reason": reason})
        return list(approvals)
    body = {"approvals": list(approvals), "decision": decision, "reason": reason}
    results = client.call("POST", "/api/approvals", body)["results"]
    failed = [f"{one['id']}: {one['error']}" for one in results if one["error"] is not None]
    decided = [one["id"] for one in results if one["error"] is None]
    if failed:
        done = f" Decided: {', '.join(decided)}." if decided else ""
        raise click.ClickException("; ".join(failed) + "." + done)
    return decided


def _path(approval: str) -> str:
    return f"/api/approvals/{quote(approval, safe='')}"
