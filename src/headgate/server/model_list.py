"""Which models a caller may name, and what each can do: `GET /v1/models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from headgate.gateway.catalogue import Alias, Catalogue, visible_aliases
from headgate.kernel.errors import Invalid, NotFound
from headgate.server.asgi import Scope
from headgate.server.identity import Caller
from headgate.wire import anthropic_messages, openai_models
from headgate.wire.model_call import Deployment
from headgate.wire.openai_models import ModelCard
from headgate.wire.provider import Provider


def models_body(
    wanted: str, caller: Caller, scope: Scope, *, catalogue: Catalogue, providers: Mapping[str, Provider], wire: str
) -> bytes:
    """Return the list, or one model where a name is wanted, in the form of the wire.

    Raises:
        NotFound: there is no such model, or the caller may not call it.
        Invalid: the page that is asked for is none.
    """
    if wanted:
        card = _card_of(wanted, caller, catalogue, providers)
        return openai_models.anthropic_model(card) if wire == "anthropic" else openai_models.openai_model(card)
    names = visible_aliases(catalogue, caller.principal)
    found = (_card(name, catalogue.aliases[name], caller, catalogue, providers) for name in names)
    cards = [card for card in found if card is not None]
    return (
        openai_models.anthropic_list(cards, **_page(scope)) if wire == "anthropic" else openai_models.openai_list(cards)
    )


def _card_of(wanted: str, caller: Caller, catalogue: Catalogue, providers: Mapping[str, Provider]) -> ModelCard:
    """Return the card of one name, which a pattern may answer to."""
    alias = catalogue.aliases.get(catalogue.alias_id(wanted))
    aliases = caller.principal.aliases
    if alias is not None and (aliases is None or alias.name in aliases):
        card = _card(wanted, alias, caller, catalogue, providers)
        if card is not None:
            return card
    raise NotFound("there is no such model, or not for this key; GET /v1/models lists those that are", param="model")


def _card(
    name: str, alias: Alias, caller: Caller, catalogue: Catalogue, providers: Mapping[str, Provider]
) -> ModelCard | None:
    """Return the card of an alias; None where the caller's use case may use none of its deployments."""
    allowed = caller.use_case.deployments
    candidates = catalogue.candidates(alias)
    usable = [one for one in candidates if allowed is None or one.id in allowed]
    if candidates and not usable:
        return None
    first = next((one for one in usable if alias.operation in one.capability.operations), None)
    if first is None:
        return ModelCard(name, alias.operation, alias.description)
    return ModelCard(
        name,
        alias.operation,
        alias.description,
        capability=first.capability,
        quirks=first.quirks,
        speaks_anthropic=_speaks_anthropic(first, providers),
    )


def _speaks_anthropic(deployment: Deployment, providers: Mapping[str, Provider]) -> bool:
    provider = providers.get(deployment.provider)
    endpoint = provider.endpoints.get("chat") if provider else None
    return endpoint is not None and endpoint.dialect == anthropic_messages.dialect.name


def _page(scope: Scope) -> dict[str, Any]:
    """Return the paging of a models list as Anthropic's clients ask for it."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    limit = query.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit[:6]) <= 1000:
        raise Invalid("limit is a whole number from 1 to 1000", param="limit")
    return {"limit": int(limit), "after": query.get("after_id"), "before": query.get("before_id")}
