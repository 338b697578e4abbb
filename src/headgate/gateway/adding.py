"""Asks for the parts of a new deployment, and writes its entry into a `headgate.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import click

from headgate.admin.client import Client
from headgate.admin.printing import plural
from headgate.kernel.errors import Conflict, Invalid
from headgate.substrate.toml_writing import array_of_tables

_MOST_SHOWN = 40
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9._-]+")


@dataclass(slots=True)
class Wanted:
    """The parts of a new deployment that were given; None where the command asks.

    Args:
        given_options: texts of the form NAME=VALUE.
        options: the provider's own options.
        aliases: the names for people and programs.
    """

    name: str | None
    provider: str | None
    model: str | None
    base_url: str | None = None
    key: str | None = None
    network: str | None = None
    given_options: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def is_complete(self) -> bool:
        """Whether the command has nothing to ask."""
        return None not in (self.name, self.provider, self.model)

    def entry(self) -> dict[str, Any]:
        """Return the entry so far."""
        values = {"id": self.name, "provider": self.provider, "model": self.model}
        values |= {"base_url": self.base_url, "key": self.key, "network": self.network}
        said: dict[str, Any] = {name: value for name, value in values.items() if value}
        return {**said, "options": self.options} if self.options else said


def ask(client: Client, wanted: Wanted) -> None:
    """Ask for every missing part; the API tells the providers, the servers on its machine and the models."""
    providers = {one["name"]: one for one in client.call("GET", "/api/providers")["providers"]}
    if wanted.provider is None:
        _ask_provider(client, wanted, providers)
    provider = providers.get(wanted.provider or "")
    if provider is None:
        raise Invalid(
            f"there is no provider {wanted.provider!r}; installed: {', '.join(providers)}", param="--provider"
        )
    for option in provider["options"]:
        if option["is_required"] and option["name"] not in wanted.options and wanted.base_url is None:
            wanted.options[option["name"]] = click.prompt(f"{option['name']}: {option['says']}", type=str)
    if wanted.base_url is None and provider["base_url"] is None:
        wanted.base_url = click.prompt("Address of its API", type=str)
    if wanted.key is None and not provider["is_ours"]:
        where = "Where its key lies, env:NAME or file:PATH; empty without a key"
        wanted.key = click.prompt(where, default="", show_default=False, type=str) or None
    if wanted.model is None:
        wanted.model = _ask_model(client, wanted, lists=provider["lists_models"])
    if wanted.name is None:
        wanted.name = click.prompt("Name of the deployment", default=_name_of(wanted.model), type=str)
    if not wanted.aliases:
        alias = click.prompt("Name for people and programs; - for none", default=wanted.name, type=str)
        wanted.aliases = () if alias == "-" else (alias,)


def parse_options(given: Sequence[str]) -> dict[str, str]:
    """Return the options of `NAME=VALUE` texts.

    Raises:
        Invalid: a text has another form.
    """
    pairs = [one.partition("=") for one in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise Invalid(f"{name!r} is not an option; write NAME=VALUE, such as region=eu-central-1", param="--option")
    return {name: value for name, _, value in pairs}


def write_into(path: Path, entry: Mapping[str, Any], aliases: Sequence[str]) -> None:
    """Add the deployment, and aliases that lead to it alone, to the end of a configuration file.

    Raises:
        Invalid: the file is no TOML.
        Conflict: it has an entry with one of these names. Nothing was written.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} is not TOML: {error}", param="--file") from error
    for table, name in (("deployment", entry["id"]), *(("alias", alias) for alias in aliases)):
        if name in _ids(document, table):
            raise Conflict(f"{path} has the {table} {name} already; change it there", param="--file")
    if "price" in entry:
        price: Mapping[str, str] = entry["price"]
        entry = {**entry, "price": {k: v if k == "currency" else Decimal(v) for k, v in price.items()}}
    added = array_of_tables("deployment", [entry])
    if aliases:
        added += "\n" + array_of_tables("alias", [{"id": one, "deployments": [entry["id"]]} for one in aliases])
    before = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(before + added)


def _ask_provider(client: Client, wanted: Wanted, providers: Mapping[str, Any]) -> None:
    servers = client.call("POST", "/api/models/find")["servers"]
    for one in servers:
        models = plural(len(one["models"]), "model")
        click.echo(f"{one['provider']} may run on Headgate's machine: {one['base_url']} lists {models}.")
    click.echo(f"Providers: {', '.join(providers)}")
    usual = servers[0]["provider"] if servers else None
    wanted.provider = click.prompt("Provider", default=usual, type=click.Choice(tuple(providers)), show_choices=False)


def _ask_model(client: Client, wanted: Wanted, *, lists: bool) -> str:
    """Ask for a model by its name or its number in the provider's list."""
    names: list[str] = []
    if lists:
        told = client.call("POST", "/api/models/names", {"entry": wanted.entry()})
        names = told["names"]
        if told["why"]:
            click.echo(f"{told['why']} {told['advice']}", err=True)
    for number, name in enumerate(names[:_MOST_SHOWN], start=1):
        click.echo(f"{number:>4}  {name}")
    if len(names) > _MOST_SHOWN:
        click.echo(f"      and {len(names) - _MOST_SHOWN} more")
    said: str = click.prompt("Model, by its name or number" if names else "Model, the provider's name of it", type=str)
    is_number = said.isdecimal() and 0 < int(said) <= len(names[:_MOST_SHOWN])
    return names[int(said) - 1] if is_number else said


def _name_of(model: str) -> str:
    """Return a name for a deployment of a model."""
    return _NOT_IN_A_NAME.sub("-", model.rpartition("/")[2].lower()).strip("-.")[:63] or "model"


def _ids(document: Mapping[str, Any], table: str) -> frozenset[str]:
    entries: Any = document.get(table, [])
    rows = cast("list[Any]", entries) if isinstance(entries, list) else []
    return frozenset(str(cast("dict[str, Any]", row).get("id")) for row in rows if isinstance(row, dict))
