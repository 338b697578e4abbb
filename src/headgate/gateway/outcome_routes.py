"""The operation on outcomes: what `prefer = "auto"` saved and cost, and a better threshold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request
from headgate.gateway.outcomes import BAND, AutoReport, Tier
from headgate.gateway.parts import Gateway
from headgate.gateway.verbs import MODEL_OUTCOMES
from headgate.kernel.action import Resource
from headgate.kernel.errors import Invalid

_MOST_DAYS = 366


class BandView(Body, frozen=True, kw_only=True):
    """Calls of difficulties from `score` to 9 more, and their bad outcomes."""

    score: int
    calls: int
    bad: int


class TierView(Body, frozen=True, kw_only=True):
    """The calls that a deployment of the alias answered.

    `failed` calls had an error, `again` were asked anew in the chat, and people marked `bad` and `good` answers.
    """

    deployment: str
    calls: int
    failed: int
    again: int
    bad: int
    good: int
    bad_share: float
    cost_micros: int
    bands: list[BandView]


class OutcomesView(Body, frozen=True, kw_only=True):
    """What the choices of an alias saved and cost since a time. Money is in micro-units of `currency`.

    `saved_micros` compares with sending every call to the last deployment. `more_bad` estimates the bad outcomes that
    the last deployment would have avoided. Both are null where the records do not tell. `is_cut`: the records of this
    time are more than one report reads, so it begins later.
    """

    alias: str
    since: datetime
    threshold: int
    calls: int
    tiers: list[TierView]
    currency: str
    saved_micros: int | None
    more_bad: float | None
    suggested: int
    why: str
    is_cut: bool


async def get_outcomes(gateway: Gateway, request: Request) -> OutcomesView:
    """Return the outcomes of an alias that prefers by difficulty."""
    request.authorise(MODEL_OUTCOMES, Resource("config", request.tenant))
    name, days = request.text("alias") or "", request.number("days", 30)
    if not 1 <= days <= _MOST_DAYS:
        raise Invalid(f"days must be from 1 to {_MOST_DAYS}", param="days")
    catalogue = gateway.catalogues(request.tenant)
    alias = catalogue.alias_of(name, asked=name)
    if alias.prefer != "auto":
        raise Invalid(f'{name} does not choose by difficulty; set prefer = "auto" first', param="alias")
    since = request.host.pipeline.clock.now() - timedelta(days=days)
    report = await gateway.outcomes.report(alias, catalogue.candidates(alias), since=since, tenant=request.tenant)
    return _view(name, since, alias.threshold, report)


def _view(alias: str, since: datetime, threshold: int, report: AutoReport) -> OutcomesView:
    return OutcomesView(
        alias=alias,
        since=since,
        threshold=threshold,
        calls=report.calls,
        tiers=_tiers(report.tiers),
        currency=report.currency,
        saved_micros=report.saved_micros,
        more_bad=report.more_bad,
        suggested=report.suggestion.threshold,
        why=report.suggestion.why,
        is_cut=report.is_cut,
    )


def _tiers(tiers: Sequence[Tier]) -> list[TierView]:
    return [
        TierView(
            deployment=one.deployment,
            calls=one.calls,
            failed=one.failed,
            again=one.again,
            bad=one.bad,
            good=one.good,
            bad_share=one.bad_share,
            cost_micros=one.cost_micros,
            bands=[BandView(score=band * BAND, calls=n[0], bad=n[1]) for band, n in sorted(one.by_band.items())],
        )
        for one in tiers
    ]


OPERATIONS = (
    Operation(
        "getOutcomes",
        "GET",
        "/api/models/outcomes",
        "What an alias with the preference auto saved and cost, and a better threshold.",
        get_outcomes,
        answer=OutcomesView,
        verb=MODEL_OUTCOMES,
        parameters=(
            Parameter("alias", "The alias."),
            Parameter("days", "Records of this many days; 30 by default.", "integer"),
        ),
    ),
)
