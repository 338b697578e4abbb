"""What recorded tokens would cost at the price of a deployment, or at a list price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial

from headgate.admin.recosting import Priced, TokenSum
from headgate.gateway.catalogue import Catalogues
from headgate.gateway.price_table import list_prices, price_at
from headgate.gateway.pricing import cost_micros
from headgate.kernel.errors import NotFound
from headgate.kernel.identity import TenantId
from headgate.wire.model_call import Price, Usage


def recosting(catalogues: Catalogues, today: Callable[[], date]) -> Callable[[TenantId, str], Priced]:
    """Return the implementation of the port."""

    def priced(tenant: TenantId, model: str) -> Priced:
        price = _price(catalogues, tenant, model, today())
        return Priced(price.currency, price.version, partial(_cost, price))

    return priced


def _price(catalogues: Catalogues, tenant: TenantId, model: str, day: date) -> Price:
    deployment = catalogues(tenant).deployments.get(model)
    if deployment is not None:
        if deployment.price is None:
            raise NotFound(f"the price of the deployment {model} is unknown; declare it first", param="price_of")
        return deployment.price
    provider, _, name = model.partition("/")
    price = price_at(tuple(list_prices(provider, name)), day) if name else None
    if price is None:
        raise NotFound(
            f"no deployment is named {model[:200]!r}, and no list price either; name a deployment, or a model such as"
            " openai/gpt-4o",
            param="price_of",
        )
    return price


def _cost(price: Price, tokens: TokenSum) -> int | None:
    """Return the cost of a sum of calls. A price with tiers counts at the length of the average prompt."""
    if price.tiers and tokens.calls:
        price = price.at(tokens.input_tokens // tokens.calls)
    usage = Usage(tokens.input_tokens, tokens.output_tokens, cache_read_tokens=tokens.cached_tokens)
    return cost_micros(usage, replace(price, tiers=()))
