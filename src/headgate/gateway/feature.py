"""The gateway feature: model calls, the catalogue, and the limits of keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

from headgate.admin.features import CheckContext, Feature, OfflineParts, Opened, Platform
from headgate.admin.limit_use import LIMITS_USED, LimitUse
from headgate.gateway import chat, model_routes, preview, provider_routes, trial_routes
from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.allowances import PostgresAllowances
from headgate.gateway.board import Board
from headgate.gateway.catalogue_cache import CatalogueCache
from headgate.gateway.commands import COMMANDS
from headgate.gateway.dispatch import ModelDispatcher
from headgate.gateway.invoke import ModelInvoke
from headgate.gateway.parts import Gateway
from headgate.gateway.pricing import estimate_micros
from headgate.gateway.routing import Health
from headgate.gateway.sections import BUILT_IN_DEPLOYMENTS, CatalogueSection
from headgate.gateway.store import Kind
from headgate.gateway.trial import ModelTester
from headgate.gateway.verbs import MODEL_TEST, VERBS
from headgate.kernel.action import Action
from headgate.kernel.errors import Unavailable
from headgate.kernel.extensions import load
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.telemetry import PROFILE, telemetry_profile
from headgate.wire.dialects import load_dialects
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, ModelCall
from headgate.wire.provider import Provider

_ANY_TENANT = TenantId("")
_SECTIONS: tuple[Kind, ...] = ("network", "deployment", "alias")


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
    )

    def estimate(action: Action[Any, Any, Any]) -> int | None:
        """Return the cost of a call of this size at the most expensive candidate."""
        if not is_worker:
            return None
        call: ModelCall = action.payload
        catalogue = library.catalogue(action.principal.tenant)
        candidates = catalogue.candidates(catalogue.alias(call.model))
        return estimate_micros(call, candidates, currency=action.principal.limits.currency)

    store = PostgresAllowances(platform.database, worker=base.ids.ulid())
    admitter = KeyAdmitter(store=store, clock=base.clock, estimate=estimate)
    health = Health(base.clock)
    board = Board(platform.database, base.clock)
    gateway = Gateway(library, admitter, providers, dialects, health, board, secrets)

    async def limits_used(tenant: TenantId, keys: Collection[str]) -> Mapping[str, LimitUse]:
        return await store.used(tenant, keys, now=base.clock.now())

    offers = [LIMITS_USED.by(limits_used)]
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
        await board.run_forever()

    dispatcher = ModelDispatcher(
        egress=platform.egress, providers=providers, dialects=dialects, secrets=secrets, board=board
    )
    return Opened(
        service=gateway,
        performers={
            MODEL_INVOKE.name: ModelInvoke(catalogues=library.catalogue, health=health, counting=dialects.counting),
            MODEL_DISPATCH.name: dispatcher,
            MODEL_TEST.name: ModelTester(dispatcher),
        },
        stages={"admitter": admitter},
        sections=[CatalogueSection(kind, providers=providers, dialects=dialects) for kind in _SECTIONS],
        jobs={"limits": keep_limits, "board": keep_board},
        offers=offers,
        refresh=refresh,
        names={
            "alias": lambda tenant: library.catalogue(tenant).aliases,
            "deployment": lambda tenant: library.catalogue(tenant).deployments,
            "built-in deployment": lambda tenant: BUILT_IN_DEPLOYMENTS,
        },
        left_out=lambda: [f"{one.tenant}: {one.kind} {one.id}" for one in library.left_out],
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
        *provider_routes.OPERATIONS,
        *trial_routes.OPERATIONS,
        *preview.OPERATIONS,
        *chat.OPERATIONS,
    ),
    commands=COMMANDS,
    open=open_gateway,
    offline=offline_gateway,
)
