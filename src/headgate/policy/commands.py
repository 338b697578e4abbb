"""`headgate keys|use-cases|rules|approvals`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin import completion
from headgate.admin.client import client_at, url_option
from headgate.admin.money import money_words
from headgate.admin.printing import as_json_option, plural, print_rows
from headgate.kernel.errors import Invalid
from headgate.policy.approval_commands import approvals
from headgate.policy.use_case_commands import use_cases

_use_case = completion.names("use case")
_person = completion.names("person")

_DIFFERENCES = {
    "refused": "would have been refused",
    "asked": "would have needed approval",
    "allowed": "would have been allowed",
    "more_duties": "would have met the rule's duty, such as masking",
    "fewer_duties": "would have been without the rule's duty, such as masking",
}
"""What another mode would have changed, in words."""


@click.group()
def keys() -> None:
    """List, make, rotate, limit and revoke API keys."""


@keys.command("list")
@url_option
@as_json_option
def list_keys(url: str | None, as_json: bool) -> None:
    """List the keys, without secrets."""
    answer = client_at(url).call("GET", "/api/keys")
    rows = answer["keys"] if as_json else [{**key, "limits": _limits_of(key)} for key in answer["keys"]]
    columns = ("id", "name", "principal", "use_case", "limits", "expires_at", "revoked_at")
    print_rows(rows, columns, as_json=as_json)


@keys.command("create")
@click.argument("name")
@click.option("--use-case", default="getting-started", show_default=True, shell_complete=_use_case)
@click.option(
    "--principal",
    help="Registered program that holds the key. Default: a new one with the key's name.",
    shell_complete=_person,
)
@click.option("--for", "person", help="Registered person who holds the key.", shell_complete=_person)
@click.option("--as-me", is_flag=True, help="Make the key for yourself.")
@click.option("--role", "roles", multiple=True, help="Role of the key. Repeatable.")
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    help="Alias that the key may call. Repeatable. Default: all.",
    shell_complete=completion.names("alias"),
)
@click.option("--expires", "expires_at", help="Expiry, as an RFC 3339 time.")
@click.option("--requests-per-minute", type=click.IntRange(1))
@click.option("--cost-per-day", type=click.FloatRange(0), help="Budget of a UTC day, in --currency.")
@click.option("--currency", default="USD", show_default=True)
@url_option
def create_key(
    name: str,
    use_case: str,
    principal: str | None,
    person: str | None,
    as_me: bool,
    roles: tuple[str, ...],
    aliases: tuple[str, ...],
    expires_at: str | None,
    requests_per_minute: int | None,
    cost_per_day: float | None,
    currency: str,
    url: str | None,
) -> None:
    """Make a key and print its secret. The secret is not shown again.

    By default Headgate registers a new program for the key. You own the program, and it has your clearance.
    """
    client = client_at(url)
    if sum((principal is not None, person is not None, as_me)) > 1:
        raise click.UsageError("give only one of --principal, --for and --as-me")
    if as_me:
        person = client.call("GET", "/api/session")["principal"]
    elif person is not None:
        # A mistyped name would otherwise register a new program with the maker's clearance.
        client.call("GET", f"/api/entries/person/{quote(person, safe='')}")
    body = {
        "name": name,
        "use_case": use_case,
        "principal": principal or person,
        "roles": list(roles),
        "aliases": list(aliases) or None,
        "expires_at": expires_at,
        "requests_per_minute": requests_per_minute,
        "cost_micros_per_day": None if cost_per_day is None else round(cost_per_day * 1_000_000),
        "currency": currency,
    }
    click.echo(client.call("POST", "/api/keys", body)["secret"])


@keys.command("rotate")
@click.argument("key")
@click.option("--old-until", help="When the old key ends, as an RFC 3339 time. Default: in 24 hours.")
@click.option("--expires", "expires_at", help="Expiry of the new key, as an RFC 3339 time. Default: as the old key.")
@url_option
def rotate_key(key: str, old_until: str | None, expires_at: str | None, url: str | None) -> None:
    """Replace a key and print the new secret. The secret is not shown again."""
    body = {name: value for name, value in (("old_until", old_until), ("expires_at", expires_at)) if value}
    click.echo(client_at(url).call("POST", f"/api/keys/{quote(key, safe='')}/rotate", body)["secret"])


@keys.command("limits")
@click.argument("key")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Most requests in a minute.")
@click.option("--no-requests-per-minute", is_flag=True, help="Remove the limit of requests.")
@click.option("--cost-per-day", type=click.FloatRange(0), help="Budget of a UTC day, in --currency.")
@click.option("--no-cost-per-day", is_flag=True, help="Remove the limit of cost.")
@click.option("--currency", help="Currency of a new limit of cost. Default: USD. A present limit keeps its currency.")
@click.option("--expires", "expires_at", help="When the key ends, as an RFC 3339 time.")
@url_option
def set_limits(
    key: str,
    requests_per_minute: int | None,
    cost_per_day: float | None,
    currency: str | None,
    expires_at: str | None,
    url: str | None,
    *,
    no_requests_per_minute: bool,
    no_cost_per_day: bool,
) -> None:
    """Change the limits of a key. The other limits stay.

    Headgate applies the new limits to the next call. For a key of headgate.toml, change the file.
    """
    body: dict[str, Any] = {"currency": currency, "expires_at": expires_at, "requests_per_minute": requests_per_minute}
    body["cost_micros_per_day"] = None if cost_per_day is None else round(cost_per_day * 1_000_000)
    removed = {"requests_per_minute": no_requests_per_minute, "cost_micros_per_day": no_cost_per_day}
    for name, is_removed in removed.items():
        if is_removed and body[name] is not None:
            raise click.UsageError("give a limit or remove it, not both")
    body = {name: value for name, value in body.items() if value is not None or removed.get(name)}
    if not body:
        raise click.UsageError("give a limit to change, such as --requests-per-minute 60")
    view = client_at(url).call("POST", f"/api/keys/{quote(key, safe='')}/limits", body)
    click.echo(f"{key}: {_limits_of(view)}")


def _limits_of(key: Mapping[str, Any]) -> str:
    """Return the limits of a key in words."""
    limits: list[str] = []
    if key["requests_per_minute"] is not None:
        limits.append(f"{key['requests_per_minute']:,} a minute")
    if key["cost_micros_per_day"] is not None:
        limits.append(f"{money_words(key['cost_micros_per_day'], key['currency'])} a day")
    return ", ".join(limits) or "no limits"


@keys.command("revoke")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Also revoke the key that this command itself uses.")
@url_option
def revoke_key(key: str, yes: bool, url: str | None) -> None:
    """Revoke a key permanently."""
    client = client_at(url)
    if client.key.startswith(f"hg_{key}_") and not yes:
        raise Invalid(
            f"{key} is the key that this command itself uses; the next command would need another one. Revoke it"
            " anyway with --yes",
            param="--yes",
        )
    client.call("DELETE", f"/api/keys/{quote(key, safe='')}")
    click.echo(f"{key} is revoked")


@click.group()
def rules() -> None:
    """List rules and set their modes."""


@rules.command("list")
@click.option("--use-case", help="Show the modes for this use case.", shell_complete=_use_case)
@url_option
@as_json_option
def list_rules(use_case: str | None, url: str | None, as_json: bool) -> None:
    """List the rules in force."""
    query = f"?{urlencode({'use_case': use_case})}" if use_case else ""
    print_rows(
        client_at(url).call("GET", f"/api/rules{query}")["rules"],
        ("id", "effect", "mode", "source", "reason"),
        as_json=as_json,
    )


@rules.command("schema")
@url_option
def show_schema(url: str | None) -> None:
    """Print the Cedar schema that rules are written against."""
    click.echo(client_at(url).call("GET", "/api/rules/schema")["text"])


@rules.command("mode")
@click.argument("use_case", shell_complete=_use_case)
@click.argument("rule")
@click.argument("mode", type=click.Choice(["observe", "enforce"]))
@url_option
def set_mode(use_case: str, rule: str, mode: str, url: str | None) -> None:
    """Set a RULE to observe or enforce for one USE_CASE."""
    path = f"/api/use-cases/{quote(use_case, safe='')}/rules/{quote(rule, safe='')}"
    client_at(url).call("PUT", path, {"mode": mode})
    click.echo(f"{rule}: {mode} for {use_case}")


@rules.command("preview")
@click.argument("use_case")
@click.argument("rule")
@click.argument("mode", type=click.Choice(["observe", "enforce"]))
@click.option("--days", type=click.IntRange(1, 31), default=7, show_default=True)
@url_option
@as_json_option
def preview_mode(use_case: str, rule: str, mode: str, days: int, url: str | None, as_json: bool) -> None:
    """Say what another MODE of a RULE would have changed in past calls of a USE_CASE."""
    query = urlencode({"use_case": use_case, "mode": mode, "days": days})
    answer: dict[str, Any] = client_at(url).call("GET", f"/api/rules/{quote(rule, safe='')}/preview?{query}")
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    click.echo(f"{rule} matched {plural(answer['calls'], 'call')} of {use_case} in {plural(days, 'day')}")
    if answer["unmasked"]:
        values = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in answer["unmasked"].items())
        click.echo(f"values that would have gone unmasked to {', '.join(answer['models'])}: {values}")
    for name, words in _DIFFERENCES.items():
        if answer[name]:
            click.echo(f"{plural(answer[name], 'call')} {words}")
    if not answer["is_complete"]:
        click.echo("there were more; only the newest calls are counted")
    for example in answer["examples"]:
        record = example["record"]
        click.echo(f"  {record['id']}  {record['resource']}  {_DIFFERENCES[example['difference']]}")


COMMANDS = (keys, use_cases, rules, approvals)
