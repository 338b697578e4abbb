"""The engine: Cedar finds the matching rules in one call, and Headgate derives the decision from them.

The engine passes every rule to Cedar as a permit, because Cedar reports every matching permit, but after a denial only
the forbids. The decision over the enforced rules is

    deny   if a forbid matches, or a rule could not be evaluated (Cedar skips such rules), or no permit matches;
    ask    else if an `@does("ask")` matches;
    allow  else.

`would` is the same decision over all rules, including observing ones. A test compares it with Cedar's own decision.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cedarpy

from headgate.kernel.decision import NO_OBLIGATIONS, Effect, Mode, Obligations, RuleHit, effect_of
from headgate.kernel.errors import Conflict
from headgate.policy.rules import Rule, cedar_json

EVALUATION_RULE = "gate.evaluation"
"""The rule id of a refusal because Cedar could not evaluate the request."""

_ERRONEOUS = re.compile(r"policy `([^`]+)`")
_ORDER = {"deny": 0, "ask": 1, "duty": 2, "allow": 3}


class Question(NamedTuple):
    """A Cedar request; see `attributes.py`."""

    request: dict[str, Any]
    entities: str


class Matches(NamedTuple):
    """The matching rules, the rules with an evaluation error, and whether Cedar failed as a whole."""

    matched: tuple[Rule, ...]
    erroneous: tuple[Rule, ...]
    is_broken: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one request; the fields are those of the kernel's `Decision`."""

    effect: Effect
    would: Effect
    rules: tuple[RuleHit, ...]
    obligations: Obligations
    observed: Obligations


class Engine:
    """Compiled rules. Immutable, no I/O. A decision takes about 0.1 ms for any number of rules."""

    def __init__(self, rules: Iterable[Rule], *, schema: cedarpy.Schema) -> None:
        self.rules = {rule.id: rule for rule in rules}
        flat = {rule.id: {**rule.condition, "effect": "permit"} for rule in self.rules.values()}
        self._policies = cedarpy.PolicySet.from_json_str(cedar_json(flat))
        self._schema = schema
        # The schema has the groups of actions.
        self._actions = cedarpy.Entities.from_json_str("[]", schema)
        parts = [(rule.id, rule.does, rule.mode, rule.reason, rule.text) for rule in self.rules.values()]
        self.digest = hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()[:12]

    def decide(self, question: Question, *, observe: frozenset[str] = frozenset()) -> Verdict:
        """Evaluate the rules.

        Args:
            observe: ids of rules to set to observe; `*` sets every rule but permits, `!id` excepts one.
        """
        return self.conclude(self.matches(question), observe=observe)

    def matches(self, question: Question) -> Matches:
        """Let Cedar find the matching rules."""
        try:
            entities = self._actions.with_added_json_str(question.entities)
            answer = cedarpy.is_authorized(question.request, self._policies, entities, self._schema)
        except ValueError:
            return Matches((), (), is_broken=True)
        errors: Sequence[str] = answer.diagnostics.errors
        names = [found.group(1) if (found := _ERRONEOUS.search(error)) else "" for error in errors]
        return Matches(
            matched=tuple(self.rules[name] for name in answer.diagnostics.reasons),
            erroneous=tuple(self.rules[name] for name in dict.fromkeys(names) if name in self.rules),
            is_broken=answer.decision is cedarpy.Decision.NoDecision or not all(name in self.rules for name in names),
        )

    def conclude(self, matches: Matches, *, observe: frozenset[str]) -> Verdict:
        """Derive the verdict from the matching rules."""
        hits = [RuleHit(rule.id, rule.does, mode_of(rule, observe), rule.reason) for rule in matches.matched]
        hits += [
            RuleHit(
                rule.id,
                "deny",
                mode_of(rule, observe),
                "the rule could not be evaluated; ask an administrator to correct it",
            )
            for rule in matches.erroneous
        ]
        if matches.is_broken:
            hits.append(
                RuleHit(EVALUATION_RULE, "deny", "enforce", "the rules could not be evaluated for this request")
            )
        hits.sort(key=lambda hit: (_ORDER[hit.does], hit.id))
        enforced = [hit for hit in hits if hit.mode == "enforce"]
        return Verdict(
            effect=effect_of({hit.does for hit in enforced}),
            would=effect_of({hit.does for hit in hits}),
            rules=tuple(hits),
            obligations=self._obligations(enforced),
            observed=self._obligations(hit for hit in hits if hit.mode == "observe"),
        )

    def _obligations(self, hits: Iterable[RuleHit]) -> Obligations:
        joined = NO_OBLIGATIONS
        for hit in hits:
            if hit.does == "duty":
                joined = joined | self.rules[hit.id].obligations
        return joined


def mode_of(rule: Rule, observe: frozenset[str]) -> Mode:
    """Return a rule's mode under a use case's `observe` set.

    `!id` wins over `id`, and both win over the rule's own `@mode`. `@mode("always")` wins over everything. `*` does not
    cover permits, because an observing permit no longer allows anything; name a permit by its id.
    """
    if rule.mode == "always" or "!" + rule.id in observe:
        return "enforce"
    if rule.mode == "observe" or rule.id in observe:
        return "observe"
    return "observe" if "*" in observe and rule.does != "allow" else "enforce"


def compile_rules(groups: Iterable[Iterable[Rule]], *, schema: cedarpy.Schema) -> Engine:
    """Compile the rules of several sources into one engine; raises as `joined_rules` does."""
    return Engine(joined_rules(groups).values(), schema=schema)


def joined_rules(groups: Iterable[Iterable[Rule]]) -> dict[str, Rule]:
    """Return the rules of several sources by id.

    Raises:
        Conflict: two rules have the same id; the message names both sources.
    """
    rules: dict[str, Rule] = {}
    for rule in (rule for group in groups for rule in group):
        if rule.id in rules:
            raise Conflict(
                f"{rules[rule.id].source} and {rule.source} both have a rule {rule.id}; rename one", param=rule.source
            )
        rules[rule.id] = rule
    return rules
