"""`headgate import`: read the configuration of another gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import click
import yaml
from click.core import ParameterSource

from headgate.kernel.errors import Conflict, Invalid, NotFound
from headgate.kernel.extensions import load
from headgate.moving_in.litellm import read_config
from headgate.moving_in.litellm_database import read_database, read_keys
from headgate.moving_in.move import Move
from headgate.moving_in.openrouter import read_list
from headgate.moving_in.portkey import read_config as read_portkey
from headgate.substrate.clock import SystemClock

_MAX_BYTES = 4 << 20
_FEW_VALUES = 100_000
_VARIABLE = "LITELLM_DATABASE_URL"
_ARGUMENT = ParameterSource.COMMANDLINE


@click.group("import")
def import_group() -> None:
    """Turn the configuration of another gateway into a headgate.toml.

    Nothing is applied. Review the file, then run `headgate check` and `headgate apply --dry-run`.
    """


@import_group.command("litellm")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), default="headgate.toml", show_default=True
)
@click.option(
    "--database", metavar="URL", envvar=_VARIABLE, show_envvar=True, help="LiteLLM's database: keys, teams and people."
)
@click.option("--owner", default="admin", show_default=True, help="The owner of teams and keys without one.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.pass_context
def litellm(context: click.Context, config: Path, target: Path, database: str | None, owner: str, force: bool) -> None:
    """Read LiteLLM's CONFIG, usually config.yaml.

    Models become deployments, model names become aliases with their fallbacks and shares, teams become use cases. Keys
    move as digests, so that clients keep theirs. Secrets are never written: the file has references to variables.
    """
    _refuse_existing(target, force=force)
    if database and urlsplit(database).password and context.get_parameter_source("database") is _ARGUMENT:
        raise Invalid(f"other users can read a password in the arguments; set {_VARIABLE} instead", param="--database")
    move = Move()
    read_config(_yaml(config), move, providers=load("providers"))
    if database:
        read_keys(read_database(database), move, now=SystemClock().now(), owner=owner)
    _finish(move, target, source=f"LiteLLM, {config.name}")


_to = click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), default="headgate.toml", show_default=True
)
_force = click.option("--force", is_flag=True, help="Replace an existing file.")


@import_group.command("portkey")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_to
@click.option("--alias", help="The alias of the configuration. Default: the name of the file.")
@click.option(
    "--provider",
    "said",
    multiple=True,
    metavar="SLUG=PROVIDER",
    help="The provider of a virtual key or slug whose name does not tell it. Repeatable.",
)
@_force
def portkey(config: Path, target: Path, alias: str | None, said: tuple[str, ...], force: bool) -> None:
    """Read CONFIG, a gateway configuration of Portkey in JSON.

    Targets become deployments, and the strategy an alias: its order, shares and cache. A conditional configuration has
    an alias for each target. Secrets are never written: the file has references to variables.
    """
    _refuse_existing(target, force=force)
    move = Move()
    found = _config_in(_yaml(config, what="Portkey's configuration in JSON"))
    named = dict(_said(one) for one in said)
    read_portkey(found, move, alias=alias or config.stem, providers=load("providers"), said=named)
    _finish(move, target, source=f"Portkey, {config.name}")


@import_group.command("openrouter")
@click.argument("models", metavar="LIST", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_to
@_force
def openrouter(models: Path, target: Path, force: bool) -> None:
    """Read LIST, models with OpenRouter's routing in JSON or YAML.

    An entry is the name of a model, or an object with `model`, `models` and `provider` as in a request or a preset.
    Each becomes an alias: first the vendors in their order, then OpenRouter where fallbacks are allowed.
    """
    _refuse_existing(target, force=force)
    move = Move()
    read_list(_read(models), move, providers=load("providers"))
    _finish(move, target, source=f"OpenRouter, {models.name}")


def _refuse_existing(target: Path, *, force: bool) -> None:
    if target.exists() and not force:
        raise Conflict(f"{target} exists; choose another file with --to, or replace it with --force")


def _finish(move: Move, target: Path, *, source: str) -> None:
    target.write_text(move.toml(source=source))
    for line in move.report():
        click.echo(line)
    click.echo(
        f"Wrote {target}. Next: headgate check {target}, then headgate apply --dry-run {target}. Its sections replace"
        " those of the configuration in force: entries that the file lacks are removed, and the plan lists them.",
        err=True,
    )


def _said(text: str) -> tuple[str, str]:
    slug, equals, provider = text.partition("=")
    if not equals or not slug or not provider:
        raise Invalid(f"{text!r} is not SLUG=PROVIDER", param="--provider")
    return slug, provider


def _config_in(found: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration itself, also of an answer of Portkey's admin API."""
    for name in ("data", "config"):
        inner = found.get(name)
        if isinstance(inner, str) and name == "config":
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError) as error:
                raise Invalid("the text of config is not JSON", param="CONFIG") from error
        if isinstance(inner, dict):
            found = cast("dict[str, Any]", inner)
    return found


def _yaml(path: Path, *, what: str = "LiteLLM's config.yaml") -> dict[str, Any]:
    """Read a table from a YAML file.

    Raises:
        Invalid: it is not YAML, or too large.
        NotFound: it is no table.
    """
    found = _read(path)
    if not isinstance(found, dict):
        raise NotFound(f"{path} has no settings; give {what}", param=str(path))
    return cast("dict[str, Any]", found)


def _read(path: Path) -> Any:
    """Read a JSON file, or a YAML file with plain values only.

    Raises:
        Invalid: it is neither, or too large.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise Invalid(f"{path} is larger than {_MAX_BYTES >> 20} MiB", param=str(path))
    content = path.read_bytes()
    try:
        if content.lstrip()[:1] in (b"{", b"["):
            return json.loads(content)  # JSON with tabs is no YAML
    except RecursionError as error:
        raise Invalid(f"{path} is nested too deeply", param=str(path)) from error
    except ValueError:
        pass  # a flow of YAML, or the error below says where
    try:
        found = yaml.safe_load(content)
    except RecursionError as error:
        raise Invalid(f"{path} is nested too deeply", param=str(path)) from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise Invalid(f"{path} is not valid YAML{where}", param=str(path)) from error
    if not _has_at_most(max(len(content), _FEW_VALUES), found):
        raise Invalid(f"{path} repeats its parts too often by aliases such as *name", param=str(path))
    return found


def _has_at_most(most: int, tree: Any) -> bool:
    """Whether a tree has at most so many values, each counted as often as it occurs."""
    pending, count = [tree], 0
    while pending and count <= most:
        value: Any = pending.pop()
        count += 1
        if isinstance(value, dict):
            pending.extend(cast("dict[Any, Any]", value).values())
        elif isinstance(value, list | set | tuple):
            pending.extend(cast("list[Any]", value))
    return count <= most


COMMANDS = (import_group,)
