"""The baseline: the built-in rules of all features, checked against one schema."""

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
"""Prefix of policy versions in records."""

_NONE: Mapping[str, tuple[str, ...]] = {}


class Pack(NamedTuple):
    """A checked baseline: its rules and their schema."""

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
        Invalid: a rule does not fit the schema, or is in the wrong file.
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
                    raise Conflict(f"{found[rule.id].source} and {source} both have a rule {rule.id}; rename one")
                found[rule.id] = rule
    return Pack(schema, tuple(found.values()))
