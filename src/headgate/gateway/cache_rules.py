"""The rules of the exact cache: which calls it may answer, and what makes two calls equal.

A cached answer stands for a new one only where a new one would mean the same. So a call is left out that lets the
model call tools, because an answer with a tool call starts an effect. A call with a temperature above 0 is left out
too, because its caller asked for variety; `sampled` lets an alias answer these as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from headgate.admin.model_calls import BYPASS
from headgate.kernel.action import canonical
from headgate.kernel.labels import EMPTY, Clearance
from headgate.kernel.run import Run
from headgate.wire.json_document import JsonDocument
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply, StopReason

CacheScope = Literal["principal", "use_case"]
InvokeRun = Run[ModelCall, ModelEvent, ModelReply]

_LARGEST_CALL_BYTES: Final = 256 << 10
"""Hashing a larger body would block the event loop for milliseconds, and it seldom comes twice."""
_TOOLS: Final = ("tools", "functions", "toolConfig", "mcp_servers")
_NOT_MEANT: Final = frozenset(
    {"stream", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key", "store", "service_tier"}
)
"""Fields that change how an answer is sent, kept or billed, and never what it says."""
_NOT_MEANT_HEADERS: Final = frozenset({"idempotency-key", "traceparent", "tracestate"})
_WHOLE_ANSWERS: Final[frozenset[StopReason]] = frozenset({"stop", "stop_sequence", "length"})
"""How an answer ends that may be cached. The provider's refusals and pauses are not answers to keep."""


@dataclass(frozen=True, slots=True)
class CacheRule:
    """The exact cache of an alias.

    Args:
        scope: who shares answers: one principal, or everybody in a use case.
        use_cases: the use cases with a cache; empty for all.
        clearance: the limit of content that the cache may hold.
        sampled: whether calls with a temperature above 0 are answered too.
    """

    ttl_s: float
    clearance: Clearance
    scope: CacheScope = "principal"
    use_cases: frozenset[str] = EMPTY
    sampled: bool = False


def why_not_cached(run: InvokeRun, rule: CacheRule) -> str | None:
    """Return why the cache neither answers a call nor keeps its answer; None if it does both."""
    call, context = run.payload, run.action.context
    if rule.use_cases and context.use_case.id not in rule.use_cases:
        return "the use case has no cache"
    if BYPASS in context.attributes:
        return "the caller asked for a new answer"
    if context.grant is not None:
        return "an approval is for one call"
    if call.operation == "count_tokens":
        return "token counts are free"
    if len(call.content.to_bytes()) > _LARGEST_CALL_BYTES:
        return "the call is too large"
    fields = _fields(call)
    if "tools" in call.needs or any(fields.get(name) for name in _TOOLS):
        return "the model may call tools"
    if not rule.sampled and _temperature(fields) > 0:
        return "its temperature is above 0"
    if obstacles := run.labelled.labels.obstacles(rule.clearance):
        return "the cache may not hold it: " + "; ".join(obstacles)
    return None


def key_of(run: InvokeRun, rule: CacheRule, *, alias: str, catalogue_version: str) -> bytes:
    """Return the key of a call: equal for calls with the same meaning from the same scope.

    It covers the versions of policies and catalogue, so a change of either begins anew.
    """
    call, action, decision = run.payload, run.action, run.decision
    principal = action.principal
    who = [principal.id, *principal.on_behalf_of] if rule.scope == "principal" else []
    parts = [
        [principal.tenant, action.context.use_case.id, rule.scope, *who],
        [alias, call.model, call.wire, call.operation, catalogue_version, decision.version],
        canonical(decision.obligations),
        sorted(one for one in call.headers if one[0] not in _NOT_MEANT_HEADERS),
        {name: value for name, value in _fields(call).items() if name not in _NOT_MEANT},
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).digest()


def is_whole_answer(operation: str, reason: StopReason | None) -> bool:
    """Tell whether an answer that ended for this reason may be kept."""
    return operation == "embed" or reason in _WHOLE_ANSWERS


def _fields(call: ModelCall) -> Mapping[str, Any]:
    """Return the fields of a call; of another form than JSON, its bytes as one field."""
    content = call.content
    if isinstance(content, JsonDocument):
        return content.fields()
    return {"body": content.to_bytes().hex()}


def _temperature(fields: Mapping[str, Any]) -> float:
    inner = fields.get("generationConfig")
    told = cast("dict[str, Any]", inner).get("temperature") if isinstance(inner, dict) else fields.get("temperature")
    return float(told) if isinstance(told, int | float) else 0.0
