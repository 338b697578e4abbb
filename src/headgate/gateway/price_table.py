"""The price of a deployment at a date: its own, else the organisation's rows, else the provider's list price.

`list_prices.json` holds the list prices: facts from the package `genai-prices`, written by `scripts/list_prices.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec

from headgate.gateway.specs import DeploymentSpec, PriceRowSpec, PriceSpec, PriceTierSpec, price_from
from headgate.kernel.errors import Invalid
from headgate.kernel.labels import Custody
from headgate.wire.model_call import Deployment, Price
from headgate.wire.provider import Provider

_ANY: Final = "*"
_EXPRESSION: Final = "re:"
_LISTS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "bedrock": "aws",
    "bedrock_anthropic": "aws",
    "cohere": "cohere",
    "gemini": "google",
    "mistral": "mistral",
    "openai": "openai",
    "vertex": "google",
    "vertex_gemini": "google",
}
"""The list of each provider. A deployment at Azure has a name that its owner chose, so its model is unknown."""


class DatedPrice(NamedTuple):
    """A price, or none that is known, from a date on."""

    since: date
    price: Price | None


class _ListedPrice(msgspec.Struct, frozen=True):
    since: date | None = msgspec.field(name="from", default=None)
    input: str | None = None
    output: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    cache_write_1h: str | None = None
    tiers: list[PriceTierSpec] = []


class _ListedModel(msgspec.Struct, frozen=True):
    names: list[str]
    prices: list[_ListedPrice]


class _Lists(msgspec.Struct, frozen=True):
    version: str
    source: str
    currency: str
    providers: dict[str, list[_ListedModel]]


@dataclass(frozen=True, slots=True)
class _Row:
    """A price of the organisation."""

    spec: PriceRowSpec
    price: Price

    def rank(self, model: str) -> tuple[int, int, int] | None:
        """Return how closely the row names a model, for comparison; None if it does not."""
        before, star, after = self.spec.model.partition(_ANY)
        if not star:
            return (1, 0, 0) if model == before else None
        is_long_enough = len(model) >= len(before) + len(after)
        matches = is_long_enough and model.startswith(before) and model.endswith(after)
        return (0, len(before), len(after)) if matches else None


class PriceTable:
    """The prices of one tenant."""

    def __init__(self, rows: Iterable[PriceRowSpec] = ()) -> None:
        self._rows = [_Row(spec, row_price(spec)) for spec in rows]

    def history(self, deployment: Deployment, *, is_at_home: bool) -> Sequence[DatedPrice]:
        """Return the prices of a deployment without one of its own, by date; the first one since ever.

        Args:
            is_at_home: whether calls go to the provider's own address, whose list prices are known.
        """
        if _ANY in deployment.model or deployment.clearance.custody is Custody.ORGANISATION:
            listed: Sequence[DatedPrice] = ()
        else:
            listed = tuple(list_prices(deployment.provider, deployment.model)) if is_at_home else ()
        rows = [row for row in self._rows if row.spec.provider == deployment.provider and row.rank(deployment.model)]
        dates = sorted({date.min, *(row.spec.since for row in rows), *(one.since for one in listed)})
        found = [DatedPrice(day, _at(day, rows, listed, deployment.model)) for day in dates]
        return found if any(one.price is not None for one in found) else ()


class ModelPrices:
    """The prices of deployments that serve every name, by the model that a call asks for.

    Args:
        at_home: ids of the deployments at their provider's own address.
    """

    def __init__(self, table: PriceTable, *, at_home: Collection[str]) -> None:
        self._table = table
        self._at_home = at_home
        self._history = lru_cache(maxsize=1024)(self._find)

    def at(self, deployment: Deployment, model: str, *, day: date) -> Price | None:
        """Return the price of a model at a deployment on a day."""
        return price_at(self._history(deployment, model), day)

    def _find(self, deployment: Deployment, model: str) -> Sequence[DatedPrice]:
        return self._table.history(replace(deployment, model=model), is_at_home=deployment.id in self._at_home)


def _at(day: date, rows: Sequence[_Row], listed: Sequence[DatedPrice], model: str) -> Price | None:
    """Return the price of a day: the row that names the model most closely and is the latest, else the list price."""
    in_force = [row for row in rows if row.spec.since <= day]
    if in_force:
        return max(in_force, key=lambda row: (row.rank(model) or (), row.spec.since)).price
    return price_at(listed, day)


def price_at(history: Sequence[DatedPrice], day: date) -> Price | None:
    """Return the price of a day."""
    return next((one.price for one in reversed(history) if one.since <= day), None)


def list_prices(provider: str, model: str) -> Iterator[DatedPrice]:
    """Yield the list prices of a provider's model, by date."""
    lists = _lists()
    models = lists.providers.get(_LISTS.get(provider, ""), ())
    found = next((one for one in models if any(_matches(name, model) for name in one.names)), None)
    for one in found.prices if found is not None else ():
        yield DatedPrice(one.since or date.min, _listed(one, lists))


def list_version() -> str:
    """Return the version of the list prices: a digest of them."""
    return _lists().version


def row_price(spec: PriceRowSpec) -> Price:
    """Return the price of a row, with its id and a digest as version.

    Raises:
        Invalid: `param` names the field at fault.
    """
    if spec.model.count(_ANY) > 1:
        raise Invalid("a model's name may have one *", param="model")
    price = price_from(spec.price)
    assert price is not None
    return replace(price, version=f"row {spec.id}@{digest_of(price)}")


def own_price(spec: DeploymentSpec, price: Price) -> Price:
    """Return the price of a deployment, with the deployment's id and a digest as version."""
    return replace(price, version=f"deployment {spec.id}@{digest_of(price)}")


def digest_of(price: Price) -> str:
    """Return a short digest of a price."""
    told = repr(replace(price, version="")) + (repr(price.unit_micros) if price.unit_micros else "")
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def overlaps(rows: Iterable[PriceRowSpec]) -> Iterator[tuple[PriceRowSpec, PriceRowSpec]]:
    """Yield the pairs of rows of which nothing says which one counts: of one name, from one day."""
    seen: dict[tuple[str, str, date], PriceRowSpec] = {}
    for row in rows:
        place = (row.provider, row.model, row.since)
        if place in seen:
            yield seen[place], row
        seen.setdefault(place, row)


def is_at_home(spec: DeploymentSpec, provider: Provider) -> bool:
    """Return whether a deployment has the provider's own address; of a provider without one, any address is its own."""
    own = provider.base_url
    return own is None or spec.base_url is None or spec.base_url.rstrip("/") == own.rstrip("/")


@cache
def _lists() -> _Lists:
    """Read the list prices, once for a process."""
    return msgspec.json.decode((files("headgate.gateway") / "list_prices.json").read_bytes(), type=_Lists)


def _listed(one: _ListedPrice, lists: _Lists) -> Price | None:
    rates = {name: value for name in _RATES if (value := getattr(one, name)) is not None}
    spec = msgspec.convert({"currency": lists.currency, **rates, "tiers": one.tiers}, PriceSpec)
    price = price_from(spec)
    return replace(price, version=f"list {lists.version}") if price is not None else None


def _matches(name: str, model: str) -> bool:
    if name.startswith(_EXPRESSION):
        return re.search(name.removeprefix(_EXPRESSION), model) is not None
    if name.startswith(_ANY) and name.endswith(_ANY):
        return name.strip(_ANY) in model
    before, star, after = name.partition(_ANY)
    return model.startswith(before) and model.endswith(after) if star else model == name


_RATES: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
