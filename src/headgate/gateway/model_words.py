"""What a deployment costs, can and may see, in words for people; the console and the command line share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headgate.gateway.specs import CATEGORIES
from headgate.kernel.labels import UNSCANNED, Clearance, Custody, pseudonymous
from headgate.wire.model_call import Capability, Deployment, Price

_CATEGORY_WORDS = {
    "pii": "personal data",
    "phi": "health data",
    "pci": "payment data",
    "secret": "passwords and keys",
}
_OPERATION_WORDS = {"chat": "chat", "embed": "embeddings", "count_tokens": "token counts"}


def price_words(price: Price | None) -> str:
    """Return the price of a million tokens, such as `$0.25 in, $2.00 out, per million tokens`."""
    if price is None:
        return "Price unknown"
    if price.input_micros == 0 and price.output_micros == 0:
        return "Free"
    if price.input_micros is None and price.output_micros is None:
        return "Price unknown"
    sides = f"{_money(price.input_micros, price.currency)} in, {_money(price.output_micros, price.currency)} out"
    more = "; longer prompts cost more" if price.tiers else ""
    return f"{sides}, per million tokens{more}"


def _money(micros: int | None, currency: str) -> str:
    if micros is None:
        return "unknown"
    if micros == 0:
        return "free"
    whole, rest = divmod(micros, 1_000_000)
    cents = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{cents}" if currency == "USD" else f"{whole:,}.{cents} {currency}"


def sight_words(clearance: Clearance) -> str:
    """Return the data that may go there, such as `Up to internal; personal data only masked`."""
    level = f"Up to {clearance.level.name.lower()}"
    purposes = f"; only for {_listed(sorted(clearance.purposes))}" if clearance.purposes else ""
    if clearance.categories is None:
        return f"{level}, with everything in it{purposes}"
    open_, masked = _sorted_categories(clearance.categories)
    told: list[str] = []
    if open_:
        told.append(f"{_listed(open_)} too")
    if masked:
        told.append(f"{_listed(masked)} only masked")
    if UNSCANNED not in clearance.categories:
        told.append("nothing that no scan can read, such as images")
    return "; ".join((level, *told)) + purposes


def _sorted_categories(categories: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the categories that may go there as they are, and those that may go only as pseudonyms."""
    given = set(categories) - {UNSCANNED}
    known = sorted({one for one in given if pseudonymous(one) in given or one in CATEGORIES})
    masked = [one for one in CATEGORIES if one not in given and pseudonymous(one) in given]
    return [_category(one) for one in known if not one.endswith("_pseudonymous")], [_category(one) for one in masked]


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
    words = [_OPERATION_WORDS[one] for one in ("chat", "embed") if one in capability.operations]
    if "chat" not in capability.operations:
        return words
    offers = (
        ("streaming", capability.streaming),
        ("tools", capability.tools),
        ("images", capability.images),
        ("JSON", capability.json_schema),
    )
    return [*words, *(word for word, is_offered in offers if is_offered)]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
