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
@click.option("--url", help="The Headgate to apply it to; by default the one on this machine.")
@click.pass_context
def apply(context: click.Context, file: Path, dry_run: bool, url: str | None) -> None:
    """Make a running Headgate what FILE says: all of it in one transaction, or nothing."""
    client = Client.of(settings_from(context), url=url)
    path = "/api/config/plan" if dry_run else "/api/config/apply"
    print_plan(client.call("POST", path, body_of(file)), is_dry=dry_run)


def body_of(file: Path) -> dict[str, str]:
    """Return the body that plans or applies a file; errors of the server then name the file.

    Raises:
        Invalid: the file cannot be read, or is not UTF-8.
    """
    try:
        return {"toml": file.read_text(encoding="utf-8"), "file": str(file)}
    except UnicodeDecodeError as error:
        raise Invalid(f"{file}: it is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from error


def print_plan(answer: dict[str, Any], *, is_dry: bool) -> None:
    """Print what would change, or what changed and the record that tells of it."""
    for change in answer["changes"]:
        detail = f"  ({change['detail']})" if change["detail"] else ""
        click.echo(f"{_SIGNS.get(change['does'], '*')} {change['section']} {change['id']}{detail}")
    changes = plural(len(answer["changes"]), "change")
    if is_dry:
        click.echo(f"{changes} planned; nothing was changed")
    else:
        click.echo(f"{changes} applied; record {answer['record']}")
