"""What a deployment costs, can and may see, in words for people; the console and the command line share them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from headgate.admin.money import money_words
from headgate.gateway.specs import CATEGORIES
from headgate.kernel.labels import UNSCANNED, Clearance, Custody, pseudonymous
from headgate.wire.model_call import KINDS, Capability, Deployment, Price

_CATEGORY_WORDS = {
    "pii": "personal data",
    "phi": "health data",
    "pci": "payment data",
    "secret": "passwords and keys",
}
_UNTOLD = ("count_tokens", "raw")
_HEALTH_WORDS = {"ok": "ok", "cooling_down": "failing", "failing": "failing", "unknown": "not called lately"}
"""The states of `board.Sighting` in words. Only routing tells the two that fail apart."""


def health_words(health: Mapping[str, Any]) -> str:
    """Return the health of a deployment, as the API has it, such as `unhealthy since 2026-11-30 08:15 UTC`."""
    since = health["unhealthy_since"]
    if since is None:
        return _HEALTH_WORDS[health["state"]]
    return f"unhealthy since {datetime.fromisoformat(since).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def price_words(price: Price | None) -> str:
    """Return the price of a million tokens, such as `$0.25 in, $2.00 out, per million tokens`."""
    if price is None:
        return "Price unknown"
    if price.input_micros == 0 and price.output_micros == 0 and not price.unit_micros:
        return "Free"
    units = [f"{_money(micros, price.currency)} {_unit_words(unit)}" for unit, micros in price.unit_micros]
    if price.input_micros is None and price.output_micros is None:
        return ", ".join(units) or "Price unknown"
    sides = f"{_money(price.input_micros, price.currency)} in, {_money(price.output_micros, price.currency)} out"
    more = "; longer prompts cost more" if price.tiers else ""
    return ", ".join((f"{sides}, per million tokens{more}", *units))


_UNIT_WORDS = {
    "images": "an image",
    "audio_seconds": "a minute of audio",
    "characters": "a million characters",
    "searches": "a search",
    "requests": "a request",
}


def _unit_words(unit: str) -> str:
    """Return the unit of a price, such as `an image high/1024x1024`."""
    name, _, variant = unit.partition(" ")
    return f"{_UNIT_WORDS[name]} {variant}".strip()


def _money(micros: int | None, currency: str) -> str:
    if micros is None:
        return "unknown"
    return money_words(micros, currency) if micros else "free"


class Masking(NamedTuple):
    """The categories that rules mask on the way to a deployment.

    Args:
        always: for every use case.
        sometimes: for some use cases only.
    """

    always: frozenset[str] = frozenset()
    sometimes: frozenset[str] = frozenset()


def sight_words(clearance: Clearance, masking: Masking) -> str:
    """Return the data that may go there, such as `Up to internal; personal data only masked`.

    A category without clearance that no rule masks is refused.
    """
    level = f"Up to {clearance.level.name.lower()}"
    purposes = f"; only for {_listed(sorted(clearance.purposes))}" if clearance.purposes else ""
    if clearance.categories is None:
        return f"{level}, with everything in it{purposes}"
    told = _category_words(clearance.categories, masking)
    if UNSCANNED not in clearance.categories:
        told.append("nothing that no scan can read, such as images")
    return "; ".join((level, *told)) + purposes


_FATES = ("too", "masked in some use cases", "only masked", "masked or refused, by use case", "refused")


def _category_words(given: frozenset[str], masking: Masking) -> list[str]:
    """Return what happens to each category, the categories of one fate together."""
    more = sorted(one for one in given - {UNSCANNED, *CATEGORIES} if pseudonymous(one) in given)
    fates: dict[str, list[str]] = {fate: [] for fate in _FATES}
    for category in (*CATEGORIES, *more):
        if category in masking.always:
            fate = "only masked"
        elif category in masking.sometimes:
            fate = "masked in some use cases" if category in given else "masked or refused, by use case"
        else:
            fate = "too" if category in given else "refused"
        fates[fate].append(_category(category))
    return [f"{_listed(names)} {fate}" for fate, names in fates.items() if names]


def categories_in_words(categories: Iterable[str]) -> str:
    """Return the words for categories of content, such as `health data and personal data`."""
    return _listed(sorted({_category(one.removesuffix("_pseudonymous")) for one in categories}))


def _category(name: str) -> str:
    return _CATEGORY_WORDS.get(name, name.replace("_", " "))


def place_words(deployment: Deployment) -> str:
    """Return where it runs, such as `Our own machines` or `At openai, in eu`."""
    regions = sorted(deployment.clearance.regions or ())
    if deployment.tenant is None:
        return "This machine"
    if deployment.clearance.custody is Custody.ORGANISATION:
        return "Our own machines" + (f", in {_listed(regions)}" if regions else "")
    return f"At {deployment.provider}" + (f", in {_listed(regions)}" if regions else "; region not declared")


def ability_words(capability: Capability) -> Sequence[str]:
    """Return what it can, most important first."""
    if "chat" not in capability.operations:
        return [KINDS[one] for one in KINDS if one in capability.operations and one not in _UNTOLD]
    words = [KINDS[one] for one in ("chat", "embed") if one in capability.operations]
    offers = (
        ("streaming", capability.streaming),
        ("tools", capability.tools),
        ("images", capability.images),
        ("JSON", capability.json_schema),
    )
    return [*words, *(word for word, is_offered in offers if is_offered)]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
