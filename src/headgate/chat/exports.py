"""Conversations as Markdown, for files and terminals."""

from __future__ import annotations

from typing import Any


def as_markdown(detail: dict[str, Any]) -> str:
    """Return the shown branch of a conversation, as the API gives it, as Markdown."""
    conversation = detail["conversation"]
    head = [f"# {conversation['title']}", f"{conversation['model']} · {conversation['use_case']}"]
    system = [f"## System prompt\n\n{detail['system']}"] if detail["system"] else []
    return "\n\n".join([*head, *system, *map(_turn, shown_branch(detail))]) + "\n"


def shown_branch(detail: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the turns of the branch that was looked at last, oldest first."""
    turns = {turn["id"]: turn for turn in detail["turns"]}
    at = turns.get(detail["shown"]) or (detail["turns"][-1] if detail["turns"] else None)
    branch: list[dict[str, Any]] = []
    while at is not None:
        branch.append(at)
        at = turns.get(at["parent"])
    return branch[::-1]


def _turn(turn: dict[str, Any]) -> str:
    who = "You" if turn["role"] == "user" else f"Answer ({turn['model']})"
    files = [f"Attached: {file['name']}" for file in turn["attachments"]]
    failed = [turn["error"]["message"]] if turn["error"] else []
    withheld = [f"Not shown: {turn['withheld']}"] if turn["withheld"] else []
    return "\n\n".join([f"## {who}", *files, *([turn["text"]] if turn["text"] else []), *failed, *withheld])
