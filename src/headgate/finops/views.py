"""The admin API's bodies for usage. Money is in micro-units of its currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from headgate.admin.bodies import Body
from headgate.finops.budget_views import BudgetView
from headgate.finops.service import Figures, Overview, Percentiles, Row
from headgate.finops.store import Saved
from headgate.finops.tally import Grain


class CostView(Body, frozen=True, kw_only=True):
    """An amount of money."""

    currency: str
    micros: int


class FiguresView(Body, frozen=True, kw_only=True):
    """Sums of calls.

    `refused` includes withheld answers, and `failed` interrupted calls. `unpriced` calls have an unknown cost, which
    is not in `costs`. `cached_tokens` are part of `input_tokens`.
    """

    calls: int
    done: int
    refused: int
    failed: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    masked: int
    costs: list[CostView]
    unpriced: int


class PercentilesView(Body, frozen=True, kw_only=True):
    """Durations of successful calls in microseconds, at most 6 % off: whole, and until the first token."""

    p50_us: int | None
    p95_us: int | None
    first_p50_us: int | None
    first_p95_us: int | None


class UsageRow(Body, frozen=True, kw_only=True):
    """The figures of one group. Dimensions that the list is not grouped by are null.

    `person` is a pseudonym. `person_name` and `key_name` are names if the reader may know them. `before` are the
    figures of the previous period, or null if the request did not ask for them.
    """

    at: datetime | None = None
    verb: str | None = None
    use_case: str | None = None
    person: str | None = None
    person_name: str | None = None
    key: str | None = None
    key_name: str | None = None
    model: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    figures: FiguresView
    before: FiguresView | None = None
    times: PercentilesView | None = None


class CacheSaving(Body, frozen=True, kw_only=True):
    """Calls of a model that the cache answered, and what their answers cost when they were new."""

    model: str
    hits: int
    saved: CostView | None


class UsageAnswer(Body, frozen=True, kw_only=True):
    """Figures of groups in a period; `step_s` is the length of groups of time. `saved` is by model."""

    since: datetime
    until: datetime
    grain: Grain
    step_s: int
    rows: list[UsageRow]
    saved: list[CacheSaving]


class Step(Body, frozen=True, kw_only=True):
    """The figures of one step of time."""

    at: datetime
    figures: FiguresView
    times: PercentilesView | None


class ReasonView(Body, frozen=True, kw_only=True):
    """Why calls did not end well. `rule` is empty if no rule refused."""

    text: str
    outcome: str
    error: str
    rule: str
    calls: int


class UsageOverview(Body, frozen=True, kw_only=True):
    """Everything that the overview shows of a period.

    `before` is the period of the same length before it. `steps` are all steps of the period, oldest first. `times` is
    null if the filters are too fine for percentiles. `is_rebuilding`: usage is being counted again, and these figures
    are from before.
    """

    since: datetime
    until: datetime
    step_s: int
    figures: FiguresView
    before: FiguresView
    times: PercentilesView | None
    times_before: PercentilesView | None
    steps: list[Step]
    use_cases: list[UsageRow]
    models: list[UsageRow]
    people: list[UsageRow]
    keys: list[UsageRow]
    reasons: list[ReasonView]
    saved: list[CacheSaving]
    is_rebuilding: bool


class RuleUsage(Body, frozen=True, kw_only=True):
    """How often a rule matched. Under the mode `observe` it only noted what it would have done.

    A hit is a record, so a call with several attempts may have several.
    """

    rule: str
    mode: str
    does: str
    use_case: str | None
    hits: int
    last_at: datetime


class RuleUsageList(Body, frozen=True, kw_only=True):
    """The hits of rules in a period, most first."""

    since: datetime
    until: datetime
    rules: list[RuleUsage]


class OwnKey(Body, frozen=True, kw_only=True):
    """A key of the caller with what is left of its limits. Without a limit, its remainder is null too."""

    id: str
    name: str
    prefix: str
    use_case: str
    expires_at: datetime | None
    requests_per_minute: int | None
    requests_left: int | None
    cost_micros_per_day: int | None
    cost_micros_left: int | None
    currency: str


class OwnUseCase(Body, frozen=True, kw_only=True):
    """A use case that the caller may use models for."""

    id: str
    purpose: str
    is_owner: bool


class OwnUsage(Body, frozen=True, kw_only=True):
    """The caller's own usage, keys, use cases and models, and the budgets of their calls."""

    since: datetime
    until: datetime
    step_s: int
    figures: FiguresView
    before: FiguresView
    steps: list[Step]
    models: list[UsageRow]
    use_cases: list[UsageRow]
    keys: list[OwnKey]
    budgets: list[BudgetView]
    may_use: list[OwnUseCase]
    may_call: list[str]


class RebuildAnswer(Body, frozen=True, kw_only=True):
    """Whether a new count began; false if one was under way already."""

    has_begun: bool


def figures_view(figures: Figures) -> FiguresView:
    """Return the view of figures; the largest cost first."""
    return FiguresView(
        calls=figures.calls,
        done=figures.done,
        refused=figures.refused,
        failed=figures.failed,
        input_tokens=figures.input_tokens,
        output_tokens=figures.output_tokens,
        cached_tokens=figures.cached_tokens,
        masked=figures.masked,
        costs=[
            CostView(currency=currency, micros=micros)
            for currency, micros in sorted(figures.costs.items(), key=lambda one: (-one[1], one[0]))
        ],
        unpriced=figures.unpriced,
    )


def saved_view(saved: Saved) -> CacheSaving:
    """Return the view of a saving; without a known price it has no amount."""
    money = CostView(currency=saved.currency, micros=saved.saved_micros) if saved.currency else None
    return CacheSaving(model=saved.model, hits=saved.hits, saved=money)


def percentiles_view(times: Percentiles | None) -> PercentilesView | None:
    """Return the view of percentiles."""
    return None if times is None else PercentilesView(**times._asdict())


class Names(NamedTuple):
    """The names that a reader may see: of people by pseudonym, and of keys by id."""

    people: Mapping[str, str] = MappingProxyType({})
    keys: Mapping[str, str] = MappingProxyType({})


def row_view(row: Row, names: Names, times: Percentiles | None = None) -> UsageRow:
    """Return the view of a row."""
    person, key = row.group.values.get("person"), row.group.values.get("key")
    return UsageRow(
        at=row.group.at,
        person_name=None if person is None else names.people.get(person),
        key_name=None if key is None else names.keys.get(key) or None,
        figures=figures_view(row.figures),
        before=None if row.before is None else figures_view(row.before),
        times=percentiles_view(times),
        **row.group.values,
    )


def steps_of(starts: Sequence[datetime], overview: Overview) -> list[Step]:
    """Return every step of the period, those without calls included."""
    nothing = Figures()
    return [
        Step(
            at=start,
            figures=figures_view(overview.over_time.get(start, nothing)),
            times=percentiles_view(overview.times_over_time.get(start)),
        )
        for start in starts
    ]
