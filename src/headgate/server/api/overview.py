"""The first page, and the models that the caller may call."""

from __future__ import annotations

from typing import Literal

from headgate import __version__
from headgate.gateway.catalogue import Alias, Catalogue
from headgate.kernel.action import Resource
from headgate.kernel.administration import RECORD_LIST
from headgate.kernel.labels import Custody
from headgate.ledger.reader import RecordFilters
from headgate.policy.models import ADMINISTRATION, JOBS
from headgate.server.administration import AdminCaller
from headgate.server.api import schemas
from headgate.server.api.parts import AdminParts
from headgate.server.api.requests import Request
from headgate.server.model_list import visible_aliases
from headgate.wire.model_call import MODEL_INVOKE, Deployment, Price

_CALLS = RecordFilters(verb=MODEL_INVOKE.name)


async def get_overview(parts: AdminParts, request: Request) -> schemas.Overview:
    """Say what a newcomer needs; the number of records only to whoever may list them."""
    caller = request.by
    count, has_called = 0, False
    if parts.gate.allows(caller, RECORD_LIST, Resource("ledger", caller.tenant_id)):
        head = await parts.records.log_head(tenant=caller.tenant_id)
        calls = await parts.records.list_records(_CALLS, tenant=caller.tenant_id, limit=1)
        count, has_called = head.size if head else 0, bool(calls.records)
    scheme = "https" if parts.is_secure else "http"
    base_url = f"{scheme}://{request.headers['host']}"
    return schemas.Overview(
        version=__version__,
        tenant=caller.tenant_id,
        openai_base_url=f"{base_url}/v1",
        anthropic_base_url=base_url,
        models=visible_aliases(parts.catalogues(caller.tenant_id), caller.principal),
        use_cases=_use_cases(parts, caller),
        records=count,
        has_called=has_called,
        embedded_model=parts.model_state(),
    )


def _use_cases(parts: AdminParts, caller: AdminCaller) -> list[str]:
    """Return the use cases that the caller may use: of a key, the one that it is bound to."""
    return sorted(
        name
        for name, use_case in caller.tenant.use_cases.items()
        if name not in (ADMINISTRATION, JOBS) and caller.bound in (None, name) and parts.gate.may_use(caller, use_case)
    )


async def list_models(parts: AdminParts, request: Request) -> schemas.ModelList:
    """List aliases and the deployments behind them."""
    catalogue = parts.catalogues(request.by.tenant_id)
    names = visible_aliases(catalogue, request.by.principal)
    return schemas.ModelList(models=[_model(catalogue.aliases[name], catalogue) for name in names])


def _model(alias: Alias, catalogue: Catalogue) -> schemas.ModelView:
    return schemas.ModelView(
        id=alias.name,
        operation=alias.operation,
        description=alias.description,
        deployments=[_deployment(one) for one in catalogue.candidates(alias)],
    )


def _deployment(deployment: Deployment) -> schemas.DeploymentView:
    clearance, price = deployment.clearance, deployment.price
    return schemas.DeploymentView(
        id=deployment.id,
        provider=deployment.provider,
        model=deployment.model,
        custody=custody_of(deployment),
        level=clearance.level.name.lower(),
        categories=None if clearance.categories is None else sorted(clearance.categories),
        regions=sorted(clearance.regions or ()),
        price=None if price is None else _price(price),
        is_built_in=deployment.tenant is None,
    )


def _price(price: Price) -> schemas.PriceView:
    return schemas.PriceView(
        currency=price.currency,
        input_micros=price.input_micros,
        output_micros=price.output_micros,
        tiers=[
            schemas.PriceTierView(
                above_input_tokens=tier.above_input_tokens,
                input_micros=tier.price.input_micros,
                output_micros=tier.price.output_micros,
            )
            for tier in price.tiers
        ],
    )


def custody_of(deployment: Deployment) -> Literal["any", "organisation"]:
    """Return whose machines it runs on, in the API's word."""
    return "organisation" if deployment.clearance.custody is Custody.ORGANISATION else "any"
