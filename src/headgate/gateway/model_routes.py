"""The models that the caller may call, with the deployments behind them."""

from __future__ import annotations

from typing import Literal

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.gateway.catalogue import Alias, Catalogue, visible_aliases
from headgate.gateway.parts import Gateway
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Deployment, Price


class PriceTierView(Body, frozen=True, kw_only=True):
    """Prices of calls with a longer prompt, in micro-units for a million tokens."""

    above_input_tokens: int
    input_micros: int | None
    output_micros: int | None


class PriceView(Body, frozen=True, kw_only=True):
    """Prices in micro-units for a million tokens; null is unknown."""

    currency: str
    input_micros: int | None
    output_micros: int | None
    tiers: list[PriceTierView]


class DeploymentView(Body, frozen=True, kw_only=True):
    """A model at a provider, with its clearance."""

    id: str
    provider: str
    model: str
    custody: Literal["any", "organisation"]
    level: str
    categories: list[str] | None
    regions: list[str]
    price: PriceView | None
    images: bool
    is_built_in: bool


class ModelView(Body, frozen=True, kw_only=True):
    """An alias and the deployments behind it, in order."""

    id: str
    operation: str
    description: str
    deployments: list[DeploymentView]


class ModelList(Body, frozen=True, kw_only=True):
    """Every alias that the caller may see."""

    models: list[ModelView]


async def list_models(gateway: Gateway, request: Request) -> ModelList:
    """List aliases and the deployments behind them."""
    catalogue = gateway.catalogues(request.by.tenant_id)
    names = visible_aliases(catalogue, request.by.principal)
    return ModelList(models=[_model(catalogue.aliases[name], catalogue) for name in names])


def _model(alias: Alias, catalogue: Catalogue) -> ModelView:
    return ModelView(
        id=alias.name,
        operation=alias.operation,
        description=alias.description,
        deployments=[_deployment(one) for one in catalogue.candidates(alias)],
    )


def _deployment(deployment: Deployment) -> DeploymentView:
    clearance, price = deployment.clearance, deployment.price
    return DeploymentView(
        id=deployment.id,
        provider=deployment.provider,
        model=deployment.model,
        custody=custody_of(deployment),
        level=clearance.level.name.lower(),
        categories=None if clearance.categories is None else sorted(clearance.categories),
        regions=sorted(clearance.regions or ()),
        price=None if price is None else _price(price),
        images=deployment.capability.images,
        is_built_in=deployment.tenant is None,
    )


def _price(price: Price) -> PriceView:
    return PriceView(
        currency=price.currency,
        input_micros=price.input_micros,
        output_micros=price.output_micros,
        tiers=[
            PriceTierView(
                above_input_tokens=tier.above_input_tokens,
                input_micros=tier.price.input_micros,
                output_micros=tier.price.output_micros,
            )
            for tier in price.tiers
        ],
    )


def custody_of(deployment: Deployment) -> Literal["any", "organisation"]:
    """Return the deployment's custody as the API names it."""
    return "organisation" if deployment.clearance.custody is Custody.ORGANISATION else "any"


OPERATIONS = (
    Operation("listModels", "GET", "/api/models", "Aliases and their deployments.", list_models, answer=ModelList),
)
