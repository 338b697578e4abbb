"""The command `headgate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from headgate import __version__
from headgate.admin.exit_codes import MEANINGS
from headgate.cli.running import RootGroup, run
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


def main() -> None:
    """Run the command line."""
    run(headgate)


if __name__ == "__main__":
    main()
