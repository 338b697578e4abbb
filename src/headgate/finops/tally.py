"""Counts figures of records in memory, for one batch of the feed. Pure arithmetic, without I/O.

A call is a record of a verb that counts units and is not part of another verb's plan. So each call counts once: a call
that was tried once has one record, and the attempts of any other call are part of its plan, whose measures include
their cost. Rules count per record, attempts included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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


class Timed(NamedTuple):
    """A call's duration: how long, of which measure, and under which value of a facet."""

    facet: str
    value: str
    measure: Measure
    slot: int


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
class Tally:
    """The sums of one batch, by minute.

    Args:
        metered: see `metered_verbs`.
        words: of rules, once `hits` was read.
        durations_by_call: by use case, model, deployment, measure and slot.
        rule_sets: by use case and matched rules.
    """

    metered: Mapping[str, Collection[str]]
    cells: dict[tuple[Minute, Series], Sums] = field(default_factory=dict[tuple[Minute, Series], Sums])
    amounts: dict[tuple[Minute, tuple[Series, str]], int] = field(
        default_factory=dict[tuple[Minute, tuple[Series, str]], int]
    )
    reasons: dict[tuple[Minute, Reason], int] = field(default_factory=dict[tuple[Minute, Reason], int])
    words: dict[str, str] = field(default_factory=dict[str, str])
    durations_by_call: dict[tuple[Minute, str, str, str, Measure, int], int] = field(
        default_factory=dict[tuple[Minute, str, str, str, Measure, int], int]
    )
    rule_sets: dict[tuple[Minute, str, RuleSet], int] = field(default_factory=dict[tuple[Minute, str, RuleSet], int])

    def add(self, figures: Figures) -> None:
        """Count one record."""
        minute, use_case = figures.opened_at[:16], figures.use_case
        ruled = (minute, use_case, figures.rules)
        self.rule_sets[ruled] = self.rule_sets.get(ruled, 0) + 1
        units = self.metered.get(figures.verb)
        if units is not None:
            self._add_call(figures, minute, units)

    def durations(self) -> Iterator[tuple[tuple[Minute, Timed], int]]:
        """Return the durations under each facet; a key may come several times."""
        for (minute, use_case, model, deployment, measure, slot), calls in self.durations_by_call.items():
            yield (minute, Timed("all", "", measure, slot)), calls
            yield (minute, Timed("use_case", use_case, measure, slot)), calls
            yield (minute, Timed("model", model, measure, slot)), calls
            if deployment:
                yield (minute, Timed("deployment", deployment, measure, slot)), calls

    def hits(self) -> Iterator[tuple[tuple[Minute, Hit], int]]:
        """Return the hits of rules; a key may come several times. Notes the rules' words."""
        for (minute, use_case, rules), records in self.rule_sets.items():
            for hit in rules.hits:
                self.words[hit.id] = hit.reason
                yield (minute, Hit(use_case, hit.id, hit.does, hit.mode)), records

    def _add_call(self, figures: Figures, minute: Minute, units: Collection[str]) -> None:
        facts, outcome = figures.facts, figures.outcome
        resource, cost = figures.resource, facts.get("cost_micros")
        model = resource[len(_ALIAS) :] if resource.startswith(_ALIAS) else resource
        deployment = str(facts.get("destination") or facts.get("deployment") or "").removeprefix(_DEPLOYMENT)
        is_refused = outcome == "refused"
        if is_refused:
            deployment = ""
        is_priced = isinstance(cost, int)
        currency = str(facts.get("currency") or "") if is_priced else ""
        use_case, person, key = figures.use_case, figures.principal, figures.key_id
        series = Series("each", figures.verb, use_case, person, key, model, deployment, outcome, currency)
        cell = (minute, series)
        sums = self.cells.get(cell)
        if sums is None:
            sums = self.cells[cell] = [0] * len(MEASURES)
        sent, written = facts.get("input_tokens"), facts.get("output_tokens")
        sums[0] += 1
        sums[1] += _whole(sent)
        sums[2] += _whole(written)
        sums[3] += _whole(facts.get("cache_read_tokens"))
        sums[4] += _whole(cost)
        if not is_priced and (sent is not None or written is not None or outcome in _UNKNOWN_COST):
            sums[5] += 1
        if not is_refused:
            for name in facts:
                if name.startswith(_MASKED):
                    sums[6] += _whole(facts[name])
        for unit in units:
            if amount := _whole(facts.get(unit)):
                counted = (minute, (series, unit))
                self.amounts[counted] = self.amounts.get(counted, 0) + amount
        if outcome == "done":
            self._add_duration(minute, series, "whole", figures.duration_us)
            if (first_us := _whole(facts.get("first_item_us"))) > 0:
                self._add_duration(minute, series, "first", first_us)
        else:
            rule = str(facts.get("refused_by") or "").partition(",")[0]
            reasoned = (minute, Reason(use_case, model, outcome, figures.error, rule))
            self.reasons[reasoned] = self.reasons.get(reasoned, 0) + 1

    def _add_duration(self, minute: Minute, series: Series, measure: Measure, duration_us: int) -> None:
        timed = (minute, series.use_case, series.model, series.deployment, measure, slot_of(duration_us))
        self.durations_by_call[timed] = self.durations_by_call.get(timed, 0) + 1


def _whole(value: Fact) -> int:
    """Return a count; 0 for a fact that is missing or no number."""
    return value if isinstance(value, int) else 0


def start_of(minute: Minute, grain: Grain) -> str:
    """Return the RFC 3339 start of the span that has a minute."""
    return minute[: _CHARS[grain]] + _REST[grain]


def with_facets(cells: Mapping[tuple[Minute, Series], Sums]) -> dict[tuple[Minute, Series], Sums]:
    """Add the sums of every other facet to those of the facet `each`."""
    found = dict(cells)
    facets: dict[Series, tuple[Series, ...]] = {}
    for (minute, series), sums in cells.items():
        wider = facets.get(series)
        if wider is None:
            wider = facets[series] = tuple(series.of(facet) for facet in FACETS)
        for one in wider:
            add_sums(found, (minute, one), sums)
    return found


def add_sums(found: dict[Any, Sums], key: Any, sums: Sums) -> None:
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
