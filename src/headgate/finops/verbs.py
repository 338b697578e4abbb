"""The verbs of usage."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, AUDIT, Command, CommandVerb, command_verb
from headgate.kernel.action import Verb

USAGE_READ: CommandVerb = Verb(
    "usage.read",
    Command,
    object,
    object,
    effect="read",
    title="See usage and cost",
    groups=(AUDIT,),
    attributes={"owner": str},
)
"""Reads figures. `resource.owner` is the owner of their use case; empty for figures of all use cases."""

USAGE_REBUILD = command_verb("usage.rebuild", "write", "Count usage again", ADMINISTER)

VERBS = (USAGE_READ, USAGE_REBUILD)
