"""`headgate new feature|provider|detector|dialect NAME`: writes what is needed, and its test."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from headgate.cli.new_feature import write_feature
from headgate.kernel.errors import Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


@click.command()
@click.argument("kind", type=click.Choice(["feature", "provider", "detector", "dialect"]))
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder to write to.")
def new(kind: str, name: str, into: Path) -> None:
    """Write a feature, or an extension of KIND, called NAME, and its test.

    A feature is written into a checkout of Headgate, with a migration, a policy, an operation, a command and a page.
    """
    if kind == "feature":
        for path in write_feature(name, into):
            click.echo(f"wrote {path}")
        click.echo(f'write "{name}" into the list of src/headgate/features.py, and it runs')
        return
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is no name for an extension: lower case letters, digits and _, at least two", param="NAME"
        )
    templates = resources.files("headgate.cli") / "templates"
    targets = {into / f"{name}.py": f"{kind}.py.txt", into / f"test_{name}.py": f"test_{kind}.py.txt"}
    taken = [path for path in targets if path.exists()]
    if taken:
        raise Conflict(f"{taken[0]} is there already; nothing was written")
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
