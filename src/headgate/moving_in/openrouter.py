"""Turns a list of models with OpenRouter's routing into entries.

An entry is the name of a model, or an object with the routing fields of a request or a preset: `model`, `models` and
`provider`. Providers that are their model's own vendor become deployments at the vendor; OpenRouter itself stays the
last one where fallbacks are allowed.
Source: openrouter.ai/docs, "Model Fallbacks", "Provider Routing" and "Model Variants", November 2026.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from headgate.kernel.errors import NotFound
from headgate.moving_in.move import Move
from headgate.moving_in.origins import ORIGINS

_AUTO: Final = ("openrouter/auto", "openrouter/fusion", "openrouter/pareto-code")
_MOST_DEPLOYMENTS: Final = 32


class _Vendor(NamedTuple):
    """A provider that is the vendor of models: their author in OpenRouter's names, and our origin."""

    author: str
    origin: str


_VENDORS: Final[Mapping[str, _Vendor]] = {
    "openai": _Vendor("openai", "openai"),
    "anthropic": _Vendor("anthropic", "anthropic"),
    "google-ai-studio": _Vendor("google", "gemini"),
    "google-vertex": _Vendor("google", "vertex_ai"),
    "mistral": _Vendor("mistralai", "mistral"),
    "cohere": _Vendor("cohere", "cohere"),
    "deepseek": _Vendor("deepseek", "deepseek"),
    "xai": _Vendor("x-ai", "xai"),
    "perplexity": _Vendor("perplexity", "perplexity"),
}
_SORTS: Final = {"price": "cheapest", "throughput": "fastest", "latency": "fastest"}
_VARIANTS: Final = {"nitro": "throughput", "floor": "price"}
_ENTRY: Final = frozenset({"name", "slug", "model", "models", "provider", "route", "messages", "stream", "prompt"})
_ROUTING: Final[Mapping[str, str]] = {
    "max_price": "no call is refused by the price of its model; a [[budget]] limits money.",
    "require_parameters": "Headgate sends what a deployment can do, and names the rest in x-headgate-dropped.",
    "data_collection": "not sent: set it in the account at OpenRouter, and limit content by the clearance.",
    "zdr": "not sent: set it in the account at OpenRouter, and limit content by the clearance.",
    "enforce_distillable_text": "not sent: set it in the account at OpenRouter.",
    "quantizations": "has no equal and is left out.",
    "preferred_min_throughput": "has no equal; the breaker skips deployments that fail, and hedge those that are slow.",
    "preferred_max_latency": "has no equal; the breaker skips deployments that fail, and hedge those that are slow.",
}


@dataclass(slots=True)
class _Reading:
    move: Move
    providers: Collection[str]
    ids: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


def read_list(found: Any, move: Move, *, providers: Collection[str]) -> None:
    """Add the deployments and aliases of a list.

    Args:
        found: a list, one entry, or an object with a list under `models`, `data` or `presets`.
        providers: the names of the installed providers.

    Raises:
        NotFound: there is no entry.
    """
    reading = _Reading(move, providers)
    entries = list(_entries(found))
    if not entries:
        raise NotFound("there is no list of models; write one name or one object with `model` an entry", param="LIST")
    for place, entry in enumerate(entries):
        _alias(reading, entry, about=f"[{place}] {entry.get('name') or entry.get('slug') or ''}".rstrip())


def _entries(found: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(found, str):
        yield {"model": found}
    elif isinstance(found, list):
        for one in cast("list[Any]", found):
            yield from _entries(one)
    elif isinstance(found, Mapping):
        table = cast("Mapping[str, Any]", found)
        if isinstance(table.get("config"), Mapping):  # a preset
            yield {"name": table.get("slug") or table.get("name"), **table["config"]}
        elif "provider" in table or "model" in table or _is_chain(table.get("models")):
            yield table
        elif inner := next((table[name] for name in ("models", "data", "presets") if name in table), None):
            yield from _entries(inner)
        elif isinstance(table.get("id"), str):  # an entry of OpenRouter's list of models
            yield {"model": table["id"]}


def _is_chain(found: Any) -> bool:
    """Whether `models` is a chain of fallbacks of one entry: with a list of objects, it is the list itself."""
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    return bool(rows) and all(isinstance(one, str) for one in rows)


def _alias(reading: _Reading, entry: Mapping[str, Any], *, about: str) -> None:
    move, routing = reading.move, _table(entry, "provider")
    given = [entry.get("model"), *cast("list[Any]", entry["models"] if isinstance(entry.get("models"), list) else [])]
    models = list(dict.fromkeys(one for one in given if isinstance(one, str) and one))
    if not models:
        move.note(about, "not moved: it names no model.")
        return
    deployments: list[str] = []
    for model in models:
        deployments += [one for one in _deployments(reading, model, routing, about=about) if one not in deployments]
    if len(deployments) > _MOST_DEPLOYMENTS:
        move.note(about, f"only its first {_MOST_DEPLOYMENTS} deployments were moved.")
    prefer = _prefer(reading, models, routing, about=about)
    id_ = move.free_alias(str(entry.get("name") or entry.get("slug") or models[0]))
    if not deployments:
        move.note(about, "has no deployment, so there is no alias for it.")
        return
    move.add(
        "alias",
        id=id_,
        deployments=deployments[:_MOST_DEPLOYMENTS],
        prefer=prefer if len(deployments) > 1 else None,
    )
    for name in sorted(set(entry) - _ENTRY):
        move.note(about, f"{name} has no equal: clients send it themselves.")
    for name in sorted(set(routing) - {"order", "only", "ignore", "allow_fallbacks", "sort"}):
        move.note(about, f"provider.{name}: {_ROUTING.get(name, 'has no equal and is left out.')}")


def _deployments(reading: _Reading, model: str, routing: Mapping[str, Any], *, about: str) -> Iterator[str]:
    """Yield the deployments of a model: at its vendors in their order, then at OpenRouter where that is allowed."""
    only, ignored = _slugs(routing.get("only")), _slugs(routing.get("ignore"))
    wanted = [one for one in (_slugs(routing.get("order")) or only) if one not in ignored and (not only or one in only)]
    direct = 0
    for slug in wanted:
        added = _at_vendor(reading, model, slug)
        if added is not None:
            direct += 1
            yield added
        else:
            reading.move.note(
                about,
                f"{slug} serves {model} under a name of its own, or is not known here: add it with"
                " `headgate models add`.",
            )
    is_closed = routing.get("allow_fallbacks") is False or bool(only)
    if is_closed and direct:
        return
    if wanted and (not direct or is_closed):
        reading.move.note(about, f"OpenRouter itself chooses the provider of {model}: its order cannot be sent.")
    if ignored:
        reading.move.note(about, f"OpenRouter is asked without the list of ignored providers: {', '.join(ignored)}.")
    if model.startswith("~") or model in _AUTO:
        reading.move.note(about, f'{model} chooses a model at OpenRouter; prefer = "auto" is Headgate\'s own.')
    yield _added(reading, "openrouter", model)


def _at_vendor(reading: _Reading, model: str, slug: str) -> str | None:
    """Return the deployment at a provider that is the model's vendor, or None."""
    vendor = _VENDORS.get(slug.partition("/")[0])
    author, _, name = model.partition(":")[0].partition("/")
    if vendor is None or vendor.author != author or not name:
        return None
    if ORIGINS[vendor.origin].provider not in reading.providers:
        return None
    # OpenRouter writes claude-sonnet-4.5, and Anthropic claude-sonnet-4-5.
    return _added(reading, vendor.origin, name.replace(".", "-") if author == "anthropic" else name)


def _added(reading: _Reading, origin_name: str, model: str) -> str:
    """Add a deployment once, and return its id."""
    known = reading.ids.get((origin_name, model))
    if known is not None:
        return known
    move, origin = reading.move, ORIGINS[origin_name]
    wish = model if origin_name != "openrouter" else f"openrouter-{model}"
    added = reading.ids[origin_name, model] = move.free_id("deployment", wish)
    move.add(
        "deployment",
        id=added,
        provider=origin.provider,
        model=model,
        base_url=origin.base_url,
        key=f"env:{origin.key}" if origin.key else None,
    )
    if origin_name != "openrouter":
        move.note(f"deployment {added}", f"check that {origin.provider} calls the model {model}.")
    if origin_name == "vertex_ai":
        move.note(f"deployment {added}", "write options.project, and the file of a service account as key.")
    return added


def _prefer(reading: _Reading, models: Sequence[str], routing: Mapping[str, Any], *, about: str) -> str | None:
    sort: Any = routing.get("sort")
    by: Any = cast("Mapping[str, Any]", sort).get("by") if isinstance(sort, Mapping) else sort
    variants = {one.partition(":")[2] for one in models}
    by = by or next((_VARIANTS[one] for one in variants if one in _VARIANTS), None)
    if by is None:
        return None
    if len(models) > 1 or routing.get("order"):
        reading.move.note(about, f"sort by {by}: the order of the list counts; set prefer to choose among all of them.")
        return None
    if by not in _SORTS:
        reading.move.note(about, f"sort by {by!r} has no equal.")
    return _SORTS.get(str(by))


def _slugs(found: Any) -> list[str]:
    """Return names of providers in OpenRouter's form for slugs; older lists have display names."""
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    return [str(one).strip().lower().replace(" ", "-") for one in rows]


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
