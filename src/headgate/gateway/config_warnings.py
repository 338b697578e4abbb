"""Warnings about a change of the configuration: secrets that are not set, and models that budgets of money refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from headgate.gateway.catalogue import ANY
from headgate.gateway.price_table import PriceTable, is_at_home, price_at
from headgate.gateway.pricing import FREE
from headgate.gateway.specs import AliasSpec, DeploymentSpec, PriceRowSpec, deployment_from
from headgate.kernel.ports import Edit, Fault
from headgate.substrate.secrets import SecretStore
from headgate.wire.model_call import Price
from headgate.wire.provider import Provider

_SECRETS: Mapping[str, str] = {"deployment": "key", "network": "proxy_login"}
_OF_PRICES = ("budget", "deployment", "alias", "price")
_MOST_NAMES = 8


def warnings(edit: Edit, *, providers: Mapping[str, Provider], secrets: SecretStore, today: date) -> Iterator[Fault]:
    """Yield the warnings about an edit.

    Args:
        today: the day in UTC, whose prices count.
    """
    for section, key in _SECRETS.items():
        for table in edit.named.get(section, ()):
            if (why := secrets.why_unset(str(table.get(key, "")))) is not None:
                yield Fault(section, str(table["id"]), f"{why}; until then its calls fail")
    if any(edit.named.get(section) for section in _OF_PRICES):
        yield from _refused_models(edit, providers, today)


def _refused_models(edit: Edit, providers: Mapping[str, Provider], today: date) -> Iterator[Fault]:
    """Yield a warning for each hard budget of money under which models without a price are refused.

    An edit that leaves the budgets and prices alone is told of its own models only.
    """
    budgets = [one for one in edit.now.get("budget", ()) if _refuses(one)]
    if not budgets:
        return
    prices = _prices(edit, providers, today)
    aliases = [msgspec.convert(dict(table), AliasSpec) for table in edit.now.get("alias", ())]
    changed = {name: {str(one["id"]) for one in tables} for name, tables in edit.named.items()}

    def is_told(alias: AliasSpec, budget: str) -> bool:
        if changed.get("price") or budget in changed.get("budget", ()):
            return True
        return alias.id in changed.get("alias", ()) or not changed.get("deployment", set()).isdisjoint(
            alias.deployments
        )

    for budget in budgets:
        currency = str(budget.get("currency", "USD"))
        told = [one for one in aliases if one.operation not in FREE and is_told(one, str(budget["id"]))]
        at_fault = {
            one.id: [id_ for id_ in one.deployments if id_ in prices and not _counts(prices[id_], currency, one)]
            for one in told
        }
        if refused := [id_ for id_, deployments in at_fault.items() if deployments]:
            unpriced = sorted({name for deployments in at_fault.values() for name in deployments})
            yield Fault("budget", str(budget["id"]), _why(refused, unpriced, currency))


def _refuses(budget: Mapping[str, Any]) -> bool:
    return budget.get("unit", "money") == "money" and budget.get("hard", True)


def _counts(price: Price | None, currency: str, alias: AliasSpec) -> bool:
    """Whether the cost of an alias's calls at this price can be reserved from a budget."""
    if price is None or (price.currency != currency and not price.is_free):
        return False
    has_tokens = price.input_micros is not None and (price.output_micros is not None or alias.operation == "embed")
    return has_tokens or bool(price.unit_micros)


def _prices(edit: Edit, providers: Mapping[str, Provider], today: date) -> Mapping[str, Price | None]:
    """Return today's prices of the declared deployments that are not of the embedded runtime, which is free."""
    table = PriceTable(msgspec.convert(dict(one), PriceRowSpec) for one in edit.now.get("price", ()))
    specs = [msgspec.convert(dict(one), DeploymentSpec) for one in edit.now.get("deployment", ())]
    found: dict[str, Price | None] = {}
    for spec in specs:
        if spec.provider not in providers or (spec.provider == "local" and spec.base_url is None):
            continue
        deployment = deployment_from(spec, providers, tenant=edit.tenant)
        if ANY in spec.model and deployment.price is None:
            continue  # the model that a call asks for decides
        history = table.history(deployment, is_at_home=is_at_home(spec, providers[spec.provider]))
        found[spec.id] = deployment.price or price_at(history, today)
    return found


def _why(aliases: Sequence[str], deployments: Sequence[str], currency: str) -> str:
    return (
        f"it counts money, and refuses calls of {_listed(aliases)}, because no price in {currency} is known of"
        f" {_listed(deployments)}; give each deployment a price, or 0 for a free one,"
        " or add prices for its model ([[price]]), or let the budget refuse no calls (hard = false)"
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
