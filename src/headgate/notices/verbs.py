"""The verbs of notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headgate.admin.commands import ADMINISTER, command_verb
from headgate.admin.notices import Notice
from headgate.kernel.action import Verb
from headgate.notices.destinations import Destination


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice to one destination.

    Args:
        id: of the delivery. A receiver sees the same id again if a delivery is repeated.
        link: the address of the console's page.
    """

    id: str
    destination: Destination
    notice: Notice
    link: str

    @property
    def address(self) -> Mapping[str, str]:
        """Where it goes, for rules and approvals."""
        return {"channel": self.destination.channel, "host": self.destination.place}


NOTICE_SEND: Verb[Delivery, object, int] = Verb(
    "notice.send", Delivery, object, int, effect="send", title="Send a notice", on="notification"
)
"""Sends a notice. The result is the status of the answer: of HTTP, or of SMTP."""

NOTICE_LIST = command_verb("notice.list", "read", "See the notifications", ADMINISTER, on="notifications")
NOTICE_TEST = command_verb("notice.test", "send", "Send a test notice", ADMINISTER, on="notification")

VERBS = (NOTICE_SEND, NOTICE_LIST, NOTICE_TEST)
