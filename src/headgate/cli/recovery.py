"""`headgate recover`: access for whoever runs Headgate, however everybody was locked out."""

from __future__ import annotations

import asyncio

import click

from headgate.admin.client import settings_from
from headgate.server.recovery import recover as give_back


@click.command()
@click.pass_context
def recover(context: click.Context) -> None:
    """Give access back on Headgate's machine, whether it runs or not, when nobody can administer it any more.

    The built-in administrator and the use case of administration become as they come. Policies that would refuse
    administration are set aside as files. A record tells of it.
    """
    settings = settings_from(context)
    done = asyncio.run(give_back(settings))
    for path in done.set_aside:
        click.echo(f"Set aside      {path}")
    if done.has_new_key:
        click.echo(f"New key        {settings.data / 'admin.key'}")
    click.echo(f"Record         {done.record}")
    click.echo(f"Sign in        {done.link}  (once, within ten minutes)")
