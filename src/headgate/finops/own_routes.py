"""The operation on the caller's own usage, which everybody may read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from headgate.admin.budgets import Budget, BudgetLevel
from headgate.admin.limit_use import LimitUse
from headgate.admin.operations import Operation
from headgate.admin.register import HeldKey
from headgate.admin.requests import Request
from headgate.finops.budget_views import budget_views
from headgate.finops.parts import FinOps
from headgate.finops.requests import PERIOD, own_question
from headgate.finops.store import Dimension
from headgate.finops.views import Names, OwnKey, OwnUsage, OwnUseCase, figures_view, row_view, steps_of
from headgate.wire.model_call import MODEL_INVOKE

_TOP: Final[tuple[Dimension, ...]] = ("model", "use_case")
_UNUSED: Final = LimitUse()


async def get_own_usage(finops: FinOps, request: Request) -> OwnUsage:
    """Return the caller's own figures, keys, use cases and models."""
    question = own_question(finops, request)
    found = await finops.usage.overview(question, top=_TOP)
    keys = _own_keys(finops, request)
    use_cases = _use_cases(request)
    budgets = _own_budgets(finops, request, keys, use_cases)
    used = await finops.limits_used(request.tenant, [key.id for key in keys])
    period = question.period
    return OwnUsage(
        since=period.since,
        until=period.until,
        step_s=period.step_s,
        figures=figures_view(found.figures),
        before=figures_view(found.before),
        steps=steps_of(period.starts, found),
        models=[row_view(row, Names()) for row in found.top["model"]],
        use_cases=[row_view(row, Names()) for row in found.top["use_case"]],
        keys=[_key(key, used.get(key.id, _UNUSED)) for key in keys],
        budgets=await budget_views(finops, request, budgets),
        may_use=use_cases,
        may_call=_models(finops, request),
    )


def _own_keys(finops: FinOps, request: Request) -> list[HeldKey]:
    now, own = finops.clock.now(), request.by.principal.id
    keys = (key for key in finops.register.keys(request.tenant) if key.principal == own)
    return [key for key in keys if key.expires_at is None or key.expires_at > now]


def _own_budgets(
    finops: FinOps, request: Request, keys: Collection[HeldKey], use_cases: Collection[OwnUseCase]
) -> list[Budget]:
    """Return the budgets that the caller's calls may reserve from."""
    own = request.by.principal.id
    registered = finops.register.everybody(request.tenant).get(own)
    names: Mapping[BudgetLevel, Collection[str]] = {
        "organisation": ("",),
        "person": (own,),
        "group": registered.groups if registered is not None else (),
        "key": [key.id for key in keys],
        "use_case": [one.id for one in use_cases],
    }
    return [budget for budget in finops.book.of(request.tenant) if budget.name in names[budget.level]]


def _key(key: HeldKey, used: LimitUse) -> OwnKey:
    return OwnKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        use_case=key.use_case,
        expires_at=key.expires_at,
        requests_per_minute=key.requests_per_minute,
        requests_left=_left(key.requests_per_minute, used.requests),
        cost_micros_per_day=key.cost_micros_per_day,
        cost_micros_left=_left(key.cost_micros_per_day, used.cost_micros),
        currency=key.currency,
    )


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def _use_cases(request: Request) -> list[OwnUseCase]:
    caller = request.by
    return [
        OwnUseCase(id=name, purpose=one.purpose, is_owner=one.owner == caller.principal.id)
        for name, one in sorted(caller.use_cases.items())
        if caller.bound in (None, name) and request.host.gate.may_use(caller, MODEL_INVOKE, one)
    ]


def _models(finops: FinOps, request: Request) -> list[str]:
    allowed = request.by.principal.aliases
    return sorted(name for name in finops.names("alias", request.tenant) if allowed is None or name in allowed)


OWN_OPERATIONS = (
    Operation(
        "getOwnUsage",
        "GET",
        "/api/usage/mine",
        "The caller's own calls, cost and keys.",
        get_own_usage,
        answer=OwnUsage,
        parameters=PERIOD,
    ),
)
