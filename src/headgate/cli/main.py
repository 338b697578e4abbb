"""The command `headgate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from headgate import __version__
from headgate.admin.exit_codes import MEANINGS
from headgate.cli.completion import completion
from headgate.cli.configuration import apply, check, export
from headgate.cli.entries import config
from headgate.cli.manual import manual
from headgate.cli.recovery import recover
from headgate.cli.running import RootGroup, run
from headgate.cli.scaffold import new
from headgate.cli.sign_in import sign_in
from headgate.cli.status import status
from headgate.cli.up import up
from headgate.features import FEATURES, refuse_doubles
from headgate.substrate import settings as settings_module

_EXIT_CODES = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nExit codes:\n{_EXIT_CODES}",
)
@click.version_option(__version__, prog_name="headgate")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (HEADGATE_DATA).")
@click.pass_context
def headgate(context: click.Context, data: Path | None) -> None:
    """Run and administer Headgate, the gateway of an organisation to language models."""
    if settings_module.no_color():
        context.color = False
    settings = settings_module.load()
    context.obj = replace(settings, data=data) if data is not None else settings


_OWN = (up, status, apply, check, export, config, sign_in, recover, completion, manual, new)

refuse_doubles(FEATURES, taken=(("command", str(command.name)) for command in _OWN))
for command in (*_OWN, *(one for feature in FEATURES for one in feature.commands)):
    headgate.add_command(command)


def main() -> None:
    """Run the command line."""
    run(headgate)


if __name__ == "__main__":
    main()
