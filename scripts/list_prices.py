"""Writes the list prices anew, from the facts in the package `genai-prices`: `.venv/bin/python scripts/list_prices.py`.

Keeps prices of text tokens in USD of the providers below. Leaves out models whose calls cost something that Headgate
does not count, such as sound, and prices that depend on the hour, because a missing price is better than a wrong one.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import data, types

PROVIDERS = ("anthropic", "aws", "cohere", "google", "mistral", "openai")
RATES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
NAMES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
BESIDES = frozenset({"web_searches_kcount", "storage_searches_kcount"})
"""Units of tools of the provider. Headgate does not count them, and the tokens of these calls are still right."""
TARGET = Path(__file__).parent.parent / "src" / "headgate" / "gateway" / "list_prices.json"


def patterns(match: Any) -> list[str] | None:
    """Return the names that a clause matches, with `*` for any text, or `re:` and an expression; None if it has others."""
    match match:
        case types.ClauseEquals():
            return [match.equals]
        case types.ClauseStartsWith():
            return [f"{match.starts_with}*"]
        case types.ClauseEndsWith():
            return [f"*{match.ends_with}"]
        case types.ClauseContains():
            return [f"*{match.contains}*"]
        case types.ClauseRegex():
            return [f"re:{match.regex}"]
        case types.ClauseOr():
            parts = [patterns(one) for one in match.or_]
            return None if None in parts else [name for part in parts for name in part or ()]
        case _:
            return None


def prices(model: Any) -> list[dict[str, Any]] | None:
    """Return the prices of a model, the oldest first; None if they hold something that Headgate does not count."""
    given = (
        model.prices
        if isinstance(model.prices, list)
        else [types.ConditionalPrice(constraint=None, prices=model.prices)]
    )
    found: list[dict[str, Any]] = []
    for one in given:
        if not isinstance(one.constraint, types.StartDateConstraint | None):
            return None
        units = {name: value for name, value in vars(one.prices).items() if value is not None and name[0] != "_"}
        if units.keys() - BESIDES - set(RATES) or not units.keys() & set(RATES):
            return None
        found.append({"from": one.constraint.start_date.isoformat() if one.constraint else None, **rates(units)})
    return sorted(found, key=lambda one: one["from"] or "")


def rates(units: dict[str, Any]) -> dict[str, Any]:
    """Return the rates of one price, with those of longer prompts."""
    tiered = {name: value for name, value in units.items() if isinstance(value, types.TieredPrices)}
    base = {name: tiered[name].base if name in tiered else value for name, value in units.items()}
    bounds = sorted({tier.start for value in tiered.values() for tier in value.tiers})
    tiers = [
        {
            "above_input_tokens": bound,
            **named({name: [t.price for t in value.tiers if t.start <= bound][-1:] for name, value in tiered.items()}),
        }
        for bound in bounds
    ]
    return {**named({name: [value] for name, value in base.items()}), **({"tiers": tiers} if tiers else {})}


def named(values: dict[str, Any]) -> dict[str, str]:
    """Return the rates that there are, by their names in Headgate."""
    pairs = zip(NAMES, (values.get(rate) or [] for rate in RATES), strict=True)
    return {name: format(value[0].normalize(), "f") for name, value in pairs if value}


def main() -> None:
    """Write the file."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for provider in data.providers:
        if provider.id not in PROVIDERS:
            continue
        for model in provider.models:
            names, found = patterns(model.match), prices(model)
            # A model without known prices stays, so that its names match no other model.
            listed.setdefault(provider.id, []).append({"names": names or [model.id], "prices": found or []})
    lines = ",\n".join(
        f'  "{name}": [\n' + ",\n".join(f"   {json.dumps(one, separators=(',', ':'))}" for one in models) + "\n  ]"
        for name, models in sorted(listed.items())
    )
    digest = hashlib.sha256(lines.encode()).hexdigest()[:12]
    source = f"genai-prices {version('genai-prices')}"
    head = f'{{\n "version": "{digest}",\n "source": "{source}",\n "currency": "USD",\n "providers": {{\n'
    TARGET.write_text(f"{head}{lines}\n }}\n}}\n")
    print(f"{TARGET}: {sum(map(len, listed.values()))} models, {TARGET.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
