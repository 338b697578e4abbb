"""Runs a command line, and ends the process with the exit code that scripts expect."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from headgate.admin.exit_codes import ExitCode, exit_code
from headgate.kernel.errors import HeadgateError


class RootGroup(click.Group):
    """The outermost group of commands. A closed pipe ends it quietly."""

    def invoke(self, ctx: click.Context) -> object:
        """Invoke the subcommand."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python flushes the output once more at its end, which would print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(ExitCode.PIPE_CLOSED) from None


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
