"""Runs a command line, and ends the process with the exit code that scripts expect."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import NamedTuple, NoReturn

import click

from headgate.admin.exit_codes import ExitCode, exit_code
from headgate.kernel.errors import HeadgateError


class RootGroup(click.Group):
    """The outermost group of commands. A closed pipe ends it quietly.

    It imports the module of a command only when the command runs. `commands.json` has the modules and the short helps.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return list(_index())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command. A name that the index lacks may be of a new feature."""
        place = _index().get(cmd_name)
        if place is None:
            return import_module("headgate.cli.all_commands").COMMANDS.get(cmd_name)
        return getattr(import_module(place.module), place.attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing them."""
        found = {name: click.Command(name, help=place.help) for name, place in _index().items()}
        room = formatter.width - 6 - max(map(len, found))
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(room)) for name, one in found.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Invoke the subcommand."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python flushes the output once more at its end, which would print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(ExitCode.PIPE_CLOSED) from None


class _Place(NamedTuple):
    """Where a command is, and the first paragraph of its help."""

    module: str
    attribute: str
    help: str


@cache
def _index() -> dict[str, _Place]:
    text = (files("headgate.cli") / "commands.json").read_text("utf-8")
    return {name: _Place(*place) for name, place in json.loads(text).items()}


def run(command: click.Command) -> NoReturn:
    """Run a command with the arguments of the process. Print an error as one line on standard error."""
    try:
        ended = command.main(prog_name="headgate", standalone_mode=False)
    except HeadgateError as error:
        click.echo(f"headgate: {error.message}", err=True)
        sys.exit(exit_code(error))
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except click.Abort:
        sys.exit(ExitCode.STOPPED)
    # click returns the code of an early exit, such as that of `--help`.
    sys.exit(ended if isinstance(ended, int) else ExitCode.DONE)
