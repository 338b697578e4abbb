"""The baseline: the built-in rules of all features, checked against one schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cedarpy

from headgate.admin.features import Rules
from headgate.kernel.action import Verb
from headgate.kernel.errors import Conflict, Invalid
from headgate.policy.rules import Rule, checked_rules
from headgate.policy.schema import schema_text

BASELINE = "baseline-1"
"""Prefix of policy versions in records."""

_NONE: Mapping[str, tuple[str, ...]] = {}


class Baseline(NamedTuple):
    """A checked baseline: its rules, and their schema, compiled and as text."""

    schema: cedarpy.Schema
    rules: tuple[Rule, ...]
    schema_text: str


def compile_baseline(
    verbs: Iterable[Verb[Any, Any, Any]],
    rules: Sequence[Rules],
    *,
    older_verbs: Mapping[str, tuple[str, ...]] = _NONE,
) -> Baseline:
    """Read and check the rules of every feature.

    Raises:
        Invalid: a rule does not fit the schema, or is in the wrong file.
        Conflict: two rules have one id.
    """
    text = schema_text(verbs, older_verbs)
    schema = cedarpy.Schema.from_str(text)
    found: dict[str, Rule] = {}
    for feature in rules:
        for kind, rules_text in (("access", feature.access), ("duties", feature.duties)):
            source = f"baseline/{feature.name}/{kind}.cedar"
            for rule in checked_rules(rules_text, schema, source=source) if rules_text else ():
                if (rule.does == "duty") != (kind == "duties"):
                    raise Invalid(f"{source}: rule {rule.id} belongs in the other file", param=source)
                if rule.id in found:
                    raise Conflict(f"{found[rule.id].source} and {source} both have a rule {rule.id}; rename one")
                found[rule.id] = rule
    return Baseline(schema, tuple(found.values()), text)
