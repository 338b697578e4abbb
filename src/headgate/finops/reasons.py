"""Words for the reasons of calls that did not end well."""

from __future__ import annotations

from typing import Final

from headgate.finops.store import ReasonCount

_LIMIT: Final = "A limit of requests or money was used up"
_RULES: Final = {
    "lattice.flow": "The content may not go to this destination",
    "limit.requests": _LIMIT,
    "limit.cost": _LIMIT,
    "budget.unknown-price": "A limit or budget of money met a model without a known price",
}
_ERRORS: Final = {
    "call_exceeds_limit": "One call would have passed the whole limit of its key",
    "denied": "No rule allows the call",
    "internal_error": "Headgate made a mistake; its log has the cause",
    "invalid_request": "No deployment could express the request",
    "needs_approval": "A person has to approve the call first",
    "not_found": "The model does not exist",
    "rate_limit_exceeded": _LIMIT,
    "request_too_large": "The request was too large",
    "unavailable": "A part of Headgate, or every deployment, was unavailable",
    "upstream_error": "The provider failed",
    "upstream_timeout": "The provider did not answer in time",
    "withheld": "The answer may not be released to the caller",
    "worker_died": "Headgate stopped during the call",
}
_OUTCOMES: Final = {
    "abandoned": "The caller left before the answer was complete",
    "interrupted": "Headgate stopped during the call",
    "in_doubt": "Headgate cannot tell whether the call was done",
}


def words_of(reason: ReasonCount) -> str:
    """Return a sentence for a reason: the rule's own words if a rule refused."""
    if reason.outcome == "refused" and reason.error == "upstream_error":
        return "The provider refused the request as invalid"
    if reason.rule:
        said = _RULES.get(reason.rule) or reason.words or f"The rule {reason.rule} refused"
        return said[:1].upper() + said[1:]
    return _ERRORS.get(reason.error) or _OUTCOMES.get(reason.outcome) or f"It ended with the error {reason.error}"
