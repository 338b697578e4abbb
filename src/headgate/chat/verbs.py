"""The verbs of conversations of people, and of the answers that programs keep.

Rules on conversations may ask for the person whose conversation it is, and for its readers.
"""

from __future__ import annotations

from collections.abc import Collection

from headgate.admin import threads
from headgate.admin.commands import Command, CommandVerb
from headgate.kernel.action import Resource, Verb, VerbEffect

OWN = "own-conversation"
"""The group of the verbs of people on their own conversations."""

_ATTRIBUTES = {"owner": str, "readers": frozenset[str]}


def _verb(name: str, effect: VerbEffect, title: str, *groups: str) -> CommandVerb:
    return Verb(
        f"conversation.{name}",
        Command,
        object,
        object,
        effect=effect,
        title=title,
        groups=groups,
        attributes=_ATTRIBUTES,
    )


LIST = _verb("list", "read", "List and search own conversations", OWN)
READ = _verb("read", "read", "Read an own conversation", OWN)
CREATE = _verb("create", "write", "Begin a conversation", OWN)
SAY = _verb("say", "write", "Write in a conversation", OWN)
CHANGE = _verb("change", "write", "Change a conversation", OWN)
DELETE = _verb("delete", "write", "Delete a conversation", OWN)
SHARE = _verb("share", "write", "Share a conversation", OWN)
RATE = _verb("rate", "write", "Rate an answer", OWN)
OPEN = _verb("open", "read", "Open a conversation of somebody else")

VERBS = (LIST, READ, CREATE, SAY, CHANGE, DELETE, SHARE, RATE, OPEN, *threads.VERBS)


def conversation(conversation_id: str, *, owner: str, readers: Collection[str] = ()) -> Resource:
    """Return a conversation as the resource of an action."""
    return Resource("conversation", conversation_id, attributes={"owner": owner, "readers": frozenset(readers)})
