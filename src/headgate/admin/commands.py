"""Commands: actions whose payload is what to do. One performer does them all.

Administration is made of them: each is decided, recorded and counted like a model call, and needs no performer of its
own.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headgate.kernel.action import Verb, VerbEffect
from headgate.kernel.errors import Invalid
from headgate.kernel.record import Fact
from headgate.kernel.run import Run

Facts = MutableMapping[str, Fact]
Do = Callable[[Facts], Awaitable[Any]]
CommandVerb = Verb["Command", Any, Any]

ADMINISTER = "administer"
"""The group of verbs that administrators may do."""

AUDIT = "audit"
"""The group of verbs that auditors may do."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to be done.

    Args:
        summary: facts for the record, known before; no content, no secrets, no personal data.
        arguments: SHA-256, in hex, of everything that decides what `do` does, so that an approval of this command is
            no approval of another one.
        do: does it and returns the result; may add facts that are known only afterwards.
    """

    summary: Mapping[str, Fact]
    arguments: str
    do: Do = field(repr=False)


def command_verb(name: str, effect: VerbEffect, title: str, *groups: str, on: str = "") -> CommandVerb:
    """Return a verb whose payload is a command; `on` is the kind of resource that it is usually done to."""
    return Verb(name, Command, object, object, effect=effect, title=title, on=on, groups=groups)


class CommandPerformer:
    """Performs every verb whose payload is a command: runs it and notes what it says of itself."""

    async def run(self, run: Run[Command, Any, Any]) -> Any:
        """Do it. The summary is noted first, so that a failure tells what was tried."""
        run.facts.update(run.payload.summary)
        return await run.payload.do(run.facts)

    def stream(self, run: Run[Command, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Refuse: commands have no items."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")


def digest_of(*arguments: Any) -> str:
    """Return the SHA-256, in hex, that a command's approval is bound to; takes what msgspec can encode."""
    return hashlib.sha256(msgspec.json.encode(arguments, order="sorted")).hexdigest()


def summary(**facts: Fact) -> dict[str, Fact]:
    """Return facts for a record, without those that are None."""
    return {name: value for name, value in facts.items() if value is not None}
