"""`headgate apply`: the declarative file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headgate.admin.client import Client, settings_from
from headgate.admin.printing import plural
from headgate.kernel.errors import Invalid

_SIGNS = {"create": "+", "change": "~", "remove": "-"}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=Path("headgate.toml"))
@click.option("--dry-run", is_flag=True, help="Print the plan and change nothing.")
@click.option("--url", help="URL of a running Headgate. Default: the one on this machine.")
@click.pass_context
def apply(context: click.Context, file: Path, dry_run: bool, url: str | None) -> None:
    """Apply the configuration in FILE to a running Headgate, in one transaction."""
    client = Client.of(settings_from(context), url=url)
    path = "/api/config/plan" if dry_run else "/api/config/apply"
    print_plan(client.call("POST", path, body_of(file)), is_dry=dry_run)


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
    changes = plural(len(answer["changes"]), "change")
    if is_dry:
        click.echo(f"{changes} planned; nothing was changed")
    else:
        click.echo(f"{changes} applied; record {answer['record']}")
