"""`headgate completion`: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_HEADGATE_COMPLETE"
_LINES = {
    "bash": 'eval "$(headgate completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(headgate completion zsh)"    # in ~/.zshrc, after compinit',
    "fish": "headgate completion fish | source    # in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\nTo switch completion on:\n" + "\n".join(f"  {line}" for line in _LINES.values()))
@click.argument("shell", type=click.Choice(list(_LINES)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    It completes commands and options, and the names of use cases, models and people of a running Headgate.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click has a class for each of these shells
    click.echo(kind(context.find_root().command, {}, "headgate", _VARIABLE).source())
