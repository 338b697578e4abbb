"""Every command: the root's own and those of the features. Importing this module imports all of Headgate.

`python -m headgate.cli.all_commands` writes `commands.json`, by which the root finds a command without the others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.resources import files

import click

from headgate.cli.completion import completion
from headgate.cli.configuration import apply, check, export
from headgate.cli.entries import config
from headgate.cli.manual import manual
from headgate.cli.recovery import recover
from headgate.cli.scaffold import new
from headgate.cli.sign_in import sign_in
from headgate.cli.status import status
from headgate.cli.up import up
from headgate.features import FEATURES, refuse_doubles

_OWN = (up, status, apply, check, export, config, sign_in, recover, completion, manual, new)

refuse_doubles(FEATURES, taken=(("command", str(command.name)) for command in _OWN))

COMMANDS: Mapping[str, click.Command] = {
    str(command.name): command for command in (*_OWN, *(one for feature in FEATURES for one in feature.commands))
}


def index() -> str:
    """Return the text of `commands.json`: the place and the first paragraph of the help of each command."""
    found = {name: [*_place(command), _opening(command)] for name, command in sorted(COMMANDS.items())}
    return json.dumps(found, indent=1) + "\n"


def _place(command: click.Command) -> tuple[str, str]:
    """Return the module of a command and its name there."""
    assert command.callback is not None
    module = command.callback.__module__
    return module, next(name for name, value in vars(sys.modules[module]).items() if value is command)


def _opening(command: click.Command) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


if __name__ == "__main__":
    (files("headgate.cli") / "commands.json").write_text(index())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - a file of the checkout
