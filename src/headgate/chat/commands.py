"""`headgate conversations`: the conversations of the key's own person."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import click

from headgate.admin.client import client_at, url_option
from headgate.admin.printing import as_json_option, plural, print_rows
from headgate.chat.exports import as_markdown

_COLUMNS = ("id", "changed_at", "model", "use_case", "title")


@click.group()
def conversations() -> None:
    """List, search, show, export and delete your own conversations."""


@conversations.command("list")
@click.option("--shared", is_flag=True, help="List the conversations that others share with you.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor")
@url_option
@as_json_option
def list_conversations(shared: bool, limit: int, cursor: str | None, url: str | None, as_json: bool) -> None:
    """List conversations, newest first."""
    query = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
    path = "/api/conversations/shared" if shared else f"/api/conversations?{urlencode(query)}"
    answer = client_at(url).call("GET", path)
    print_rows(answer["conversations"], ("owner", *_COLUMNS) if shared else _COLUMNS, as_json=as_json)
    _tell_more(answer["next"], as_json=as_json)


@conversations.command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--cursor")
@url_option
@as_json_option
def search(words: tuple[str, ...], limit: int, cursor: str | None, url: str | None, as_json: bool) -> None:
    """Search messages and titles by the beginnings of WORDS."""
    query = {"q": " ".join(words), "limit": limit} | ({} if cursor is None else {"cursor": cursor})
    answer: dict[str, Any] = client_at(url).call("GET", f"/api/conversations/search?{urlencode(query)}")
    if as_json:
        click.echo(json.dumps(answer["hits"], indent=1))
        return
    rows = [{**hit["conversation"], "excerpt": hit["excerpt"]} for hit in answer["hits"]]
    print_rows(rows, ("id", "changed_at", "title", "excerpt"), as_json=False)
    _tell_more(answer["next"], as_json=False)


@conversations.command("show")
@click.argument("conversation")
@url_option
@as_json_option
def show(conversation: str, url: str | None, as_json: bool) -> None:
    """Show the branch of a conversation that was looked at last."""
    answer = client_at(url).call("GET", _path(conversation))
    click.echo(json.dumps(answer, indent=1) if as_json else as_markdown(answer))


@conversations.command("export")
@click.argument("conversation")
@click.option("--format", "form", type=click.Choice(["markdown", "json"]), default="markdown", show_default=True)
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-", help="The file. Default: print it.")
@url_option
def export(conversation: str, form: str, output: Any, url: str | None) -> None:
    """Export a conversation: the branch that was looked at last as Markdown, or all branches as JSON."""
    answer = client_at(url).call("GET", _path(conversation))
    output.write(as_markdown(answer) if form == "markdown" else json.dumps(answer, indent=1) + "\n")


@conversations.command("delete")
@click.argument("conversation")
@click.option("--yes", is_flag=True, help="Do not ask.")
@url_option
def delete(conversation: str, yes: bool, url: str | None) -> None:
    """Delete a conversation for good, with the content of the records of its calls."""
    if not yes:
        click.confirm(f"Delete {conversation}? Its text cannot be brought back.", abort=True)
    answer = client_at(url).call("DELETE", _path(conversation))
    click.echo(f"deleted, with {plural(answer['parts'], 'part')} of records; the records stay")


def _path(conversation: str) -> str:
    return f"/api/conversations/{quote(conversation, safe='')}"


def _tell_more(cursor: str | None, *, as_json: bool) -> None:
    if cursor and not as_json:
        click.echo(f"more: --cursor {cursor!r}")


COMMANDS = (conversations,)
