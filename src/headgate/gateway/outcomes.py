"""Recorded outcomes of an alias with `prefer = "auto"`: what its choices saved and cost, and a better threshold.

An outcome is what the records say, which is little:

- a call that failed at its deployment,
- a question that a person asked again in the console's chat, counted against the earlier answer,
- an answer that a person marked as bad in the console's chat.

Programs leave no more than errors. An answer that nobody complained about counts as good, so the share of bad ones is a
lower bound, and harder questions go to dearer deployments, so their shares are not of equal questions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from headgate.gateway.catalogue import Alias
from headgate.gateway.pricing import cost_micros
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Figures, Records
from headgate.wire.model_call import MODEL_INVOKE, Deployment, Usage

BAND: Final = 10
"""Scores are counted in bands of this width."""
_RATE: Final = "conversation.rate"
_PAGE: Final = 2_000
MOST_READ: Final = 200_000
"""The most records that one report reads, the newest ones."""
_FEWEST_CALLS: Final = 50
_FEWEST_IN_BAND: Final = 10
_USUAL_BAD: Final = 0.05
_MARGIN: Final = 0.02


@dataclass(slots=True)
class Tier:
    """The calls that one deployment answered. Costs are micro-units of `currency`.

    Args:
        dearest_micros: what the same tokens would have cost at the most premium deployment, of calls with a known
            price there.
        priced_micros: the cost of those calls.
    """

    deployment: str
    calls: int = 0
    failed: int = 0
    again: int = 0
    bad: int = 0
    good: int = 0
    cost_micros: int = 0
    priced_micros: int = 0
    dearest_micros: int = 0
    currency: str = ""
    by_band: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Calls and bad outcomes by band."""

    @property
    def bad_share(self) -> float:
        """The share of calls with a bad outcome."""
        return min(1.0, (self.failed + self.again + self.bad) / self.calls) if self.calls else 0.0

    def note(self, score: int, *, calls: int = 0, bad: int = 0) -> None:
        """Count calls and bad outcomes of a score."""
        band = self.by_band.setdefault(score // BAND, [0, 0])
        band[0] += calls
        band[1] += bad


class Suggestion(NamedTuple):
    """A threshold with its reason in words."""

    threshold: int
    why: str


class AutoReport(NamedTuple):
    """What the choices of an alias saved and cost.

    Args:
        saved_micros: against sending every call to the most premium deployment; None without known prices.
        more_bad: the estimated number of bad outcomes that the premium deployment would have avoided; None where
            there are too few outcomes to tell.
        is_cut: whether there were more records than one report reads.
    """

    tiers: Sequence[Tier]
    calls: int
    currency: str
    saved_micros: int | None
    more_bad: float | None
    suggestion: Suggestion
    is_cut: bool


class OutcomeReader:
    """Reads the outcomes of aliases from the feed of records."""

    def __init__(self, records: Callable[[], Records]) -> None:
        self._records = records

    async def report(
        self, alias: Alias, candidates: Sequence[Deployment], *, since: datetime, tenant: TenantId
    ) -> AutoReport:
        """Return the report of an alias since a time. Costs one query for 2,000 records."""
        records, begin = self._records(), f"{since:%Y-%m-%dT%H:%M:%S}"
        end = await self._end(records, tenant)
        first = await self._first(records, begin, end=end, tenant=tenant)
        start = max(first, end - MOST_READ)
        outcomes = _Outcomes(alias, candidates, begin)
        cursor = None if start <= 0 else str(start - 1)
        while (page := await records.figures_after(cursor, tenant=tenant, limit=_PAGE)).cursor is not None:
            await asyncio.to_thread(outcomes.add_all, page.figures)
            cursor = page.cursor
        return outcomes.report(is_cut=start > first)

    async def _end(self, records: Records, tenant: TenantId) -> int:
        """Return a place after the last record, at most twice as far."""
        end = 1
        while (await records.figures_after(str(end), tenant=tenant, limit=1)).cursor is not None:
            end *= 2
        return end

    async def _first(self, records: Records, begin: str, *, end: int, tenant: TenantId) -> int:
        """Return the place of the first record since a time: records of a log are nearly in the order of time."""
        low, high = 0, end
        while low < high:
            middle = (low + high) // 2
            page = await records.figures_after(str(middle), tenant=tenant, limit=1)
            opened = next((one.opened_at for one in page.figures), None)
            if opened is None or opened >= begin:
                high = middle
            else:
                low = middle + 1
        return low


class _Outcomes:
    """Counts the outcomes of one alias."""

    def __init__(self, alias: Alias, candidates: Sequence[Deployment], begin: str) -> None:
        self._alias = alias
        self._begin = begin
        self._premium = candidates[-1] if candidates else None
        self._tiers = {one.id: Tier(one.id) for one in candidates}
        self._rated: dict[tuple[str, str], bool] = {}

    def add_all(self, figures: Iterable[Figures]) -> None:
        """Count a page of records."""
        for one in figures:
            if one.opened_at < self._begin:
                continue
            if one.verb == MODEL_INVOKE.name and one.resource == f"alias:{self._alias.name}":
                self._add(one)
            elif one.verb == _RATE and one.facts.get("alias") == self._alias.name:
                self._rate(one)

    def _add(self, figures: Figures) -> None:
        facts, score = figures.facts, figures.facts.get("difficulty")
        deployment = str(facts.get("destination") or facts.get("deployment") or "").removeprefix("deployment:")
        tier = self._tiers.get(deployment)
        if not isinstance(score, int) or tier is None or figures.outcome not in ("done", "failed"):
            return
        is_failed = figures.outcome == "failed"
        tier.calls += 1
        tier.failed += is_failed
        tier.note(score, calls=1, bad=int(is_failed))
        if "again" in facts:
            # The earlier answer was of the same question, so most likely of the same deployment.
            tier.again += 1
            tier.note(score, bad=1)
        self._price(tier, facts)

    def _price(self, tier: Tier, facts: Mapping[str, object]) -> None:
        cost, sent, written = facts.get("cost_micros"), facts.get("input_tokens"), facts.get("output_tokens")
        if not isinstance(cost, int):
            return
        tier.cost_micros += cost
        tier.currency = str(facts.get("currency") or tier.currency)
        premium = None if self._premium is None else self._premium.price
        if premium is None or not isinstance(sent, int) or not isinstance(written, int):
            return
        cached = facts.get("cache_read_tokens")
        usage = Usage(sent, written, cache_read_tokens=cached if isinstance(cached, int) else 0)
        dearest = cost_micros(usage, premium)
        if dearest is not None and tier.currency in ("", premium.currency):
            tier.priced_micros += cost
            tier.dearest_micros += dearest

    def _rate(self, figures: Figures) -> None:
        facts = figures.facts
        tier = self._tiers.get(str(facts.get("deployment") or ""))
        key = (figures.principal, str(facts.get("rated")))
        score, is_good = facts.get("difficulty"), facts.get("is_good") is True
        if tier is None or not isinstance(score, int) or self._rated.get(key) is is_good:
            return
        if key in self._rated:  # the person changed their mind
            tier.bad += 1 if not is_good else -1
            tier.good += 1 if is_good else -1
            tier.note(score, bad=1 if not is_good else -1)
        else:
            tier.bad += not is_good
            tier.good += is_good
            tier.note(score, bad=int(not is_good))
        self._rated[key] = is_good

    def report(self, *, is_cut: bool) -> AutoReport:
        """Return the report."""
        tiers = list(self._tiers.values())
        premium = self._premium
        priced = [one for one in tiers if one.dearest_micros]
        saved = sum(one.dearest_micros - one.priced_micros for one in priced) if priced else None
        return AutoReport(
            tiers=tiers,
            calls=sum(one.calls for one in tiers),
            currency="" if premium is None or premium.price is None else premium.price.currency,
            saved_micros=saved,
            more_bad=_more_bad(tiers),
            suggestion=suggestion(tiers, threshold=self._alias.threshold),
            is_cut=is_cut,
        )


def _more_bad(tiers: Sequence[Tier]) -> float | None:
    """Estimate the bad outcomes that the most premium deployment would have avoided."""
    *cheaper, premium = tiers or [Tier("")]
    if premium.calls < _FEWEST_CALLS or sum(one.calls for one in cheaper) < _FEWEST_CALLS:
        return None
    return sum(max(0.0, one.bad_share - premium.bad_share) * one.calls for one in cheaper)


def suggestion(tiers: Sequence[Tier], *, threshold: int) -> Suggestion:
    """Return a threshold: the lowest band in which the cheapest deployment is clearly worse than allowed.

    Allowed is the share of bad outcomes of the most premium deployment, or 5 % without enough calls, and 2 points more.
    Above the present threshold there are no outcomes of the cheapest deployment, so a threshold rises by one band.
    """
    if len(tiers) < 2 or tiers[0].calls < _FEWEST_CALLS:
        calls = tiers[0].calls if tiers else 0
        return Suggestion(threshold, f"too few calls to tell: {calls} of at least {_FEWEST_CALLS}")
    cheapest, premium = tiers[0], tiers[-1]
    base = premium.bad_share if premium.calls >= _FEWEST_CALLS else _USUAL_BAD
    allowed = base + _MARGIN
    for band in sorted(cheapest.by_band):
        calls, bad = cheapest.by_band[band]
        if calls >= _FEWEST_IN_BAND and bad / calls > allowed:
            why = (
                f"{cheapest.deployment} has {bad} bad outcomes in {calls} calls of difficulty {band * BAND} to"
                f" {band * BAND + BAND - 1}, which is over {allowed:.0%}"
            )
            return Suggestion(band * BAND, why)
    raised = min(100, (threshold // BAND + 1) * BAND)
    why = f"{cheapest.deployment} is good enough up to {threshold}: at most {allowed:.0%} bad outcomes in each band"
    return Suggestion(raised, f"{why}. The next step shows more")
