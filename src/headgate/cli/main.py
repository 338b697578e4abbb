"""The command `headgate`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from headgate import __version__
from headgate.cli.configuration import apply
from headgate.cli.entries import config
from headgate.cli.recovery import recover
from headgate.cli.scaffold import new
from headgate.cli.sign_in import sign_in
from headgate.cli.up import up
from headgate.features import FEATURES, refuse_doubles
from headgate.kernel.errors import HeadgateError
from headgate.substrate import settings as settings_module


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="headgate")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (HEADGATE_DATA).")
@click.pass_context
def headgate(context: click.Context, data: Path | None) -> None:
    """Run and administer Headgate, the gateway of an organisation to language models."""
    settings = settings_module.load()
    context.obj = replace(settings, data=data) if data is not None else settings


_OWN = (up, apply, config, sign_in, recover, new)

refuse_doubles(FEATURES, taken=(("command", str(command.name)) for command in _OWN))
for command in (*_OWN, *(one for feature in FEATURES for one in feature.commands)):
    headgate.add_command(command)


def main() -> None:
    """Run the command line. Print a `HeadgateError` as one line on standard error and exit with 2."""
    try:
        headgate()
    except HeadgateError as error:
        click.echo(f"headgate: {error.message}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
