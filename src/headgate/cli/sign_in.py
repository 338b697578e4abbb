"""`headgate sign-in`: a link for the console."""

from __future__ import annotations

import asyncio

import click

from headgate.admin import completion
from headgate.admin.client import settings_from
from headgate.policy.entities import ADMIN
from headgate.server.setup import sign_in_link
from headgate.substrate import settings as settings_module


@click.command("sign-in")
@click.option(
    "--principal",
    default=ADMIN,
    show_default=True,
    help="Id of the registered person to sign in.",
    shell_complete=completion.names("person"),
)
@click.pass_context
def sign_in(context: click.Context, principal: str) -> None:
    """Print a sign-in link for the console. It works once, within ten minutes, and leaves a record."""
    made = sign_in_link(settings_from(context), principal=principal, grant=settings_module.grant())
    click.echo(asyncio.run(made))
