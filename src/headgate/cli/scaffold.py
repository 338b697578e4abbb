"""`headgate new feature|provider|detector|dialect NAME`: writes the code and its test from templates."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from headgate.cli.new_feature import write_feature
from headgate.kernel.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


@click.command()
@click.pass_context
@click.argument("kind", type=click.Choice(["feature", "provider", "detector", "dialect"]))
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder to write to.")
def new(context: click.Context, kind: str, name: str, into: Path) -> None:
    """Write a feature or extension called NAME, with its test.

    A feature needs a checkout of Headgate. It gets a migration, a policy, an operation, a command and a page.
    """
    if kind == "feature":
        for path in write_feature(name, into, commands=_commands(context)):
            click.echo(f"wrote {path}")
        click.echo(f'to enable it, add "{name}" to the list in src/headgate/features.py, and run `make commands`')
        return
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is not a valid name; write at least two lower case letters, digits or _",
            param="NAME",
        )
    templates = resources.files("headgate.cli") / "templates"
    targets = {into / f"{name}.py": f"{kind}.py.txt", into / f"test_{name}.py": f"test_{kind}.py.txt"}
    taken = [path for path in targets if path.exists()]
    if taken:
        raise Conflict(f"{taken[0]} already exists; nothing was written")
    into.mkdir(parents=True, exist_ok=True)
    for path, template in targets.items():
        text = (templates / template).read_text("utf-8")
        title = name.replace("_", " ").title()
        for mark, word in (("{{name}}", name), ("{{Name}}", title), ("{{Class}}", title.replace(" ", ""))):
            text = text.replace(mark, word)
        path.write_text(text)
        click.echo(f"wrote {path}")
    click.echo(
        f'register it in your package: [project.entry-points."headgate.{kind}s"] {name} = "your_package.{name}:{kind}"'
    )


def _commands(context: click.Context) -> tuple[str, ...]:
    root = context.find_root().command
    return tuple(root.list_commands(context)) if isinstance(root, click.Group) else ()
