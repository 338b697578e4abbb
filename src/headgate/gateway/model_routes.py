"""The models that the caller may call, with the deployments behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from headgate.admin.bodies import Body, Moment
from headgate.admin.callers import ADMINISTRATION
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_READ
from headgate.gateway.attempts import resource_of
from headgate.gateway.board import NEVER_SEEN, Sighting
from headgate.gateway.catalogue import Alias, Catalogue, visible_aliases
from headgate.gateway.model_words import Masking, ability_words, place_words, price_words, sight_words
from headgate.gateway.parts import Gateway
from headgate.gateway.specs import CATEGORIES
from headgate.kernel.action import Resource
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import Clearance, Custody
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, Deployment, Price

_SENSITIVE = frozenset(CATEGORIES)
_NOT_FOR_MODELS = frozenset({ADMINISTRATION, "jobs"})


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


class HealthView(Body, frozen=True, kw_only=True):
    """The last known health of a deployment.

    `why` and `advice` are of the last failure, for readers of the configuration. So is `warning`: why its calls will
    fail, known before the first one. Since `unhealthy_since` calls skip it
    while another deployment is left, but for one try at a time.
    """

    state: Literal["ok", "cooling_down", "failing", "unknown"]
    answered_at: Moment | None
    failed_at: Moment | None
    rests_until: Moment | None
    unhealthy_since: Moment | None
    why: str
    advice: str
    warning: str


class DeploymentView(Body, frozen=True, kw_only=True):
    """A model at a provider, with its clearance. `costs`, `sees`, `runs` and `can` say it in words.

    Args:
        vendor: the company that bills its calls; empty for the organisation's own machines.
    """

    id: str
    provider: str
    vendor: str
    model: str
    custody: Literal["any", "organisation"]
    level: str
    categories: list[str] | None
    regions: list[str]
    price: PriceView | None
    images: bool
    is_built_in: bool
    costs: str
    sees: str
    runs: str
    can: list[str]
    context_tokens: int | None
    output_tokens: int | None
    health: HealthView


class ModelView(Body, frozen=True, kw_only=True):
    """An alias and the deployments behind it, in order.

    Args:
        use_cases: the use cases in which the caller may call it; for readers of the configuration, those in which
            anybody may.
    """

    id: str
    operation: str
    description: str
    deployments: list[DeploymentView]
    use_cases: list[str]
    is_built_in: bool


class ModelList(Body, frozen=True, kw_only=True):
    """Every alias that the caller may see; `loose` are deployments without one, for readers of the configuration."""

    models: list[ModelView]
    loose: list[DeploymentView]


async def list_models(gateway: Gateway, request: Request) -> ModelList:
    """List aliases and the deployments behind them, for what, and how they are."""
    catalogue = gateway.catalogues(request.tenant)
    is_told_all = request.allows(CONFIG_READ, Resource("config", request.tenant))
    views = _Views(gateway, request, await gateway.sightings(request.tenant), is_told_all=is_told_all)
    names = visible_aliases(catalogue, request.by.principal)
    models = [views.model(catalogue.aliases[name], catalogue) for name in names]
    used = {one for alias in catalogue.aliases.values() for one in alias.deployments}
    loose = [views.deployment(one) for name, one in catalogue.deployments.items() if name not in used]
    if is_told_all:
        return ModelList(models=models, loose=loose)
    return ModelList(models=[one for one in models if one.use_cases], loose=[])


class _Views:
    """Makes the views of one answer."""

    def __init__(
        self, gateway: Gateway, request: Request, sightings: Mapping[str, Sighting], *, is_told_all: bool
    ) -> None:
        self._providers = gateway.providers
        self._why_unset = gateway.secrets.why_unset
        self._request = request
        self._sightings = sightings
        self._is_told_all = is_told_all
        self._now = request.host.pipeline.clock.now()
        self._use_cases = _open_use_cases(request, is_told_all=is_told_all)
        self._allowed: dict[tuple[str, str, Clearance], bool] = {}
        self._masked: dict[tuple[str, Clearance], Masking] = {}

    def model(self, alias: Alias, catalogue: Catalogue) -> ModelView:
        """Return the view of an alias."""
        deployments = catalogue.candidates(alias)
        return ModelView(
            id=alias.name,
            operation=alias.operation,
            description=alias.description,
            deployments=[self.deployment(one) for one in deployments],
            use_cases=sorted(set[str]().union(*(self._use_cases_of(one) for one in deployments))),
            is_built_in=all(one.tenant is None for one in deployments) and alias.name in catalogue.deployments,
        )

    def deployment(self, deployment: Deployment) -> DeploymentView:
        """Return the view of a deployment."""
        clearance, price, capability = deployment.clearance, deployment.price, deployment.capability
        return DeploymentView(
            id=deployment.id,
            provider=deployment.provider,
            vendor=self._vendor(deployment),
            model=deployment.model,
            custody=custody_of(deployment),
            level=clearance.level.name.lower(),
            categories=None if clearance.categories is None else sorted(clearance.categories),
            regions=sorted(clearance.regions or ()),
            price=None if price is None else _price(price),
            images=capability.images,
            is_built_in=deployment.tenant is None,
            costs=price_words(price),
            sees=sight_words(clearance, self._masking(deployment)),
            runs=place_words(deployment),
            can=list(ability_words(capability)),
            context_tokens=capability.context_tokens,
            output_tokens=capability.output_tokens,
            health=self._health(deployment, self._sightings.get(deployment.id, NEVER_SEEN)),
        )

    def _vendor(self, deployment: Deployment) -> str:
        provider = self._providers.get(deployment.provider)
        if provider is None or deployment.clearance.custody is Custody.ORGANISATION:
            return ""
        options = provider.options_of(deployment)
        return provider.vendor_at(provider.address(deployment.base_url, options), options)

    def _health(self, deployment: Deployment, seen: Sighting) -> HealthView:
        return HealthView(
            state=seen.state(self._now),
            answered_at=seen.answered_at,
            failed_at=seen.failed_at,
            rests_until=seen.rests_until,
            unhealthy_since=seen.unhealthy_since,
            why=seen.why if self._is_told_all else "",
            advice=seen.advice if self._is_told_all else "",
            warning=(self._why_unset(deployment.key or "") or "") if self._is_told_all else "",
        )

    def _masking(self, deployment: Deployment) -> Masking:
        """Return the categories that rules mask on the way to the deployment.

        Policy decides once for all deployments of a provider with equal clearance.
        """
        alike = (deployment.provider, deployment.clearance)
        if alike not in self._masked:
            gate, by, resource = self._request.host.gate, self._request.by, resource_of(deployment)
            masked = [
                gate.masking(by, MODEL_DISPATCH, one, resource=resource, categories=_SENSITIVE)
                for one in self._use_cases
            ]
            sometimes = frozenset[str]().union(*masked)
            self._masked[alike] = Masking(sometimes.intersection(*masked), sometimes)
        return self._masked[alike]

    def _use_cases_of(self, deployment: Deployment) -> list[str]:
        """Return the use cases in which the caller may send calls to the deployment.

        Policy decides once for all deployments of a provider with equal clearance. A rule about a single deployment
        shows only when a call is refused.
        """
        return [one.id for one in self._use_cases if self._may_dispatch(one, deployment)]

    def _may_dispatch(self, use_case: UseCase, deployment: Deployment) -> bool:
        if use_case.deployments is not None and deployment.id not in use_case.deployments:
            return False
        alike = (use_case.id, deployment.provider, deployment.clearance)
        if alike not in self._allowed:
            gate, resource = self._request.host.gate, resource_of(deployment)
            self._allowed[alike] = gate.may_use(self._request.by, MODEL_DISPATCH, use_case, resource)
        return self._allowed[alike]


def _open_use_cases(request: Request, *, is_told_all: bool) -> Sequence[UseCase]:
    """Return the use cases in which the caller may call models at all; all of them, also those of other keys, for
    readers of the configuration.
    """
    caller = request.by
    return [
        use_case
        for name, use_case in caller.use_cases.items()
        if name not in _NOT_FOR_MODELS
        and (is_told_all or caller.bound in (None, name))
        and request.host.gate.may_use(caller, MODEL_INVOKE, use_case)
    ]


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
