"""What the calls of a month would have cost on another model, from the recorded tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation, Parameter
from headgate.admin.recosting import Priced, TokenSum
from headgate.admin.requests import Request
from headgate.finops.focus import Month, month_of
from headgate.finops.parts import FinOps
from headgate.finops.periods import Period
from headgate.finops.requests import FILTERS, authorise, question_of
from headgate.finops.service import MAX_GROUPS, Figures, Row
from headgate.finops.verbs import USAGE_READ
from headgate.finops.views import CostView
from headgate.kernel.errors import Invalid

_DAY_S: Final = 86_400


class WhatIfRow(Body, frozen=True, kw_only=True):
    """The calls that a deployment answered for an alias. `would` is null if a necessary price is unknown."""

    model: str
    deployment: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    costs: list[CostView]
    unpriced: int
    would: CostView | None


class WhatIf(Body, frozen=True, kw_only=True):
    """What a month cost, and what the same tokens would have cost at today's price of `price_of`.

    Other models count tokens and cache prompts in another way, and write longer or shorter answers, so `would` is an
    estimate. `price` names the price as records do.
    """

    month: str
    since: datetime
    until: datetime
    price_of: str
    price: str
    rows: list[WhatIfRow]
    calls: int
    costs: list[CostView]
    unpriced: int
    would: CostView | None


async def what_if(finops: FinOps, request: Request) -> WhatIf:
    """Return what a month would have cost on another model."""
    authorise(request)
    target = request.text("price_of")
    if not target:
        raise Invalid("name a deployment, or a model such as openai/gpt-4o", param="price_of")
    month = _month(request.text("month"), finops.clock.now())
    priced = finops.recosting(request.tenant, target)
    period = Period(month.start, min(month.end, finops.clock.now()), _DAY_S, "day")
    question = replace(question_of(finops, request), period=period)
    rows = await finops.usage.rows(
        question, by=("model", "deployment"), in_steps=False, order="cost", limit=MAX_GROUPS, compares=False
    )
    return _answer(
        month, target, priced, [row for row in rows if row.figures.input_tokens or row.figures.output_tokens]
    )


def _answer(month: Month, target: str, priced: Priced, rows: Iterable[Row]) -> WhatIf:
    total, would, is_known = Figures(), 0, True
    views: list[WhatIfRow] = []
    for row in rows:
        figures = row.figures
        cost = priced.cost(TokenSum(figures.calls, figures.input_tokens, figures.output_tokens, figures.cached_tokens))
        is_known = is_known and cost is not None
        would += cost or 0
        total.calls += figures.calls
        total.unpriced += figures.unpriced
        for currency, micros in figures.costs.items():
            total.costs[currency] = total.costs.get(currency, 0) + micros
        views.append(_row(row, None if cost is None else CostView(currency=priced.currency, micros=cost)))
    return WhatIf(
        month=f"{month.start:%Y-%m}",
        since=month.start,
        until=month.end,
        price_of=target,
        price=priced.version,
        rows=views,
        calls=total.calls,
        costs=_costs(total),
        unpriced=total.unpriced,
        would=CostView(currency=priced.currency, micros=would) if is_known else None,
    )


def _row(row: Row, would: CostView | None) -> WhatIfRow:
    figures = row.figures
    return WhatIfRow(
        model=row.group.values.get("model") or "",
        deployment=row.group.values.get("deployment") or "",
        calls=figures.calls,
        input_tokens=figures.input_tokens,
        output_tokens=figures.output_tokens,
        cached_tokens=figures.cached_tokens,
        costs=_costs(figures),
        unpriced=figures.unpriced,
        would=would,
    )


def _costs(figures: Figures) -> list[CostView]:
    return [CostView(currency=currency, micros=micros) for currency, micros in sorted(figures.costs.items())]


def _month(text: str | None, now: datetime) -> Month:
    """Return the month of a request; the last whole one without a name."""
    name = text or f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    try:
        month = month_of(name)
    except ValueError as error:
        raise Invalid("write a month such as 2026-10", param="month") from error
    if month.start >= now:
        raise Invalid("this month has not begun", param="month")
    return month


WHAT_IF_OPERATIONS = (
    Operation(
        "whatIf",
        "GET",
        "/api/usage/what-if",
        "What a month would have cost on another model, from the recorded tokens.",
        what_if,
        answer=WhatIf,
        verb=USAGE_READ,
        parameters=(
            Parameter("price_of", "A deployment, or a model with a list price, such as openai/gpt-4o."),
            Parameter("month", "A month in UTC, such as 2026-10; the last whole one by default."),
            *FILTERS,
        ),
    ),
)
