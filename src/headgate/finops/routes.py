"""Operations on usage: figures by any dimension, the overview, hits of rules, and a new count."""

from __future__ import annotations

from typing import Final, NamedTuple, cast, get_args

from headgate.admin.commands import Facts, digest_of
from headgate.admin.operations import Operation, Parameter
from headgate.admin.requests import Request
from headgate.finops.budget_routes import BUDGET_OPERATIONS
from headgate.finops.own_routes import OWN_OPERATIONS
from headgate.finops.parts import FinOps
from headgate.finops.reasons import words_of
from headgate.finops.requests import FILTERS, PERIOD, authorise, names_of, question_of
from headgate.finops.service import MAX_GROUPS, Order
from headgate.finops.store import DIMENSIONS, Dimension
from headgate.finops.verbs import USAGE_READ, USAGE_REBUILD
from headgate.finops.views import (
    ReasonView,
    RebuildAnswer,
    RuleUsage,
    RuleUsageList,
    UsageAnswer,
    UsageOverview,
    figures_view,
    percentiles_view,
    row_view,
    saved_view,
    steps_of,
)
from headgate.finops.what_if import WHAT_IF_OPERATIONS
from headgate.kernel.action import Resource
from headgate.kernel.errors import Invalid

_TIME: Final = "time"
_TOP: Final[tuple[Dimension, ...]] = ("use_case", "model", "person", "key")


async def get_usage(finops: FinOps, request: Request) -> UsageAnswer:
    """Return figures by the dimensions that the request names."""
    authorise(request)
    question = question_of(finops, request)
    by = _by(request)
    order = request.text("order") or "calls"
    if order not in get_args(Order):
        raise Invalid(f"order must be one of: {', '.join(get_args(Order))}", param="order")
    limit = request.number("limit", 100)
    if not 1 <= limit <= MAX_GROUPS:
        raise Invalid(f"limit must be from 1 to {MAX_GROUPS}", param="limit")
    rows = await finops.usage.rows(
        question,
        by=by.dimensions,
        in_steps=by.in_steps,
        order=cast("Order", order),
        limit=limit,
        compares=request.switch("compare"),
    )
    names = names_of(finops, request)
    period = question.period
    return UsageAnswer(
        since=period.since,
        until=period.until,
        grain=period.grain,
        step_s=period.step_s,
        rows=[row_view(row, names) for row in rows],
        saved=[saved_view(one) for one in await finops.usage.savings(question)],
    )


async def get_usage_overview(finops: FinOps, request: Request) -> UsageOverview:
    """Return everything that the overview shows."""
    authorise(request)
    question = question_of(finops, request)
    found = await finops.usage.overview(question, top=_TOP)
    names = names_of(finops, request)
    top = {name: [row_view(row, names) for row in rows] for name, rows in found.top.items()}
    models = [
        row_view(row, names, found.model_times.get(row.group.values["model"] or "")) for row in found.top["model"]
    ]
    period = question.period
    return UsageOverview(
        since=period.since,
        until=period.until,
        step_s=period.step_s,
        figures=figures_view(found.figures),
        before=figures_view(found.before),
        times=percentiles_view(found.times),
        times_before=percentiles_view(found.times_before),
        steps=steps_of(period.starts, found),
        use_cases=top["use_case"],
        models=models,
        people=top["person"],
        keys=top["key"],
        reasons=[
            ReasonView(text=words_of(one), outcome=one.outcome, error=one.error, rule=one.rule, calls=one.calls)
            for one in found.reasons
        ],
        saved=[saved_view(one) for one in await finops.usage.savings(question)],
        is_rebuilding=found.is_rebuilding,
    )


async def get_rule_usage(finops: FinOps, request: Request) -> RuleUsageList:
    """Return how often rules matched."""
    authorise(request)
    question = question_of(finops, request)
    found = await finops.usage.rules(question, rule=request.text("rule"), by_use_case=request.switch("by_use_case"))
    return RuleUsageList(
        since=question.period.since,
        until=question.period.until,
        rules=[
            RuleUsage(
                rule=one.rule,
                mode=one.mode,
                does=one.does,
                use_case=one.use_case,
                hits=one.hits,
                last_at=one.last_at,
            )
            for one in found
        ],
    )


async def rebuild_usage(finops: FinOps, request: Request) -> RebuildAnswer:
    """Count usage again from the records. Readers see the old figures until the new ones are complete."""

    async def do(facts: Facts) -> bool:
        has_begun = await finops.rollups.rebuild(request.tenant)
        facts["has_begun"] = has_begun
        return has_begun

    done = await request.perform(USAGE_REBUILD, Resource("usage", request.tenant), do, arguments=digest_of())
    return RebuildAnswer(has_begun=done.result)


class _By(NamedTuple):
    """What rows are grouped by."""

    dimensions: list[Dimension]
    in_steps: bool


def _by(request: Request) -> _By:
    names = set(filter(None, (request.text("by") or "").split(",")))
    if names - {*DIMENSIONS, _TIME}:
        raise Invalid(f"by takes any of {', '.join(DIMENSIONS)} and {_TIME}, with commas", param="by")
    return _By([name for name in DIMENSIONS if name in names], _TIME in names)


OPERATIONS = (
    Operation(
        "getUsage",
        "GET",
        "/api/usage",
        "Calls, cost and tokens by use case, person, key, model, deployment, outcome or time.",
        get_usage,
        answer=UsageAnswer,
        verb=USAGE_READ,
        parameters=(
            *PERIOD,
            *FILTERS,
            Parameter("by", f"Dimensions to group by, with commas: {', '.join(DIMENSIONS)}, time."),
            Parameter("order", f"Largest first by: {', '.join(get_args(Order))}. Groups of time are oldest first."),
            Parameter("limit", "At most this many rows, 1 to 20000; 100 by default.", "integer"),
            Parameter("compare", "Also return the figures of the period before, except by time.", "boolean"),
        ),
    ),
    Operation(
        "getUsageOverview",
        "GET",
        "/api/usage/overview",
        "Figures of a period: now, before, over time, the largest groups, and reasons.",
        get_usage_overview,
        answer=UsageOverview,
        verb=USAGE_READ,
        parameters=(*PERIOD, *FILTERS),
    ),
    Operation(
        "getRuleUsage",
        "GET",
        "/api/usage/rules",
        "How often each rule matched in a period.",
        get_rule_usage,
        answer=RuleUsageList,
        verb=USAGE_READ,
        parameters=(
            *PERIOD,
            Parameter("use_case", "Only records of this use case."),
            Parameter("rule", "Only this rule."),
            Parameter("by_use_case", "One row for each use case.", "boolean"),
        ),
    ),
    Operation(
        "rebuildUsage",
        "POST",
        "/api/usage/rebuild",
        "Count usage again from the records.",
        rebuild_usage,
        answer=RebuildAnswer,
        verb=USAGE_REBUILD,
    ),
    *OWN_OPERATIONS,
    *BUDGET_OPERATIONS,
    *WHAT_IF_OPERATIONS,
)
