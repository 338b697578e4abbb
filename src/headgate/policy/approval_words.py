"""Requests for approval in words: one sentence that names who wants to do what, without content."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headgate.kernel.labels import parse_labels
from headgate.policy.approvals import Approval
from headgate.wire.model_call import MODEL_DISPATCH

_CATEGORIES = {"pii": "personal data", "phi": "health data", "pci": "payment data", "secret": "secrets"}
_PSEUDONYMS = "_pseudonymous"


def title_of(approval: Approval, *, who: str, use_case: str, verbs: Mapping[str, str]) -> str:
    """Return the title of a request, such as "Anna Kim wants to send a call with health data to gpt (cloud)".

    Args:
        who: the requester's name.
        use_case: the title of the use case.
        verbs: the titles of verbs by name.
    """
    kind, _, name = approval.resource.partition(":")
    suffix = "" if use_case == "administration" else f" for {use_case}"
    if approval.verb == MODEL_DISPATCH.name:
        place = "our own machines" if "custody=organisation" in approval.details else "cloud"
        content = _content(parse_labels(approval.labels).categories)
        return f"{who} wants to send a call{content} to {name} ({place}){suffix}"
    title = verbs.get(approval.verb, approval.verb)
    thing = "" if name in ("", "new") else f": {kind.replace('_', ' ')} {name}"
    return f"{who} wants to {title[:1].lower()}{title[1:]}{thing}{suffix}"


def decided_title(approval: Approval, *, approver: str, title: str) -> str:
    """Return the title of a decided request."""
    return f"{approver} {'approved' if approval.approved else 'refused'}: {title}"


def _content(categories: Collection[str]) -> str:
    words = sorted({_words(category) for category in categories})
    if not words:
        return ""
    *others, last = words
    return f" with {', '.join(others)} and {last}" if others else f" with {last}"


def _words(category: str) -> str:
    base = category.removesuffix(_PSEUDONYMS)
    words = _CATEGORIES.get(base, base.replace("_", " "))
    return words if base == category else f"{words} as pseudonyms"
