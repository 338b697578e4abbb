"""Verbs of the server: configuration, sign-in and recovery."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, command_verb
from headgate.admin.directory import PERSON_LIST
from headgate.kernel.export import EXPORT_SEND

CONFIG_READ = command_verb("config.read", "read", "See the configuration", ADMINISTER)
CONFIG_APPLY = command_verb("config.apply", "write", "Change the configuration", ADMINISTER)
SESSION_INVITE = command_verb("session.invite", "write", "Make a sign-in link", ADMINISTER)
SESSION_OPEN = command_verb("session.open", "write", "Sign in")
SESSION_CLOSE = command_verb("session.close", "write", "Sign out")

ACCESS_RECOVER = command_verb("access.recover", "write", "Recover access")
"""Runs only on Headgate's own machine, never in a worker."""

REQUEST_REFUSE = command_verb("request.refuse", "read", "Refuse a request before policy")
"""Records requests that were refused before they became actions, up to a rate limit. Never performed."""

VERBS = (
    CONFIG_READ,
    CONFIG_APPLY,
    PERSON_LIST,
    SESSION_INVITE,
    SESSION_OPEN,
    SESSION_CLOSE,
    ACCESS_RECOVER,
    REQUEST_REFUSE,
    EXPORT_SEND,
)

OLDER_VERBS: dict[str, tuple[str, ...]] = {"job.run": ()}
"""Names of removed verbs that stored rules may contain."""
