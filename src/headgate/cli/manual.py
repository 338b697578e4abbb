"""`headgate manual`: the reference of all commands."""

from __future__ import annotations

import click

from headgate.cli.reference import markdown, troff


@click.command()
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the page docs/commands.md.")
@click.pass_context
def manual(context: click.Context, as_markdown: bool) -> None:
    """Print the manual page. Read it with `headgate manual | man -l -`."""
    write = markdown if as_markdown else troff
    click.echo(write(context.find_root().command), nl=False)
