"""`headgate knowledge`: add documents to collections, see how they stand, search and ask."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import ApiError, Client, client_at, settings_from, url_option
from headgate.admin.printing import as_json_option, plural, print_rows

_COLLECTION = ("id", "title", "owner", "documents", "passages", "waiting", "failed", "oldest")
_DOCUMENT = ("id", "state", "stage", "title", "pages", "passages", "as_of", "fault")
_SOURCE = ("id", "collection", "kind", "found", "changed", "removed", "failed", "ended_at", "fault")
_POLL_S = 0.5
_ASK_S = 600.0
"""A model on a slow machine takes minutes for an answer."""

_SHOWN = 3
_ABOUT_THE_FILE = (400, 413, 422)


@click.group()
def knowledge() -> None:
    """Collections of documents: add to them, search them, and ask them."""


@knowledge.command("collections")
@url_option
@as_json_option
def list_collections(url: str | None, as_json: bool) -> None:
    """List the collections that you may read."""
    answer = client_at(url).call("GET", "/api/knowledge/collections")
    print_rows(answer["collections"], _COLLECTION, as_json=as_json)


@knowledge.command("documents")
@click.argument("collection")
@click.option("--state", type=click.Choice(["waiting", "reading", "ready", "failed"]))
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor")
@url_option
@as_json_option
def list_documents(
    collection: str, state: str | None, limit: int, cursor: str | None, url: str | None, as_json: bool
) -> None:
    """List the documents of COLLECTION, newest first."""
    query = {"limit": limit, **({"state": state} if state else {}), **({"cursor": cursor} if cursor else {})}
    answer = client_at(url).call("GET", f"{_path(collection)}/documents?{urlencode(query)}")
    print_rows(answer["documents"], _DOCUMENT, as_json=as_json)
    if answer["next"] and not as_json:
        click.echo(f"more: --cursor {answer['next']}")


@knowledge.command("add")
@click.argument("collection")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wait/--no-wait", default=True, help="Wait until the files are read.")
@url_option
@as_json_option
def add(collection: str, files: tuple[Path, ...], wait: bool, url: str | None, as_json: bool) -> None:
    """Add FILES to COLLECTION. A file with the name of an earlier one replaces it."""
    client, added = client_at(url), list[dict[str, Any]]()
    refused = 0
    for file in files:
        data = base64.b64encode(file.read_bytes()).decode()
        try:
            added.append(client.call("POST", f"{_path(collection)}/documents", {"name": file.name, "data": data}))
        except ApiError as error:
            if error.api_status not in _ABOUT_THE_FILE:
                raise
            refused += 1
            click.echo(f"{file.name}: {error.message}", err=True)
    if wait:
        added = [_read(client, one) for one in added]
    print_rows(added, _DOCUMENT, as_json=as_json)
    if failed := refused + sum(one["state"] == "failed" for one in added):
        raise click.ClickException(f"{plural(failed, 'file')} could not be read")


@knowledge.command("retry")
@click.argument("document")
@url_option
def retry(document: str, url: str | None) -> None:
    """Read a document again, such as one that failed."""
    client_at(url).call("POST", f"/api/knowledge/documents/{quote(document, safe='')}/retry")
    click.echo(f"{document} is read again")


@knowledge.command("remove")
@click.argument("document")
@click.option("--yes", is_flag=True, help="Do not ask.")
@url_option
def remove(document: str, yes: bool, url: str | None) -> None:
    """Delete a document for good."""
    if not yes:
        click.confirm(f"Delete {document} for good?", abort=True)
    client_at(url).call("DELETE", f"/api/knowledge/documents/{quote(document, safe='')}")
    click.echo(f"{document} is deleted")


@knowledge.command("sources")
@url_option
@as_json_option
def list_sources(url: str | None, as_json: bool) -> None:
    """List the sources of your collections, and how their reading stands."""
    print_rows(client_at(url).call("GET", "/api/knowledge/sources")["sources"], _SOURCE, as_json=as_json)


@knowledge.command("sync")
@click.argument("source")
@click.option("--wait/--no-wait", default=False, help="Wait until the source is read.")
@url_option
@as_json_option
def sync(source: str, wait: bool, url: str | None, as_json: bool) -> None:
    """Read SOURCE now, and not only when it is due."""
    client = client_at(url)
    found = client.call("POST", f"/api/knowledge/sources/{quote(source, safe='')}/sync")
    while wait and found["ended_at"] is None and not found["fault"]:
        time.sleep(_POLL_S)
        every = client.call("GET", "/api/knowledge/sources")["sources"]
        found = next((one for one in every if one["id"] == source), {**found, "fault": "it was removed"})
    print_rows([found], _SOURCE, as_json=as_json)
    if wait and found["fault"]:
        raise click.ClickException(f"{source} was not read: {found['fault']}")


@knowledge.command("search")
@click.argument("question")
@click.option("--in", "collections", multiple=True, help="A collection. Default: all that you may read.")
@click.option("--limit", type=click.IntRange(1, 50), default=8, show_default=True)
@click.option("--use-case", help="The use case. A key has its own.")
@url_option
@as_json_option
def search(
    question: str, collections: tuple[str, ...], limit: int, use_case: str | None, url: str | None, as_json: bool
) -> None:
    """Find the passages that fit QUESTION best."""
    body: dict[str, Any] = {"question": question, "limit": limit, **_asked(collections, use_case)}
    answer = client_at(url).call("POST", "/api/knowledge/search", body)
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    for number, one in enumerate(answer["passages"], start=1):
        click.echo(f"[{number}] {_place(one)}\n{one['passage']['text']}\n")
    if not answer["passages"]:
        click.echo("No passage that you may read fits.")


@knowledge.command("ask")
@click.argument("question")
@click.option("--in", "collections", multiple=True, help="A collection. Default: all that you may read.")
@click.option("--model", help="The model that writes the answer. Default: quotations.")
@click.option("--use-case", help="The use case. A key has its own.")
@url_option
@as_json_option
def ask(
    question: str, collections: tuple[str, ...], model: str | None, use_case: str | None, url: str | None, as_json: bool
) -> None:
    """Answer QUESTION from documents, with citations."""
    body: dict[str, Any] = {"question": question, **_asked(collections, use_case)}
    if model:
        body["model"] = model
    client = Client.of(settings_from(click.get_current_context()), url=url, timeout_s=_ASK_S)
    answer = client.call("POST", "/api/knowledge/ask", body)
    if as_json:
        click.echo(json.dumps(answer, indent=1))
        return
    for sentence in answer["sentences"]:
        click.echo(f"{sentence['text']} {''.join(f'[{index + 1}]' for index in sentence['cites'])}")
    if answer["why"]:
        click.echo(answer["why"])
    if answer["passages"]:
        click.echo("\nSources:")
    cited = {index for sentence in answer["sentences"] for index in sentence["cites"]}
    for index, one in enumerate(answer["passages"]):
        if index in cited:
            click.echo(f"[{index + 1}] {_place(one)}")
        elif not cited and index < _SHOWN:
            click.echo(f"[{index + 1}] {_place(one)}\n{one['passage']['text']}\n")


def _asked(collections: tuple[str, ...], use_case: str | None) -> dict[str, Any]:
    return {
        **({"collections": list(collections)} if collections else {}),
        **({"use_case": use_case} if use_case else {}),
    }


def _place(one: dict[str, Any]) -> str:
    passage = one["passage"]
    headings = passage["headings"]
    parts = [one["title"], *headings[headings[:1] == [one["title"]] :], passage["part"]]
    pages = sorted({box["page"] for box in passage["boxes"]})
    if pages:
        parts.append(f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]}–{pages[-1]}")
    if one["name"] != one["title"]:
        parts.append(one["name"])
    stale = ", stale" if one["is_stale"] else ""
    return f"{' › '.join(part for part in parts if part)} ({one['collection_title']}, {one['as_of'][:10]}{stale})"


def _read(client: Client, document: dict[str, Any]) -> dict[str, Any]:
    """Wait until a document is read."""
    while document["state"] in ("waiting", "reading"):
        time.sleep(_POLL_S)
        path = f"/api/knowledge/documents/{quote(document['id'], safe='')}"
        document = client.call("GET", path)["document"]
    return document


def _path(collection: str) -> str:
    return f"/api/knowledge/collections/{quote(collection, safe='')}"


COMMANDS = (knowledge,)
