"""Completion of names by the shell. The server is asked for them, and only for a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem

from headgate.admin.client import Client, settings_from
from headgate.kernel.errors import HeadgateError

_PATIENCE_S = 0.5

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def names(kind: Literal["alias", "person", "use case"]) -> Complete:
    """Return the `shell_complete` callback for names of a kind. Without a server it offers nothing."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in _known(context, _PATHS[kind]) if name.startswith(incomplete)]

    return complete


def _known(context: click.Context, path: tuple[str, str]) -> Sequence[str]:
    url, listed = path
    try:
        client = Client.of(settings_from(context), url=context.params.get("url"), timeout_s=_PATIENCE_S)
        rows: list[dict[str, Any]] = client.call("GET", url)[listed]
    except HeadgateError:
        return ()
    return sorted(str(row["id"]) for row in rows)


_PATHS = {
    "alias": ("/api/models", "models"),
    "person": ("/api/entries/person", "entries"),
    "use case": ("/api/use-cases", "use_cases"),
}
"""The path of each list, and the name of the list in the response."""
