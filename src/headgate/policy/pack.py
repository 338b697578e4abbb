"""The baseline: the rules that every tenant starts with, from all features, checked against one schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import cedarpy

from headgate.admin.features import Rules
from headgate.kernel.action import Verb
from headgate.kernel.errors import Conflict, Invalid
from headgate.policy.rules import Rule, checked_rules
from headgate.policy.schema import load_schema

BASELINE = "baseline-1"
"""What versions of a tenant's rules begin with, in records."""

_NONE: Mapping[str, tuple[str, ...]] = {}


class Pack(NamedTuple):
    """A checked baseline: the schema that all rules are written against, and its rules."""

    schema: cedarpy.Schema
    rules: tuple[Rule, ...]


def load_pack(
    verbs: Iterable[Verb[object, object, object]],
    rules: Sequence[Rules],
    *,
    older_verbs: Mapping[str, tuple[str, ...]] = _NONE,
) -> Pack:
    """Read and check the rules of every feature.

    Raises:
        Invalid: a rule does not fit the schema, or stands in the wrong file.
        Conflict: two rules have one id.
    """
    schema = load_schema(verbs, older_verbs)
    found: dict[str, Rule] = {}
    for feature in rules:
        for kind, text in (("access", feature.access), ("duties", feature.duties)):
            source = f"baseline/{feature.name}/{kind}.cedar"
            for rule in checked_rules(text, schema, source=source) if text else ():
                if (rule.does == "duty") != (kind == "duties"):
                    raise Invalid(f"{source}: rule {rule.id} belongs in the other file", param=source)
                if rule.id in found:
                    raise Conflict(f"rule {rule.id} stands in {found[rule.id].source} and in {source}; rename one")
                found[rule.id] = rule
    return Pack(schema, tuple(found.values()))
