"""Turns a configuration of the Portkey gateway into entries.

A configuration is a tree: `strategy` says how to choose among `targets`, and each target is a model or a tree again.
Source: portkey.ai/docs, "Configs", "Load Balancing", "Fallbacks", "Conditional Routing" and "Cache"; the schema of
configurations in the repository Portkey-AI/gateway, `src/middlewares/requestValidator/schema/config.ts`; November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from headgate.kernel.errors import Invalid, NotFound
from headgate.moving_in.move import Move, name_from
from headgate.moving_in.origins import ORIGINS, Origin, clearance_at, origin_of_model, without_secrets

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_NAMES: Final[Mapping[str, str]] = {
    "azure-openai": "azure",
    "azure-ai": "azure_ai",
    "azure-ai-inference": "azure_ai",
    "vertex-ai": "vertex_ai",
    "perplexity-ai": "perplexity",
    "x-ai": "xai",
    "fireworks-ai": "fireworks_ai",
    "lmstudio": "lm_studio",
}
"""Portkey's names of providers that differ from those of other gateways."""
_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "azure": {"resource": "azure_resource_name", "api_version": "api_version"},
    "bedrock": {"region": "aws_region"},
    "vertex": {"project": "vertex_project_id", "location": "vertex_region"},
}
_INHERITED: Final = ("override_params", "retry", "cache", "request_timeout", "custom_host")
_KNOWN: Final = frozenset(
    {
        *("name", "strategy", "targets", "provider", "virtual_key", "api_key", "weight", *_INHERITED),
        *("resource_name", "azure_resource_name", "deployment_id", "azure_deployment_id", "api_version"),
        *("azure_api_version", "aws_region", "vertex_project_id", "vertex_region", "strict_open_ai_compliance"),
    }
)
_NOTES: Final[Mapping[str, str]] = {
    "retry": "Headgate asks the next deployment of the alias when one fails before it answers; it repeats none.",
    "on_status_codes": "failures, limits and timeouts go on to the next deployment; the list of codes is left out.",
    "sticky": "calls of one session do not stay at one deployment.",
    "aws_access_key_id": "set AWS's credentials for `headgate up`; see docs/configuration.md.",
    "aws_secret_access_key": "its value was not read.",
    "vertex_service_account_json": "its value was not read; name the file of the service account as key.",
    **dict.fromkeys(
        ("before_request_hooks", "after_request_hooks", "input_guardrails", "output_guardrails"),
        "personal data and secrets are masked by default; see `headgate rules list`.",
    ),
}
_LONGEST_TTL_S: Final = 86_400
_MOST_WEIGHT: Final = 1000
_MOST_DEPTH: Final = 8
_MOST_DEPLOYMENTS: Final = 32

Node = Mapping[str, Any]


class _Member(NamedTuple):
    """A deployment of an alias; a share of 0 is asked only after the others."""

    deployment: str
    share: float


@dataclass(frozen=True, slots=True)
class _Reading:
    move: Move
    providers: Collection[str]
    said: Mapping[str, str]
    ids: dict[tuple[Any, ...], str]


def read_config(
    config: Mapping[str, Any],
    move: Move,
    *,
    alias: str,
    providers: Collection[str],
    said: Mapping[str, str] | None = None,
) -> None:
    """Add the deployments and aliases of a configuration.

    Args:
        alias: the name for the alias of the whole configuration.
        providers: the names of the installed providers.
        said: the provider of virtual keys and of slugs, where their names do not tell it.

    Raises:
        NotFound: it has neither a target nor a provider.
        Invalid: it is nested too deeply.
    """
    root = _node(config)
    if not any(root.get(name) for name in ("targets", "provider", "virtual_key")):
        raise NotFound("the configuration has no targets, no provider and no virtual key", param="CONFIG")
    reading = _Reading(move, providers, said or {}, {})
    strategy = _strategy(root)
    if root.get("retry"):
        move.note("config.retry", _NOTES["retry"])
    if strategy.get("mode") == "conditional":
        _conditional(reading, root, strategy, alias=alias)
    else:
        _alias(reading, alias, _members(reading, root, about="config", depth=0), root, about="config")


def _conditional(reading: _Reading, root: Node, strategy: Node, *, alias: str) -> None:
    """Add an alias for each target. A condition on the model's name alone is such an alias already."""
    named: dict[str, tuple[Sequence[_Member], Node]] = {}
    for place, target in enumerate(_targets(root)):
        name = str(target.get("name") or place)
        about = f"targets[{place}] {name}"
        child = _inherit(root, target)
        named[name] = (_members(reading, child, about=about, depth=1), child)
    used: dict[str, str] = {}  # the aliases of targets that a condition chooses by something else
    for place, condition in enumerate(_tables(strategy.get("conditions"))):
        about, then = f"conditions[{place}]", str(condition.get("then"))
        if then not in named:
            reading.move.note(about, f"names the target {then!r}, which is not there.")
            continue
        asked = _asked_model(condition.get("query"))
        if asked is None:
            used.setdefault(then, name_from(f"{alias}-{then}"))
            reading.move.note(about, f"has no equal: clients ask for the alias {used[then]} instead.")
        else:
            _alias(reading, asked, *named[then], about=about)
    for then, wish in used.items():
        _alias(reading, wish, *named[then], about=f"target {then}")
    default = str(strategy.get("default") or "")
    if default in named:
        _alias(reading, alias, *named[default], about="default")
    else:
        reading.move.note("strategy.default", "there is no default target, so there is no alias for other calls.")


def _asked_model(query: Any) -> str | None:
    """Return the name of the model that a condition asks for, if it asks for nothing else."""
    asks: Mapping[str, Any] = cast("Mapping[str, Any]", query) if isinstance(query, Mapping) else {}
    if list(asks) != ["params.model"]:
        return None
    asked: Any = asks["params.model"]
    value: Any = cast("Mapping[str, Any]", asked).get("$eq") if isinstance(asked, Mapping) else asked
    return value if isinstance(value, str) and value else None


def _alias(reading: _Reading, wish: str, members: Sequence[_Member], node: Node, *, about: str) -> None:
    move = reading.move
    if not members:
        move.note(about, "has no deployment, so there is no alias for it.")
        return
    if len(members) > _MOST_DEPLOYMENTS:
        move.note(about, f"only its first {_MOST_DEPLOYMENTS} targets were moved.")
        members = members[:_MOST_DEPLOYMENTS]
    open_ones = {one["id"] for one in move.tables.get("deployment", ()) if one["model"] == "*"}
    if all(member.deployment in open_ones for member in members) and "*" not in move.ids("alias"):
        move.note(about, "has no model of its own, so the alias * passes on the name that the client asks for.")
        id_ = "*"
    else:
        id_ = move.free_alias(wish)
        for member in members:
            if member.deployment in open_ones:
                move.note(about, f"the target {member.deployment} has no model; write the one of {id_} in place of *.")
    shares = [member.share for member in members if member.share > 0]
    is_spread = len(shares) > 1
    move.add(
        "alias",
        id=id_,
        deployments=[member.deployment for member in members],
        prefer="weighted" if is_spread else None,
        weights=_weights(members) if is_spread else None,
        cache=_cache(move, node, about=about),
    )


def _weights(members: Sequence[_Member]) -> dict[str, int]:
    """Return shares as whole numbers up to 1000."""
    shares = [member.share for member in members]
    is_whole = all(share == int(share) <= _MOST_WEIGHT for share in shares)
    scale = 1.0 if is_whole else 100 / max(shares)
    return {one.deployment: max(1, round(one.share * scale)) if one.share else 0 for one in members}


def _cache(move: Move, node: Node, *, about: str) -> dict[str, Any] | None:
    cache = _table(node, "cache")
    if not cache:
        return None
    if cache.get("mode") != "simple":
        move.note(about, f"a cache of the mode {cache.get('mode')!r} has no equal; only equal calls get a kept answer.")
        return None
    given: Any = cache.get("max_age")
    ttl_s = min(int(given), _LONGEST_TTL_S) if isinstance(given, int | float) and given >= 1 else _LONGEST_TTL_S
    if ttl_s != given:
        move.note(about, "its cache holds answers for a day at the longest.")
    move.note(about, "each caller has a cache of their own; see scope in docs/configuration.md.")
    return {"ttl": f"{ttl_s}s"}


def _members(reading: _Reading, node: Node, *, about: str, depth: int) -> list[_Member]:
    """Return the deployments of a tree with their shares."""
    if depth > _MOST_DEPTH:
        raise Invalid(f"targets are nested more than {_MOST_DEPTH} deep", param="CONFIG")
    targets, strategy = _targets(node), _strategy(node)
    if not targets:
        added = _deployment(reading, node, about=about)
        return [] if added is None else [_Member(added, 1.0)]
    mode = str(strategy.get("mode") or "single")
    for name in ("on_status_codes", "sticky"):
        if strategy.get(name):
            reading.move.note(f"{about}.strategy", _NOTES[name])
    if mode == "conditional":
        reading.move.note(about, "conditions below the top have no equal; its default target is used.")
        targets = [one for one in targets if one.get("name") == strategy.get("default")]
    elif mode == "single":
        targets = targets[:1]
    members: list[_Member] = []
    for place, target in enumerate(targets):
        child = _inherit(node, target)
        label = f"{about}.targets[{place}]".removeprefix("config.")
        if "retry" in target:
            reading.move.note(f"{label}.retry", _NOTES["retry"])
        if "cache" in target:
            reading.move.note(f"{label}.cache", "is left out: an alias has one cache, that of the top.")
        found = _members(reading, child, about=label, depth=depth + 1)
        share = _share(target) if mode == "loadbalance" else float(not members)
        total = sum(one.share for one in found) or 1.0
        if mode == "loadbalance" and len(found) > 1 and depth + 1 < _MOST_DEPTH:
            reading.move.note(label, "its targets join those beside it, and fallbacks are common to all of them.")
        members += [_Member(one.deployment, share * one.share / total) for one in found]
    # First the shares, then the fallbacks; a deployment counts once.
    unique: dict[str, _Member] = {}
    for member in sorted(members, key=lambda one: one.share <= 0):
        unique.setdefault(member.deployment, member)
    return list(unique.values())


def _share(target: Node) -> float:
    weight: Any = target.get("weight", 1)
    return float(weight) if isinstance(weight, int | float) and weight >= 0 else 1.0


def _deployment(reading: _Reading, node: Node, *, about: str) -> str | None:
    """Add the deployment of a target; return its id, or None if it has no equal."""
    move, params = reading.move, _table(node, "override_params")
    slug = _slug(node, params)
    model = str(params.get("model") or node.get("deployment_id") or node.get("azure_deployment_id") or "*")
    if model.startswith("@"):
        model = model.partition("/")[2] or "*"
    origin = _origin(reading, node, slug=slug, model=model)
    if origin is None or origin.provider not in reading.providers:
        named = slug or node.get("provider")
        how = "; say it with --provider SLUG=PROVIDER" if slug else ""
        move.note(about, f"not moved: no installed provider is known for {named!r}{how}.")
        return None
    host: Any = node.get("custom_host")
    base_url = without_secrets(str(host), move, about=about).rstrip("/") if host else origin.base_url
    same = (origin.provider, model, base_url, slug, node.get("api_key"))
    if same in reading.ids:
        return reading.ids[same]
    wish = str(node.get("name") or (model if model != "*" else slug or origin.provider))
    id_ = reading.ids[same] = move.free_id("deployment", wish)
    options = {ours: node[theirs] for ours, theirs in _OPTIONS.get(origin.provider, {}).items() if node.get(theirs)}
    timeout: Any = node.get("request_timeout")
    move.add(
        "deployment",
        id=id_,
        provider=origin.provider,
        model=model,
        base_url=base_url,
        key=_key(move, node, origin, slug=slug, deployment=id_, about=about),
        timeout_s=timeout / 1000 if isinstance(timeout, int | float) and timeout > 0 else None,
        options={name: str(value) for name, value in options.items()} or None,
        clearance=clearance_at(base_url, move, about=about),
    )
    for name in sorted(set(params) - {"model"}):
        move.note(about, f"override_params.{name} has no equal: clients send it themselves.")
    for name in sorted(set(node) - _KNOWN):
        move.note(about, f"{name}: {_NOTES.get(name, 'has no equal and is left out.')}")
    return id_


def _slug(node: Node, params: Node) -> str | None:
    """Return the name of the credential at Portkey: a virtual key, or a provider of the model catalogue."""
    if isinstance(node.get("virtual_key"), str):
        return str(node["virtual_key"])
    for given in (node.get("provider"), params.get("model")):
        if isinstance(given, str) and given.startswith("@"):
            return given[1:].partition("/")[0]
    return None


def _origin(reading: _Reading, node: Node, *, slug: str | None, model: str) -> Origin | None:
    if slug is not None and slug in reading.said:
        name = reading.said[slug]
        return ORIGINS.get(_NAMES.get(name, name)) or Origin(name)
    provider = str(node.get("provider") or "")
    if provider and not provider.startswith("@"):
        return ORIGINS.get(_NAMES.get(provider, provider))
    every = {**dict.fromkeys(ORIGINS), **_NAMES}
    for name in sorted(every, key=len, reverse=True):
        if slug is not None and re.fullmatch(rf"{re.escape(name)}(?:[-_].*)?", slug):
            return ORIGINS[_NAMES.get(name, name)]
    return origin_of_model(model)


def _key(move: Move, node: Node, origin: Origin, *, slug: str | None, deployment: str, about: str) -> str | None:
    """Return a reference. A secret in the configuration is never written into the file."""
    if slug is not None:
        name = _variable(slug)
        move.note(about, f"Portkey keeps the credential of {slug!r}: set it as {name} for `headgate up`.")
        return f"env:{name}"
    if node.get("api_key"):
        name = _variable(deployment)
        move.note(about, f"its key stands in the configuration itself: set it as {name} for `headgate up`.")
        return f"env:{name}"
    return f"env:{origin.key}" if origin.key else None


def _variable(name: str) -> str:
    words = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return f"{words if not words[:1].isdigit() else f'KEY_{words}'}_API_KEY"


def _inherit(parent: Node, target: Node) -> Node:
    """Return a target with what it has from its parent."""
    passed = {name: parent[name] for name in _INHERITED if name in parent and name not in target}
    params = {**_table(parent, "override_params"), **_table(target, "override_params")}
    return {**target, **passed, **({"override_params": params} if params else {})}


def _targets(node: Node) -> list[Node]:
    return [_node(one) for one in _tables(node.get("targets"))]


def _strategy(node: Node) -> Node:
    return _node(_table(node, "strategy"))


def _node(found: Mapping[str, Any]) -> Node:
    """Return a node with keys in snake case; Portkey accepts both cases."""
    node = {_CAMEL.sub(lambda one: f"_{one[1].lower()}", str(key)): value for key, value in found.items()}
    for short, full in (("resource_name", "azure_resource_name"), ("azure_api_version", "api_version")):
        if short in node:
            node.setdefault(full, node[short])
    return node


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _tables(found: Any) -> Sequence[Mapping[str, Any]]:
    return list(_mappings(found))


def _mappings(found: Any) -> Iterator[Mapping[str, Any]]:
    for row in cast("list[Any]", found) if isinstance(found, list) else ():
        if isinstance(row, Mapping):
            yield cast("Mapping[str, Any]", row)
