"""The outcome of an action as short words for people: "masked 2", "needs approval: claims leave with approval"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.kernel.record import Fact
from headgate.ledger.leaves import Leaf, LeafRule

_BY_ERROR: Mapping[str, str] = {
    "invalid_request": "the request was not valid",
    "request_too_large": "the request was too large",
    "invalid_api_key": "the key is not valid",
    "conflict": "it conflicts with what is there",
    "rate_limit_exceeded": "a limit was reached; try again later",
    "call_exceeds_limit": "the call is larger than its limit",
    "upstream_error": "the model's provider failed",
    "upstream_timeout": "the model's provider did not answer in time",
    "unavailable": "a part of Headgate was not available",
    "corrupt": "stored data could not be read",
    "internal_error": "a mistake in Headgate; its log has the cause",
    "worker_died": "Headgate stopped while this ran",
    "client_gone": "the caller left before the end",
}
_BY_OUTCOME: Mapping[str, str] = {
    "withheld": "the answer may not go to the caller",
    "interrupted": "Headgate stopped while this ran",
    "abandoned": "the caller left before the end",
    "in_doubt": "Headgate stopped while this ran, and cannot tell whether it was done",
}
_NOTHING_ALLOWS = "no rule allows it for this role"
_NO_PLACE = "no model may receive this content"
_NO_PRICE = "a budget of money refuses models without a known price"


def outcome_words(leaf: Leaf) -> str:
    """Return why an action ended as it did; empty if there is nothing to tell."""
    match leaf.outcome:
        case None:
            return ""
        case "done":
            return "; ".join(_told_of_success(leaf))
        case "refused" | "failed" if leaf.error == "not_found":
            return _not_found(leaf.resource)
        case "refused":
            return _refusal(leaf)
        case "failed":
            return _BY_ERROR.get(leaf.error or "", "it failed")
        case outcome:
            return _BY_OUTCOME[outcome]


def _not_found(resource: str) -> str:
    kind, _, name = resource.partition(":")
    thing = "model" if kind == "alias" else kind.replace("_", " ")
    return f"there is no {thing} {name}" if name else f"there is no such {thing}"


def _told_of_success(leaf: Leaf) -> list[str]:
    told: list[str] = []
    if masked := _count({**leaf.facts, **leaf.closing_facts}, "masked."):
        told.append(f"masked {masked}")
    if leaf.would != leaf.effect:
        observed = [rule for rule in leaf.rules if rule.mode == "observe"]
        would = "need approval" if leaf.would == "ask" else "be refused"
        told.append(f"would {would} if enforced{_because(observed, ('deny', 'ask'))}")
    return told


def _refusal(leaf: Leaf) -> str:
    enforced = [rule for rule in leaf.rules if rule.mode != "observe"]
    if leaf.error == "needs_approval" or leaf.effect == "ask":
        return f"needs approval{_because(enforced, ('ask',))}"
    if denying := _because(enforced, ("deny",)):
        return denying.removeprefix(": ")
    by = str(leaf.closing_facts.get("refused_by") or "")
    if leaf.error in ("denied", None):
        if by.startswith("budget."):
            return _NO_PRICE
        return _NO_PLACE if by.startswith("lattice.") else _NOTHING_ALLOWS
    if leaf.error == "upstream_error":
        return "the provider refused the request as invalid"
    return _BY_ERROR.get(leaf.error, _NOTHING_ALLOWS)


def _because(rules: Sequence[LeafRule], does: Sequence[str]) -> str:
    reasons = dict.fromkeys(rule.reason for rule in rules if rule.does in does and rule.reason)
    return f": {'; '.join(reasons)}" if reasons else ""


def _count(facts: Mapping[str, Fact], prefix: str) -> int:
    return sum(count for name, count in facts.items() if name.startswith(prefix) and isinstance(count, int))
