"""Notices: short messages to people outside the console, such as a request that waits for approval.

Any feature raises one through the port `NOTIFY`. A notice holds no content: a title, names, and a link to the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction

APPROVAL_WAITING = "approval.waiting"
APPROVAL_DECIDED = "approval.decided"
BUDGET_PASSED = "budget.passed"
QUESTION_OPEN = "question.open"
QUESTION_ANSWERED = "question.answered"

EVENTS: Mapping[str, str] = {
    APPROVAL_WAITING: "A request waits for approval",
    APPROVAL_DECIDED: "A request was decided",
    BUDGET_PASSED: "A budget passed a threshold",
    QUESTION_OPEN: "A question waits for an expert",
    QUESTION_ANSWERED: "An expert answered a question",
}
"""The events that raise notices, in words for people."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice.

    Args:
        event: one of `EVENTS`.
        subject: id of the thing that it is about. Each destination gets one notice per event and subject.
        title: one sentence without content.
        who: the person who caused it, for display.
        use_case: id of the use case; empty without one. Destinations for some use cases do not get such a notice.
        path: of the console's page, such as `/approvals/1`.
    """

    event: str
    subject: str
    title: str
    who: str
    use_case: str
    path: str


class Notify(Protocol):
    """Raises notices."""

    async def __call__(self, transaction: Transaction, notice: Notice, *, tenant: TenantId) -> None:
        """Queue a notice for every destination that wants it. It goes out after the transaction's commit."""
        ...


NOTIFY: Port[Notify] = Port("notices")


async def notify_nobody(transaction: Transaction, notice: Notice, *, tenant: TenantId) -> None:
    """Drop a notice, where no feature sends notices."""
