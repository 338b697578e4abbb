"""The verbs of the house itself: its configuration, its door, and the way back in."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, command_verb
from headgate.kernel.export import EXPORT_SEND

CONFIG_READ = command_verb("config.read", "read", "See the configuration", ADMINISTER)
CONFIG_APPLY = command_verb("config.apply", "write", "Change the configuration", ADMINISTER)
SESSION_INVITE = command_verb("session.invite", "write", "Make a sign-in link", ADMINISTER)
SESSION_OPEN = command_verb("session.open", "write", "Sign in")
SESSION_CLOSE = command_verb("session.close", "write", "Sign out")

ACCESS_RECOVER = command_verb("access.recover", "write", "Recover access")
"""Done on Headgate's own machine only, and performed by no worker."""

REQUEST_REFUSE = command_verb("request.refuse", "read", "Refuse a request at the door")
"""A request that was refused before it became an action: recorded, within limits, and never performed."""

VERBS = (
    CONFIG_READ,
    CONFIG_APPLY,
    SESSION_INVITE,
    SESSION_OPEN,
    SESSION_CLOSE,
    ACCESS_RECOVER,
    REQUEST_REFUSE,
    EXPORT_SEND,
)

OLDER_VERBS: dict[str, tuple[str, ...]] = {"job.run": ()}
"""Names that stored rules may mention; nobody may do them."""
