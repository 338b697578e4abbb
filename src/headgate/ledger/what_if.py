"""What a rule would have changed in past calls if it had had another mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headgate.kernel.decision import Effect, Mode, effect_of
from headgate.ledger.leaves import LeafRule
from headgate.ledger.reader import StoredRecord

Difference = Literal["refused", "asked", "allowed", "more_duties", "fewer_duties"]
"""The difference for one call: another effect, or the duties of the rule come or go."""

_SEVERITY: Sequence[Difference] = ("refused", "asked", "allowed", "more_duties", "fewer_duties")
_EFFECTS: dict[Effect, Difference] = {Effect.DENY: "refused", Effect.ASK: "asked", Effect.ALLOW: "allowed"}

MOST_EXAMPLES = 20

_MASKED = "masked."
"""Prefix of the facts that count masked values by kind."""


@dataclass(frozen=True, slots=True)
class _Call:
    """The first difference of a call, most serious first, with the record that shows it."""

    difference: Difference
    record: StoredRecord


@dataclass(slots=True)
class WhatIf:
    """Counts calls by their difference, over records in any order.

    Args:
        rule: id of the rule.
        mode: the mode that it would have had.
    """

    rule: str
    mode: Mode
    _calls: dict[str, _Call | None] = field(default_factory=dict[str, _Call | None])

    def add(self, records: Iterable[StoredRecord]) -> None:
        """Count more records. The attempts of one call count once."""
        for record in records:
            call = record.root or record.id
            known = self._calls.setdefault(call, None)
            difference = difference_of(record.rules, rule=self.rule, mode=self.mode)
            if difference is None:
                continue
            if known is None or _SEVERITY.index(difference) < _SEVERITY.index(known.difference):
                self._calls[call] = _Call(difference, record)

    @property
    def calls(self) -> int:
        """The number of calls in which the rule matched."""
        return len(self._calls)

    def count(self, difference: Difference) -> int:
        """Return the number of calls with this difference."""
        return sum(call is not None and call.difference == difference for call in self._calls.values())

    @property
    def unmasked(self) -> Mapping[str, int] | None:
        """The values by kind that calls with fewer duties would have sent unmasked.

        None where another duty applied to one of these calls, because records do not say which duty masked a value.
        """
        found: Counter[str] = Counter()
        for call in self._calls.values():
            if call is None or call.difference != "fewer_duties":
                continue
            record = call.record
            if any(one.does == "duty" and one.mode == "enforce" and one.id != self.rule for one in record.rules):
                return None
            for name, count in record.facts.items():
                if name.startswith(_MASKED) and isinstance(count, int):
                    found[name.removeprefix(_MASKED)] += count
        return dict(sorted(found.items()))

    @property
    def models(self) -> Sequence[str]:
        """The models and destinations of the calls with a difference."""
        return sorted({call.record.resource.partition(":")[2] for call in self._calls.values() if call is not None})

    @property
    def examples(self) -> list[tuple[Difference, StoredRecord]]:
        """The newest calls with a difference, most serious first; at most 20."""
        found = [call for call in self._calls.values() if call is not None]
        found.sort(key=lambda call: call.record.id, reverse=True)
        found.sort(key=lambda call: _SEVERITY.index(call.difference))
        return [(call.difference, call.record) for call in found[:MOST_EXAMPLES]]


def difference_of(rules: Sequence[LeafRule], *, rule: str, mode: Mode) -> Difference | None:
    """Return the difference for one decision, or None.

    Args:
        rules: the rules that matched, with the modes that they had.
    """
    hit = next((one for one in rules if one.id == rule), None)
    if hit is None or hit.mode == mode:
        return None
    others = {one.does for one in rules if one.mode == "enforce" and one.id != rule}
    was, is_now = (others | {hit.does}, others) if mode == "observe" else (others, others | {hit.does})
    before, after = effect_of(was), effect_of(is_now)
    if before is not after:
        return _EFFECTS[after]
    if hit.does != "duty" or after is Effect.DENY:
        return None
    return "fewer_duties" if mode == "observe" else "more_duties"
