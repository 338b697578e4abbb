"""`headgate apply|check|export`: the declarative file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from headgate.admin.client import Client, client_at, settings_from, url_option
from headgate.admin.exit_codes import ExitCode
from headgate.admin.printing import plural
from headgate.assembly import offline_sections
from headgate.kernel.errors import Invalid
from headgate.kernel.ports import Document, Edit
from headgate.policy.entities import DEFAULT_TENANT
from headgate.server.api import config_checks
from headgate.substrate.declarative import parse
from headgate.substrate.declarative_faults import find_faults

_SIGNS = {"create": "+", "change": "~", "remove": "-"}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=Path("headgate.toml"))
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option("--url", help="URL of a running Headgate. Default: the one of the data folder.")
@click.pass_context
def apply(context: click.Context, file: Path, dry_run: bool, url: str | None) -> None:
    """Apply the configuration in FILE to a running Headgate, in one transaction."""
    client = Client.of(settings_from(context), url=url)
    path = "/api/config/plan" if dry_run else "/api/config/apply"
    print_plan(client.call("POST", path, body_of(file)), is_dry=dry_run)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=Path("headgate.toml"))
@click.option("--offline", is_flag=True, help="Check the file by itself, without a running Headgate.")
@url_option
@click.pass_context
def check(context: click.Context, file: Path, offline: bool, url: str | None) -> None:
    """Print all mistakes in FILE. Exits with 1 if there are any. Warnings are no mistakes.

    With --offline, Headgate does not compare the file with the stored configuration.
    """
    body = body_of(file)
    if offline:
        faults: list[str] = offline_faults(body["toml"], file=str(file))
        warnings: list[str] = []
    else:
        answer = client_at(url).call("POST", "/api/config/check", body)
        faults, warnings = answer["faults"], answer["warnings"]
    for fault in faults:
        click.echo(fault)
    _print_warnings(warnings)
    click.echo(plural(len(faults), "mistake") if faults else f"{file} is valid", err=True)
    context.exit(ExitCode.FAULTY if faults else ExitCode.DONE)


@click.command()
@click.option("--section", help="Only this section, such as deployment.")
@url_option
def export(section: str | None, url: str | None) -> None:
    """Print the configuration in force as a file that `headgate apply` accepts.

    The file has references to secrets, and no secrets. Imported keys are left out, because Headgate stores only their
    digests; applying the file keeps them.
    """
    query = f"?{urlencode({'section': section})}" if section else ""
    click.echo(client_at(url).call("GET", f"/api/config{query}")["toml"], nl=False)


def offline_faults(text: str, *, file: str) -> list[str]:
    """Return all mistakes of a file that show without a running Headgate."""
    sections = offline_sections()
    try:
        source = parse(text.encode(), file=file)
    except Invalid as error:
        return [error.message]
    found = find_faults(source, sections)
    told = [source.placed(fault).message for fault in found.faults]
    listed = config_checks.entry_sections(sections)
    named = config_checks.tables_of(found.values, listed)
    nothing: Document = {name: [] for name in listed}
    now = config_checks.without({**nothing, **named}, found.faulty(source))
    edit = Edit(DEFAULT_TENANT, "", named, nothing, now)
    together = config_checks.faults(listed, edit)
    return told + [config_checks.placed(fault, named, text=text, file=file).message for fault in together]


def body_of(file: Path) -> dict[str, str]:
    """Return the request body that plans or applies a file. It has the file's name for error messages.

    Raises:
        Invalid: the file cannot be read, or is not UTF-8.
    """
    try:
        return {"toml": file.read_text(encoding="utf-8"), "file": str(file)}
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not valid UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from error


def print_plan(answer: dict[str, Any], *, is_dry: bool) -> None:
    """Print the planned changes, or the applied changes with the id of their record."""
    for change in answer["changes"]:
        detail = f"  ({change['detail']})" if change["detail"] else ""
        click.echo(f"{_SIGNS.get(change['does'], '*')} {change['section']} {change['id']}{detail}")
    if not answer["changes"] and is_dry:
        _print_warnings(answer["warnings"])
        click.echo("nothing to change: the file matches the configuration in force")
        return
    _print_warnings(answer["warnings"])
    changes = plural(len(answer["changes"]), "change")
    if is_dry:
        click.echo(f"{changes} planned; nothing was changed")
    else:
        click.echo(f"{changes} applied; record {answer['record']}")


def _print_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
