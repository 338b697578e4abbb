"""`headgate recover`: restores the operator's access after a lockout."""

from __future__ import annotations

import asyncio

import click

from headgate.admin.client import settings_from
from headgate.server.recovery import recover as give_back


@click.command()
@click.pass_context
def recover(context: click.Context) -> None:
    """Restore administrator access after a lockout. Run it on Headgate's machine.

    Works while Headgate runs and while it is stopped. Resets the built-in administrator and the use case
    administration to their defaults. Moves policies that refuse administration into files. Leaves a record.
    """
    settings = settings_from(context)
    done = asyncio.run(give_back(settings))
    for path in done.set_aside:
        click.echo(f"Set aside      {path}")
    if done.has_new_key:
        click.echo(f"New key        {settings.data / 'admin.key'}")
    click.echo(f"Record         {done.record}")
    click.echo(f"Sign in        {done.link}  (once, within ten minutes)")
