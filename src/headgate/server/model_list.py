"""The list of models for a caller: `GET /v1/models`."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.gateway.catalogue import Alias, Catalogue, visible_aliases
from headgate.kernel.errors import NotFound
from headgate.server.identity import Caller
from headgate.wire.model_call import Deployment
from headgate.wire.plane import ModelCard, ModelLists
from headgate.wire.provider import Provider


def models_body(
    wanted: str,
    caller: Caller,
    query: Mapping[str, str],
    *,
    catalogue: Catalogue,
    providers: Mapping[str, Provider],
    lists: ModelLists,
) -> bytes:
    """Return the list of models, or the model `wanted`, in the format of the caller's plane.

    Raises:
        NotFound: the model does not exist, or the caller may not call it.
        Invalid: the page parameters are wrong.
    """
    if wanted:
        return lists.one(_card_of(wanted, caller, catalogue, providers))
    names = visible_aliases(catalogue, caller.principal)
    found = (_card(name, catalogue.aliases[name], caller, catalogue, providers) for name in names)
    return lists.page([card for card in found if card is not None], query)


def _card_of(wanted: str, caller: Caller, catalogue: Catalogue, providers: Mapping[str, Provider]) -> ModelCard:
    """Return the card of one name; the name may match a pattern."""
    alias = catalogue.aliases.get(catalogue.alias_id(wanted))
    aliases = caller.principal.aliases
    if alias is not None and (aliases is None or alias.name in aliases):
        card = _card(wanted, alias, caller, catalogue, providers)
        if card is not None:
            return card
    raise NotFound("this key may call no model of that name; GET /v1/models lists its models", param="model")


def _card(
    name: str, alias: Alias, caller: Caller, catalogue: Catalogue, providers: Mapping[str, Provider]
) -> ModelCard | None:
    """Return the card of an alias, or None if the caller's use case may use none of its deployments."""
    allowed = caller.use_case.deployments
    candidates = catalogue.candidates(alias)
    usable = [one for one in candidates if allowed is None or one.id in allowed]
    if candidates and not usable:
        return None
    first = next((one for one in usable if alias.operation in one.capability.operations), None)
    if first is None:
        # An alias of deployments that do something else, such as reranking.
        others = sorted(usable[0].capability.operations) if usable else []
        return ModelCard(name, others[0] if others else alias.operation, alias.description)
    return ModelCard(
        name,
        alias.operation,
        alias.description,
        capability=first.capability,
        quirks=first.quirks,
        dialect=_dialect(first, providers),
    )


def _dialect(deployment: Deployment, providers: Mapping[str, Provider]) -> str:
    """Return the name of the dialect of a deployment's chats, or ""."""
    provider = providers.get(deployment.provider)
    endpoint = provider.endpoints.get("chat") if provider else None
    return "" if endpoint is None else endpoint.dialect
