"""The gateway feature: model calls, the catalogue, and the limits of keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

from headgate.admin.budgets import BUDGETS, BUDGETS_USED, Budget, BudgetUse
from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.admin.limit_use import LIMITS_USED, LimitUse
from headgate.admin.networks import NETWORKS
from headgate.admin.provider_batches import PROVIDER_BATCHES
from headgate.admin.records import RECORDS
from headgate.admin.recosting import RECOSTING
from headgate.admin.register import REGISTER
from headgate.admin.ways import WAYS_ON
from headgate.admin.wire_calls import ASKED_BY
from headgate.gateway import (
    chat,
    commands,
    model_routes,
    outcome_routes,
    preview,
    price_commands,
    price_routes,
    provider_routes,
    pull_routes,
    trial_routes,
)
from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.allowances import PostgresAllowances
from headgate.gateway.asked import asked_by
from headgate.gateway.board import Board
from headgate.gateway.budgets import BudgetsOfCalls
from headgate.gateway.cached_answers import CachedAnswers
from headgate.gateway.catalogue_cache import CatalogueCache
from headgate.gateway.config_warnings import warnings
from headgate.gateway.dispatch import ModelDispatcher
from headgate.gateway.health import Health
from headgate.gateway.hedging import Hedging
from headgate.gateway.invoke import ModelInvoke
from headgate.gateway.limits import Limit
from headgate.gateway.outcomes import OutcomeReader
from headgate.gateway.pace import Pace
from headgate.gateway.parts import Gateway
from headgate.gateway.passing import ModelPassThrough, deployment_named
from headgate.gateway.pricing import estimate_micros, estimate_tokens
from headgate.gateway.provider_batches import GatewayBatches
from headgate.gateway.pulled_models import MODELS_FOLDER
from headgate.gateway.recall import MODEL_RECALL, ModelRecall
from headgate.gateway.recosting import recosting
from headgate.gateway.sections import BUILT_IN_DEPLOYMENTS, CatalogueSection
from headgate.gateway.store import Kind
from headgate.gateway.trial import ModelTester
from headgate.gateway.verbs import MODEL_TEST, VERBS
from headgate.gateway.ways import GatewayWays
from headgate.kernel.action import Action
from headgate.kernel.errors import Unavailable
from headgate.kernel.extensions import load
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.telemetry import PROFILE, telemetry_profile
from headgate.wire.dialects import load_dialects
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, MODEL_PASS, Deployment, ModelCall
from headgate.wire.provider import Provider

_ANY_TENANT = TenantId("")
_SECTIONS: tuple[Kind, ...] = ("network", "deployment", "alias", "price")


async def open_gateway(platform: Platform, stack: AsyncExitStack) -> Opened:
    """Open the gateway: everything in a worker, only the admitter and catalogues elsewhere."""
    base, secrets, is_worker = platform.base, platform.secrets, platform.purpose == "worker"
    endpoint = base.settings.otlp_endpoint
    providers = {name: cast("Provider", one) for name, one in load("providers").items()} if is_worker else {}
    dialects = load_dialects()
    library = CatalogueCache(
        database=platform.database,
        egress=platform.egress,
        providers=providers,
        secrets=secrets,
        model_port=platform.model_port,
        profiles={PROFILE: telemetry_profile(endpoint)} if endpoint else None,
        categories=frozenset(platform.names("category", _ANY_TENANT)),
        today=lambda: base.clock.now().date(),
    )

    def estimate(action: Action[Any, Any, Any], limit: Limit) -> int | None:
        """Return the most that a call of this size may cost, or how many tokens it may use."""
        if not is_worker:
            return None
        call: ModelCall = action.payload
        catalogue = library.catalogue(action.principal.tenant)
        if call.operation == "raw":
            candidates: tuple[Deployment, ...] = (deployment_named(call.model, catalogue),)
        else:
            candidates = catalogue.candidates(catalogue.alias(call.model), asked=call.model)
        if limit.kind == "tokens":
            return estimate_tokens(call, candidates)
        return estimate_micros(call, candidates, currency=limit.currency)

    store = PostgresAllowances(platform.database, worker=base.ids.ulid())
    budgets = BudgetsOfCalls(
        budgets=lambda: platform.offers.find(BUDGETS), register=lambda: platform.offers.ask(REGISTER)
    )
    admitter = KeyAdmitter(store=store, clock=base.clock, estimate=estimate, budgets=budgets.of)
    board = Board(platform.database, base.clock)
    health, pace = Health(base.clock, on_open=board.opened), Pace(base.clock)
    gateway = Gateway(
        library,
        admitter,
        providers,
        dialects,
        health,
        board,
        secrets,
        OutcomeReader(lambda: platform.offers.ask(RECORDS)),
        base.settings.data / MODELS_FOLDER,
    )

    async def limits_used(tenant: TenantId, keys: Collection[str]) -> Mapping[str, LimitUse]:
        return await store.used(tenant, keys, now=base.clock.now())

    async def budgets_used(tenant: TenantId, budgets: Collection[Budget]) -> Mapping[str, BudgetUse]:
        return await store.budgets_used(tenant, budgets, now=base.clock.now())

    offers = [
        LIMITS_USED.by(limits_used),
        BUDGETS_USED.by(budgets_used),
        ASKED_BY.by(lambda tenant, call: asked_by(call, library.catalogue(tenant))),
        NETWORKS.by(library),
        RECOSTING.by(recosting(library.catalogue, lambda: base.clock.now().date())),
    ]
    if not is_worker:
        return Opened(service=gateway, stages={"admitter": admitter}, offers=offers)

    async def close() -> None:
        with suppress(Unavailable):  # the database may be down at shutdown
            await admitter.aclose()

    stack.push_async_callback(close)

    async def refresh() -> None:
        await library.refresh(platform.tenants())

    async def keep_limits(_: Pipeline) -> None:
        await admitter.run_forever(platform.tenants)

    async def keep_board(_: Pipeline) -> None:
        await board.run_forever(lambda: {one: library.catalogue(one).deployments for one in platform.tenants()})

    batches = GatewayBatches(
        egress=platform.egress, providers=providers, dialects=dialects, secrets=secrets, clock=base.clock
    )
    dispatcher = ModelDispatcher(
        egress=platform.egress,
        providers=providers,
        dialects=dialects,
        secrets=secrets,
        clock=base.clock,
        board=board,
        batches=batches,
    )
    return Opened(
        service=gateway,
        performers={
            MODEL_INVOKE.name: ModelInvoke(
                catalogues=library.catalogue,
                health=health,
                pace=pace,
                counting=dialects.counting,
                cached=CachedAnswers(dialects=dialects, clock=base.clock),
                hedging=Hedging(admitter.reserve_again),
            ),
            MODEL_PASS.name: ModelPassThrough(catalogues=library.catalogue),
            MODEL_DISPATCH.name: dispatcher,
            MODEL_RECALL.name: ModelRecall(dialects=dialects, clock=base.clock),
            MODEL_TEST.name: ModelTester(dispatcher),
        },
        stages={"admitter": admitter},
        sections=[CatalogueSection(kind, providers=providers, dialects=dialects) for kind in _SECTIONS],
        jobs={"limits": keep_limits, "board": keep_board},
        offers=[*offers, WAYS_ON.by(GatewayWays(gateway)), PROVIDER_BATCHES.by(batches)],
        refresh=refresh,
        names={
            "alias": lambda tenant: library.catalogue(tenant).aliases,
            "deployment": lambda tenant: library.catalogue(tenant).deployments,
            "built-in deployment": lambda tenant: BUILT_IN_DEPLOYMENTS,
        },
        left_out=lambda: [f"{one.tenant}: {one.kind} {one.id}" for one in library.left_out],
        warnings=lambda edit: warnings(edit, providers=providers, secrets=secrets, today=base.clock.now().date()),
    )


def offline_gateway(_: CheckContext) -> OfflineParts:
    """Return the sections with every installed provider and dialect."""
    providers = {name: cast("Provider", one) for name, one in load("providers").items()}
    dialects = load_dialects()
    return OfflineParts(
        sections=[CatalogueSection(kind, providers=providers, dialects=dialects) for kind in _SECTIONS],
        names={"built-in deployment": lambda tenant: BUILT_IN_DEPLOYMENTS},
    )


FEATURE = Feature(
    name="gateway",
    summary="Model calls: the catalogue, routing, dispatch and the limits of keys.",
    package="headgate.gateway",
    verbs=VERBS,
    operations=(
        *model_routes.OPERATIONS,
        *outcome_routes.OPERATIONS,
        *price_routes.OPERATIONS,
        *provider_routes.OPERATIONS,
        *pull_routes.OPERATIONS,
        *trial_routes.OPERATIONS,
        *preview.OPERATIONS,
        *chat.OPERATIONS,
    ),
    commands=(*commands.COMMANDS, *price_commands.COMMANDS),
    open=open_gateway,
    offline=offline_gateway,
)
