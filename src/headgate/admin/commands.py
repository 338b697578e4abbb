"""Commands: actions whose payload is a callback. One performer runs all of them.

Administration uses commands. Policy decides them, and they leave records, like model calls.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from headgate.kernel.action import AttributeType, Verb, VerbEffect
from headgate.kernel.errors import Invalid
from headgate.kernel.record import Fact
from headgate.kernel.run import Run

Facts = MutableMapping[str, Fact]
Do = Callable[[Facts], Awaitable[Any]]
CommandVerb = Verb["Command", Any, Any]


ADMINISTER = "administer"
"""The group of administrators' verbs."""

AUDIT = "audit"
"""The group of auditors' verbs."""


@dataclass(frozen=True, slots=True)
class Command:
    """The payload of an administrative action.

    Args:
        summary: facts for the record that are known beforehand; no content, secrets or personal data.
        arguments: SHA-256, in hex, of all inputs of `do`. It binds an approval to exactly this command.
        do: callback that makes the change and returns the result. It may add facts.
    """

    summary: Mapping[str, Fact]
    arguments: str
    do: Do = field(repr=False)


def command_verb(
    name: str,
    effect: VerbEffect,
    title: str,
    *groups: str,
    on: str = "",
    attributes: Mapping[str, AttributeType] = MappingProxyType({}),
) -> CommandVerb:
    """Return a verb with a command as payload. `on` and `attributes` describe its resource, as in `Verb`."""
    return Verb(name, Command, object, object, effect=effect, title=title, on=on, groups=groups, attributes=attributes)


class CommandPerformer:
    """Performs every verb with a command as payload, and adds the command's facts to the record."""

    async def run(self, run: Run[Command, Any, Any]) -> Any:
        """Run the command. Adds the summary first, so that the record of a failed command has it too."""
        run.facts.update(run.payload.summary)
        return await run.payload.do(run.facts)

    def stream(self, run: Run[Command, Any, Any]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Raise Invalid, because commands do not stream."""
        raise Invalid(f"{run.action.verb.name} cannot be streamed")


def digest_of(*arguments: Any) -> str:
    """Return the SHA-256, in hex, of a command's arguments. Accepts every type that msgspec encodes."""
    return hashlib.sha256(msgspec.json.encode(arguments, order="sorted")).hexdigest()


def summary(**facts: Fact) -> dict[str, Fact]:
    """Return facts for a record, without those that are None."""
    return {name: value for name, value in facts.items() if value is not None}
