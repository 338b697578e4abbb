"""`headgate models pull`, `pulled` and `remove`: better open-weight models for the embedded runtime."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import click

from headgate.admin.client import ApiError, Client, client_at, url_option
from headgate.admin.printing import as_json_option, print_rows
from headgate.gateway.pulled_models import CONTEXT_TOKENS
from headgate.gateway.specs import CATEGORIES
from headgate.kernel.errors import Invalid, Unavailable
from headgate.substrate.toml_writing import array_of_tables

_PATH = "/api/models/pulled"
_MIB = 1 << 20


@click.command("pull")
@click.argument("name")
@click.option("--url", "source", metavar="URL", help="The address of a GGUF file that is not on the list.")
@click.option("--sha256", metavar="HEX", help="Its digest, as its publisher shows it.")
@click.option("--network", default="default", show_default=True, help="The network for the connection.")
@click.option("--apply", "is_applied", is_flag=True, help="Also make the deployment NAME, and the alias.")
@click.option("--alias", help="The alias that leads to it. Default: NAME.")
@click.option("--at", "url", metavar="URL", help="URL of a running Headgate. Default: the one of the data folder.")
def pull(
    name: str,
    *,
    source: str | None,
    sha256: str | None,
    network: str,
    is_applied: bool,
    alias: str | None,
    url: str | None,
) -> None:
    """Pull the open-weight model NAME to Headgate's machine, for its embedded runtime.

    `headgate models pulled` shows the list of known names. A pull that broke off continues where it was. The file
    counts only with the right digest. Prints the entries for a headgate.toml, or applies them with --apply.
    """
    if (source is None) != (sha256 is None):
        raise Invalid("--url and --sha256 belong together", param="--sha256")
    client = client_at(url)
    body = {"name": name, "url": source, "sha256": sha256, "network": network}
    pulled = _follow(client, {key: value for key, value in body.items() if value is not None})
    model = pulled["model"]
    click.echo(f"pulled {name}: {model['size_bytes'] / _MIB:,.0f} MiB, sha256 {model['sha256']}", err=True)
    click.echo(f"  record {pulled['record']}", err=True)
    alias = alias or name
    deployment, leading = _entries(name, alias)
    if not is_applied:
        click.echo(array_of_tables("deployment", [deployment]))
        click.echo(array_of_tables("alias", [leading]), nl=False)
        return
    client.call("PUT", _entry("deployment", name), {"entry": deployment})
    click.echo(f"added the deployment {name}")
    stored = {one["id"]: one for one in client.call("GET", "/api/entries/alias")["entries"]}
    old: dict[str, Any] = stored.get(alias, {"deployments": []})
    leading = {**leading, **old, "deployments": [*(one for one in old["deployments"] if one != name), name]}
    client.call("PUT", _entry("alias", alias), {"entry": leading})
    click.echo(f"the alias {alias} leads to {', '.join(leading['deployments'])}")


@click.command("pulled")
@url_option
@as_json_option
def list_pulled(url: str | None, as_json: bool) -> None:
    """List the models on Headgate's machine, and those that can be pulled by name."""
    answer = client_at(url).call("GET", _PATH)
    if as_json:
        print_rows(answer["models"], (), as_json=True)
        return
    here = {one["name"] for one in answer["models"]}
    rows = [
        {
            "name": one["name"],
            "size": f"{one['size_bytes'] / _MIB:,.0f} MiB",
            "state": "on this machine" if one["name"] in here else "can be pulled",
            "deployments": one.get("deployments", []),
            "licence": one["licence"],
            "good for": one.get("good_for", ""),
        }
        for one in (*answer["models"], *(one for one in answer["known"] if one["name"] not in here))
    ]
    print_rows(rows, ("name", "size", "state", "deployments", "licence", "good for"), as_json=False)


@click.command("remove")
@click.argument("name")
@url_option
def remove(name: str, url: str | None) -> None:
    """Remove the pulled model NAME, or the part of it that was pulled so far."""
    removed = client_at(url).call("DELETE", f"{_PATH}/{quote(name, safe='')}")
    click.echo(f"removed {name}: {removed['freed_bytes'] / _MIB:,.0f} MiB are free again")


def _follow(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    """Pull, show the progress, and return the data of the last event.

    Raises:
        ApiError: the pull failed; a later one continues it.
        Unavailable: the answer broke off.
    """
    shown = _Shown(is_line_kept=not sys.stderr.isatty())
    for kind, data in _events(client.lines("POST", _PATH, body)):
        match kind:
            case "progress":
                shown.show(data)
            case "pulled":
                shown.end()
                return data
            case "error":
                shown.end()
                error = data["error"]
                raise ApiError(str(error["message"]), code=str(error["code"]), status=500)
            case _:
                pass
    raise Unavailable("the answer broke off; pull again to continue")


def _events(lines: Iterator[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = ""
    for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


class _Shown:
    """Shows the progress: in one line of a terminal, else in a line for every tenth."""

    def __init__(self, *, is_line_kept: bool) -> None:
        self._is_line_kept, self._tenth = is_line_kept, -1

    def show(self, data: dict[str, Any]) -> None:
        tenth = int(data["percent"] // 10)
        if self._is_line_kept and tenth == self._tenth:
            return
        self._tenth = tenth
        rate, left = data["bytes_per_s"], data["left_s"]
        speed = "" if rate is None else f", {rate / _MIB:,.1f} MiB/s"
        rest = "" if left is None else f", {left // 60:.0f} min {left % 60:.0f} s left"
        text = f"{data['percent']:5.1f} % of {data['size_bytes'] / _MIB:,.0f} MiB{speed}{rest}"
        click.echo(text if self._is_line_kept else f"\r\x1b[K{text}", nl=self._is_line_kept, err=True)

    def end(self) -> None:
        """End the line of a terminal."""
        if not self._is_line_kept and self._tenth >= 0:
            click.echo(err=True)


def _entries(name: str, alias: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries of the deployment and its alias."""
    clearance = {"level": "restricted", "custody": "organisation", "categories": list(CATEGORIES)}
    deployment = {
        "id": name,
        "provider": "local",
        "model": name,
        "context_tokens": CONTEXT_TOKENS,
        "clearance": clearance,
    }
    return deployment, {"id": alias, "deployments": [name]}


def _entry(section: str, name: str) -> str:
    return f"/api/entries/{section}/{quote(name, safe='')}"


COMMANDS = (pull, list_pulled, remove)
