"""The operation on prices: which price each deployment has, where it comes from, and what follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from headgate.admin.bodies import Body
from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_READ
from headgate.gateway.parts import Gateway
from headgate.gateway.price_table import DatedPrice, list_version
from headgate.kernel.action import Resource
from headgate.wire.model_call import Deployment, Price


class DeploymentPrice(Body, frozen=True, kw_only=True):
    """The price of a deployment from a day on, in UTC; `since` is null for one without a day.

    Rates are micro-units of `currency` for a million tokens. Null is unknown. `above_input_tokens` are the lengths of
    prompts from which on higher rates hold. `version` names the price as records do: the deployment's own, a row of
    `[[price]]`, or the list prices. It is empty if no price is known.
    """

    deployment: str
    provider: str
    model: str
    since: date | None
    is_in_force: bool
    version: str
    currency: str | None
    input_micros: int | None
    output_micros: int | None
    cache_read_micros: int | None
    cache_write_micros: int | None
    cache_write_1h_micros: int | None
    above_input_tokens: list[int]


class PriceList(Body, frozen=True, kw_only=True):
    """The prices in force, and those to come, by deployment; with the version of the list prices."""

    prices: list[DeploymentPrice]
    list_version: str


async def list_prices(gateway: Gateway, request: Request) -> PriceList:
    """List the prices of the tenant's deployments."""
    tenant = request.tenant
    request.authorise(CONFIG_READ, Resource("config", tenant))
    today = request.host.pipeline.clock.now().date()
    deployments = gateway.catalogues(tenant).deployments
    lines = (_lines(one, gateway.library.history(tenant, one.id), today) for one in deployments.values())
    return PriceList(prices=[line for each in lines for line in each], list_version=list_version())


def _lines(deployment: Deployment, history: Sequence[DatedPrice], today: date) -> Iterator[DeploymentPrice]:
    past = [one for one in history if one.since <= today]
    yield _line(deployment, deployment.price, past[-1].since if past else date.min, is_in_force=True)
    for one in history[len(past) :]:
        yield _line(deployment, one.price, one.since, is_in_force=False)


def _line(deployment: Deployment, price: Price | None, since: date, *, is_in_force: bool) -> DeploymentPrice:
    return DeploymentPrice(
        deployment=deployment.id,
        provider=deployment.provider,
        model=deployment.model,
        since=None if since == date.min else since,
        is_in_force=is_in_force,
        version=price.version if price is not None else "",
        currency=price.currency if price is not None else None,
        input_micros=price.input_micros if price is not None else None,
        output_micros=price.output_micros if price is not None else None,
        cache_read_micros=price.cache_read_micros if price is not None else None,
        cache_write_micros=price.cache_write_micros if price is not None else None,
        cache_write_1h_micros=price.cache_write_1h_micros if price is not None else None,
        above_input_tokens=[tier.above_input_tokens for tier in price.tiers] if price is not None else [],
    )


OPERATIONS = (
    Operation(
        "listPrices",
        "GET",
        "/api/prices",
        "The prices of the deployments, in force and to come.",
        list_prices,
        answer=PriceList,
        verb=CONFIG_READ,
    ),
)
