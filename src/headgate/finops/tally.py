"""Counts figures of records in memory, for one batch of the feed. Pure arithmetic, without I/O.

A call is a record of a verb that counts units and is not part of another verb's plan. So each call counts once: a call
that was tried once has one record, and the attempts of any other call are part of its plan, whose measures include
their cost. Rules count per record, attempts included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from headgate.finops.slots import slot_of
from headgate.kernel.action import Verb
from headgate.kernel.ports import Figures, RuleSet
from headgate.kernel.record import Fact

Grain = Literal["minute", "hour", "day"]
Facet = Literal["each", "all", "use_case", "person", "key", "model", "deployment"]
Measure = Literal["whole", "first"]

GRAINS: Final[tuple[Grain, ...]] = ("minute", "hour", "day")
_CHARS: Final[dict[Grain, int]] = {"minute": len("2027-03-01T09:30"), "hour": len("2027-03-01T09"), "day": 10}
_REST: Final[dict[Grain, str]] = {"minute": ":00Z", "hour": ":00:00Z", "day": "T00:00:00Z"}
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens")
_ALIAS: Final = "alias:"
_DEPLOYMENT: Final = "deployment:"
_MASKED: Final = "masked."
_UNKNOWN_COST: Final = frozenset({"interrupted", "in_doubt"})


class Series(NamedTuple):
    """The dimensions of one sum. Dimensions that the facet leaves out are empty."""

    facet: Facet
    verb: str
    use_case: str
    person: str
    key: str
    model: str
    deployment: str
    outcome: str
    currency: str

    def of(self, facet: Facet) -> Series:
        """Return the series of another facet that includes this one."""
        return Series(
            facet,
            self.verb,
            self.use_case if facet == "use_case" else "",
            self.person if facet == "person" else "",
            self.key if facet == "key" else "",
            self.model if facet == "model" else "",
            self.deployment if facet == "deployment" else "",
            self.outcome,
            self.currency,
        )


Sums = list[int]
"""Calls, input, output and cached tokens, cost in micro-units, calls of unknown cost, masked values."""

MEASURES: Final = ("calls", "input_tokens", "output_tokens", "cached_tokens", "cost_micros", "unpriced", "masked")
FACETS: Final[tuple[Facet, ...]] = ("all", "use_case", "person", "key", "model", "deployment")


Timed = tuple[str, str, Measure, int]
"""A call's duration: under which facet and which value of it, of which measure, and its slot."""


class Hit(NamedTuple):
    """A rule that matched in a record of a use case."""

    use_case: str
    rule: str
    does: str
    mode: str


class Reason(NamedTuple):
    """Why a call did not end well: the first rule that refused, or the code of the error."""

    use_case: str
    model: str
    outcome: str
    error: str
    rule: str


Minute = str
"""The minute of a record, as the first 16 characters of its RFC 3339 time."""


def metered_verbs(verbs: Iterable[Verb[Any, Any, Any]]) -> Mapping[str, Collection[str]]:
    """Return the verbs whose records are calls, with their units that have no column of their own."""
    return {verb.name: frozenset(verb.units).difference(_TOKENS) for verb in verbs if verb.units and not verb.part_of}


@dataclass(slots=True)
class MinuteTally:
    """The sums of one minute, each under the dimensions of its calls.

    Args:
        cells: by series of the facet `each`.
        amounts: by series and unit.
        durations_by_call: by use case, model, deployment, measure and slot.
        rule_sets: records by use case and matched rules.
    """

    cells: dict[Series, Sums] = field(default_factory=dict[Series, Sums])
    amounts: dict[tuple[Series, str], int] = field(default_factory=dict[tuple[Series, str], int])
    reasons: dict[Reason, int] = field(default_factory=dict[Reason, int])
    durations_by_call: dict[tuple[str, str, str, Measure, int], int] = field(
        default_factory=dict[tuple[str, str, str, Measure, int], int]
    )
    rule_sets: dict[tuple[str, RuleSet], int] = field(default_factory=dict[tuple[str, RuleSet], int])

    def durations(self) -> dict[Timed, int]:
        """Return the durations under each facet."""
        found: dict[Timed, int] = {}
        for (use_case, model, deployment, measure, slot), calls in self.durations_by_call.items():
            facets: tuple[Timed, ...] = (
                ("all", "", measure, slot),
                ("use_case", use_case, measure, slot),
                ("model", model, measure, slot),
                ("deployment", deployment, measure, slot),
            )
            for timed in facets:
                found[timed] = found.get(timed, 0) + calls
        return {timed: calls for timed, calls in found.items() if timed[1] or timed[0] != "deployment"}

    def hits(self) -> dict[Hit, int]:
        """Return the hits of rules."""
        found: dict[Hit, int] = {}
        for (use_case, rules), records in self.rule_sets.items():
            for rule in rules.hits:
                hit = Hit(use_case, rule.id, rule.does, rule.mode)
                found[hit] = found.get(hit, 0) + records
        return found


@dataclass(slots=True)
class Tally:
    """The sums of one batch, by minute.

    Args:
        metered: see `metered_verbs`.
    """

    metered: Mapping[str, Collection[str]]
    minutes: dict[Minute, MinuteTally] = field(default_factory=dict[Minute, MinuteTally])

    @property
    def series(self) -> set[Series]:
        """The series of the facet `each`."""
        return {series for one in self.minutes.values() for series in one.cells}

    @property
    def words(self) -> dict[str, str]:
        """The words of the rules that matched."""
        sets = {rules for one in self.minutes.values() for _, rules in one.rule_sets}
        return {hit.id: hit.reason for rules in sets for hit in rules.hits}

    def of(self, minute: Minute) -> MinuteTally:
        """Return the sums of a minute, to add to."""
        found = self.minutes.get(minute)
        if found is None:
            found = self.minutes[minute] = MinuteTally()
        return found

    def add(self, figures: Figures) -> None:
        """Count one record."""
        minute = self.of(figures.opened_at[:16])
        ruled = (figures.use_case, figures.rules)
        minute.rule_sets[ruled] = minute.rule_sets.get(ruled, 0) + 1
        units = self.metered.get(figures.verb)
        if units is not None:
            _add_call(minute, figures, units)


def _add_call(minute: MinuteTally, figures: Figures, units: Collection[str]) -> None:
    facts, outcome, use_case = figures.facts, figures.outcome, figures.use_case
    model, cost = figures.resource.removeprefix(_ALIAS), facts.get("cost_micros")
    is_refused, is_priced = outcome == "refused", isinstance(cost, int)
    deployment = "" if is_refused else str(facts.get("destination") or facts.get("deployment") or "")
    deployment = deployment.removeprefix(_DEPLOYMENT)
    currency = str(facts.get("currency") or "") if is_priced else ""
    series = Series(
        "each", figures.verb, use_case, figures.principal, figures.key_id, model, deployment, outcome, currency
    )
    sums = minute.cells.get(series)
    if sums is None:
        sums = minute.cells[series] = [0] * len(MEASURES)
    sent, written = facts.get("input_tokens"), facts.get("output_tokens")
    sums[0] += 1
    sums[1] += _whole(sent)
    sums[2] += _whole(written)
    sums[3] += _whole(facts.get("cache_read_tokens"))
    sums[4] += _whole(cost)
    if not is_priced and (sent is not None or written is not None or outcome in _UNKNOWN_COST):
        sums[5] += 1
    if not is_refused:
        for name in _masked(tuple(facts)):
            sums[6] += _whole(facts[name])
    for unit in units:
        if amount := _whole(facts.get(unit)):
            minute.amounts[series, unit] = minute.amounts.get((series, unit), 0) + amount
    if outcome == "done":
        if "provider_batch" in facts:  # its time is that of the queue of the provider's batches, of up to a day
            return
        durations: tuple[tuple[Measure, int], ...] = (
            ("whole", figures.duration_us),
            ("first", _whole(facts.get("first_item_us"))),
        )
        for measure, duration_us in durations:
            if measure == "whole" or duration_us > 0:
                timed = (use_case, model, deployment, measure, slot_of(duration_us))
                minute.durations_by_call[timed] = minute.durations_by_call.get(timed, 0) + 1
    else:
        rule = str(facts.get("refused_by") or "").partition(",")[0]
        reason = Reason(use_case, model, outcome, figures.error, rule)
        minute.reasons[reason] = minute.reasons.get(reason, 0) + 1


@lru_cache(maxsize=4096)
def _masked(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the facts that count masked values."""
    return tuple(name for name in names if name.startswith(_MASKED))


def _whole(value: Fact) -> int:
    """Return a count; 0 for a fact that is missing or no number."""
    return value if isinstance(value, int) else 0


def start_of(minute: Minute, grain: Grain) -> str:
    """Return the RFC 3339 start of the span that has a minute."""
    return minute[: _CHARS[grain]] + _REST[grain]


def add_sums(found: dict[int, Sums], key: int, sums: Sums) -> None:
    """Add sums to those under a key. Without a loop, as this runs many times for each record."""
    known = found.get(key)
    if known is None:
        found[key] = sums[:]
        return
    known[0] += sums[0]
    known[1] += sums[1]
    known[2] += sums[2]
    known[3] += sums[3]
    known[4] += sums[4]
    known[5] += sums[5]
    known[6] += sums[6]
