"""Turns a LiteLLM proxy's `config.yaml` into entries.

Source: docs.litellm.ai, "Config.yaml" and "Proxy - Load Balancing", November 2026.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from headgate.moving_in.move import Move, name_from
from headgate.moving_in.origins import ORIGINS, Origin, clearance_at, fitting, origin_of_model, without_secrets

_REFERENCE = "os.environ/"
_SECTIONS = frozenset(
    {
        *("model_list", "litellm_settings", "router_settings", "general_settings"),
        *("environment_variables", "include"),
    }
)
_STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least_loaded",
    "latency-based-routing": "fastest",
    "cost-based-routing": "cheapest",
}
_OPERATIONS = {
    **dict.fromkeys(("chat", "responses", "completion"), "chat"),
    "embedding": "embed",
    "moderation": "moderate",
    "rerank": "rerank",
    "image_generation": "image",
    "image_edit": "image_edit",
    "audio_speech": "speech",
    "audio_transcription": "transcribe",
}
_PARAMS = frozenset(
    {
        *("model", "api_key", "api_base", "api_version", "timeout", "weight"),
        *("aws_region_name", "vertex_project", "vertex_location", "input_cost_per_token", "output_cost_per_token"),
    }
)
"""The parameters of a model that have an equal."""
_INFO = frozenset(
    {
        *("id", "mode", "supports_vision", "supports_function_calling", "max_tokens", "max_input_tokens"),
        "max_output_tokens",
    }
)
"""What is known of a model that has an equal, or needs none."""
_LEFT_OUT = {
    "vertex_credentials": 'is left out: write `key = "file:PATH"` with its path into the entry.',
    "aws_access_key_id": "is left out: the key of Bedrock is ACCESS_KEY_ID:SECRET_ACCESS_KEY in one variable or file.",
    "aws_secret_access_key": "is left out: it belongs into the same variable or file.",
    "base_model": "is left out: write the model's `price`, or a row of [[price]], so that its calls have a cost.",
    "order": "is left out: the order of an alias's deployments is their order.",
    "stream_timeout": "is left out: timeout_s holds for streams too.",
    "access_groups": "is left out: use cases say who may call which deployments.",
}
_OPTIONS = {
    "api_version": "api_version",
    "aws_region_name": "region",
    "vertex_project": "project",
    "vertex_location": "location",
}
_UNITS = {
    "image": ("output_cost_per_image", 1),
    "audio_minute": ("input_cost_per_second", 60),
    "characters": ("input_cost_per_character", 1_000_000),
    "search": ("input_cost_per_query", 1),
}
"""The prices of units besides tokens: the name of the parameter, and the amount that our price is for."""
_RATES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}
_LONG_CONTEXTS = {"_above_128k_tokens": 128_000, "_above_200k_tokens": 200_000}
_SAME = {
    "drop_params": "Headgate drops what the other wire cannot express, and says so in x-headgate-dropped.",
    "num_retries": "Headgate asks the next deployment of the alias when one fails before it answers.",
    "request_timeout": "the timeout is timeout_s of each deployment.",
    "success_callback": "records, metrics and traces are built in; see docs/operations.md for OTLP.",
    "failure_callback": "failed calls are records, metrics and log lines; notifications go by [[notification]].",
    "callbacks": "records, metrics and traces are built in; see docs/operations.md for OTLP.",
    "cache_params": 'not moved: an alias has `cache = { ttl = "10m" }`; nothing else is needed.',
    "guardrails": "personal data and secrets are masked by default; see `headgate rules list`.",
    "cache": 'not moved: give each alias that may repeat answers a `cache = { ttl = "10m" }`.',
    "content_policy_fallbacks": "a refusal by a provider does not go to another deployment.",
    "context_window_fallbacks": "there is no separate fallback for long prompts; list one with a longer context.",
    "default_fallbacks": "there is no fallback for every alias; add the deployment to each one.",
    "master_key": "not moved: the key in DATA/admin.key administers Headgate. Give programs keys of their own.",
    "database_url": "read it with --database to move keys, teams and people.",
    "redis_host": "not needed: limits are shared by PostgreSQL.",
}
"""What to know of settings without an entry of ours."""


def read_config(config: Mapping[str, Any], move: Move, *, providers: Collection[str]) -> None:
    """Add the deployments and aliases of a configuration.

    Args:
        providers: the names of the installed providers.
    """
    groups: dict[str, list[tuple[str, int]]] = {}
    operations: dict[str, str] = {}
    for place, entry in enumerate(_tables(config.get("model_list"))):
        about = f"model_list[{place}] {entry.get('model_name', '')}".rstrip()
        added = _deployment(entry, move, about=about, providers=providers)
        if added is None:
            continue
        group = str(entry.get("model_name") or added["id"])
        weight = _table(entry, "litellm_params").get("weight")
        groups.setdefault(group, []).append((added["id"], weight if isinstance(weight, int) else 1))
        operations[group] = (added.get("operations") or ["chat"])[0]
    settings, router = _table(config, "litellm_settings"), _table(config, "router_settings")
    _aliases(groups, operations, move, fallbacks=[*_fallbacks(settings), *_fallbacks(router)], router=router)
    for name, settings_of in (("litellm_settings", settings), ("router_settings", router)):
        _notes(name, settings_of, move)
    _notes("general_settings", _table(config, "general_settings"), move)
    if config.get("environment_variables"):
        move.note("environment_variables", "not moved: set them for `headgate up`.")
    if config.get("include"):
        move.note("include", "not followed: move each included file as well.")
    for name in sorted(set(config) - _SECTIONS):
        move.note(name, _SAME.get(name, "has no equal and is left out."))


def _deployment(
    entry: Mapping[str, Any], move: Move, *, about: str, providers: Collection[str]
) -> dict[str, Any] | None:
    params, info = _table(entry, "litellm_params"), _table(entry, "model_info")
    named = str(params.get("model") or "")
    operation = _OPERATIONS.get(str(info.get("mode") or "chat"))
    if not named or operation is None:
        move.note(about, f"not moved: the mode {info.get('mode')!r} has no equal." if named else "not moved: no model.")
        return None
    origin, model = _origin(named, has_address="api_base" in params)
    if origin is not None:
        origin = fitting(origin, model, api_version=params.get("api_version"))
    if origin is None or origin.provider not in providers:
        move.note(about, f"not moved: no provider for {named!r} is installed.")
        return None
    if "*" in model:
        before, slash, _ = str(entry.get("model_name")).partition("/")
        if slash and before != origin.provider:
            move.note(
                about,
                f"the provider gets the whole name that the client asks for, with {before}/ before it; let clients ask"
                f" for {origin.provider}/NAME, which reaches it as NAME, or list the models.",
            )
        model = "*"
    added_id = move.free_id("deployment", str(entry.get("model_name") or model).replace("*", "any"))
    base_url = _address(params, origin, move, about=about)
    added = move.add(
        "deployment",
        id=added_id,
        provider=origin.provider,
        model=model,
        base_url=base_url,
        key=_key(params, origin, move, about=about, deployment=added_id),
        operations=None if operation == "chat" else [operation],
        images=False if info.get("supports_vision") is False else None,
        tools=False if info.get("supports_function_calling") is False else None,
        timeout_s=_seconds(params.get("timeout")),
        context_tokens=_count(info.get("max_input_tokens")),
        max_output_tokens=_count(info.get("max_output_tokens") or info.get("max_tokens")),
        options={ours: str(params[name]) for name, ours in _OPTIONS.items() if params.get(name)} or None,
        clearance=clearance_at(base_url, move, about=about),
        price=_price({**info, **params}, move, about=about),
    )
    for name in sorted(set(params) - _PARAMS - {*_rate_names()}):
        move.note(about, f"{name} {_LEFT_OUT.get(name, 'has no equal and is left out.')}")
    for name in sorted(set(info) - _INFO - {*_rate_names()}):
        move.note(about, f"model_info.{name} {_LEFT_OUT.get(name, 'has no equal and is left out.')}")
    return added


def _origin(named: str, *, has_address: bool) -> tuple[Origin | None, str]:
    """Return the provider and its name of the model."""
    prefix, slash, rest = named.partition("/")
    if slash and prefix in ORIGINS:
        # LiteLLM writes bedrock/converse/MODEL and azure/chat/MODEL for variants of a wire.
        return ORIGINS[prefix], rest.removeprefix("converse/").removeprefix("invoke/")
    found = origin_of_model(named)
    return found or (ORIGINS["openai"] if has_address else None), named


def _address(params: Mapping[str, Any], origin: Origin, move: Move, *, about: str) -> str | None:
    given = params.get("api_base")
    if not isinstance(given, str) or given.startswith(_REFERENCE):
        return origin.base_url
    given = without_secrets(given, move, about=about).rstrip("/")
    if origin.provider in ("ollama", "vllm", "lmstudio", "tgi") and not given.endswith("/v1"):
        return given + "/v1"  # LiteLLM adds the path of the version itself
    return given


def _key(params: Mapping[str, Any], origin: Origin, move: Move, *, about: str, deployment: str) -> str | None:
    """Return a reference. A secret in the configuration is never written into the file."""
    given = params.get("api_key")
    if isinstance(params.get("api_base"), str) and str(params["api_base"]).startswith(_REFERENCE):
        move.note(about, f"base_url: the address is in {params['api_base']}; write it into the entry.")
    if given is None:
        return f"env:{origin.key}" if origin.key else None
    if isinstance(given, str) and given.startswith(_REFERENCE):
        return f"env:{given.removeprefix(_REFERENCE)}"
    name = f"{name_from(deployment).upper().replace('-', '_').replace('.', '_')}_API_KEY"
    move.note(about, f"its key stands in the configuration itself: set it as {name} for `headgate up`.")
    return f"env:{name}"


def _price(params: Mapping[str, Any], move: Move, *, about: str) -> dict[str, Any] | None:
    rates = {**_rates(params, ""), **_units(params)}
    if not rates:
        return None
    tiers = [
        {"above_input_tokens": above, **longer}
        for ending, above in _LONG_CONTEXTS.items()
        if (longer := _rates(params, ending))
    ]
    if any(value > 1_000_000 for value in rates.values()):
        move.note(about, "its price is over a million for a million tokens; check it.")
    return {**rates, **({"tiers": tiers} if tiers else {})}


def _rates(params: Mapping[str, Any], ending: str) -> dict[str, Decimal]:
    found = {ours: _per_million(params.get(theirs + ending)) for ours, theirs in _RATES.items()}
    return {name: rate for name, rate in found.items() if rate is not None}


def _units(params: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the prices of units besides tokens."""
    found = {ours: _times(params.get(theirs), amount) for ours, (theirs, amount) in _UNITS.items()}
    return {name: rate for name, rate in found.items() if rate is not None}


def _rate_names() -> Iterator[str]:
    yield from (theirs for theirs, _ in _UNITS.values())
    for theirs in _RATES.values():
        yield from (theirs, *(theirs + ending for ending in _LONG_CONTEXTS))


def _per_million(rate: Any) -> Decimal | None:
    """Return the price of a million tokens, with at most six decimals."""
    return _times(rate, 1_000_000)


def _times(rate: Any, amount: int) -> Decimal | None:
    """Return the price of an amount, with at most six decimals."""
    try:
        micros = (Decimal(str(rate)) * amount).quantize(Decimal("0.000001")).normalize()
    except InvalidOperation:
        return None
    return micros if micros >= 0 else None


def _aliases(
    groups: Mapping[str, list[tuple[str, int]]],
    operations: Mapping[str, str],
    move: Move,
    *,
    fallbacks: list[tuple[str, list[str]]],
    router: Mapping[str, Any],
) -> None:
    strategy = str(router.get("routing_strategy") or "simple-shuffle")
    prefer = _STRATEGIES.get(strategy)
    if prefer is None:
        prefer = "least_loaded"
        move.note("routing_strategy", f"{strategy} has no equal; the aliases prefer the least loaded deployment.")
    later = dict(fallbacks)
    for group, members in groups.items():
        names = [name for name, _ in members]
        extra = [name for other in later.get(group, []) for name, _ in groups.get(other, []) if name not in names]
        for other in later.get(group, []):
            if other not in groups:
                move.note(f"fallbacks {group}", f"{other} has no deployment and is left out.")
        is_spread = len(members) > 1
        chosen = prefer
        if is_spread and prefer != "weighted" and extra:
            chosen = "order"
            move.note(
                f"fallbacks {group}",
                f"the deployments are asked in order, because {prefer} would choose among the fallbacks too;"
                f' write prefer = "{prefer}" where that is meant.',
            )
        move.add(
            "alias",
            id=group,
            deployments=[*names, *extra],
            operation=None if operations[group] == "chat" else operations[group],
            prefer=chosen if is_spread and chosen != "order" else None,
            weights={**dict(members), **dict.fromkeys(extra, 0)} if is_spread and chosen == "weighted" else None,
        )
    for name, target in _table(router, "model_group_alias").items():
        group = str(cast("dict[str, Any]", target).get("model") if isinstance(target, dict) else target)
        alias = next((one for one in move.tables.get("alias", ()) if one["id"] == group), None)
        if alias is None:
            move.note(f"model_group_alias {name}", f"{group} has no deployment.")
        else:
            move.add("alias", **{**alias, "id": str(name)})


def _fallbacks(settings: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for one in _tables(settings.get("fallbacks")):
        for group, others in one.items():
            yield str(group), [str(other) for other in others] if isinstance(others, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - decoded YAML


def _notes(section: str, settings: Mapping[str, Any], move: Move) -> None:
    for name in settings:
        if name in ("fallbacks", "routing_strategy", "model_group_alias"):
            continue
        move.note(f"{section}.{name}", _SAME.get(name, "has no equal and is left out."))


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _tables(found: Any) -> list[Mapping[str, Any]]:
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and value >= 1 else None
