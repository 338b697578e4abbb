"""Requests for approval in words: one sentence that names who wants to do what, without content."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.kernel.labels import parse_labels
from headgate.policy.approvals import Approval
from headgate.policy.category_words import listed_categories
from headgate.wire.model_call import MODEL_DISPATCH


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
        categories = listed_categories(parse_labels(approval.labels).categories)
        content = f" with {categories}" if categories else ""
        return f"{who} wants to send a call{content} to {name} ({place}){suffix}"
    title = verbs.get(approval.verb, approval.verb)
    thing = "" if name in ("", "new") else f": {kind.replace('_', ' ')} {name}"
    return f"{who} wants to {title[:1].lower()}{title[1:]}{thing}{suffix}"


def decided_title(approval: Approval, *, approver: str, title: str) -> str:
    """Return the title of a decided request."""
    return f"{approver} {'approved' if approval.approved else 'refused'}: {title}"
