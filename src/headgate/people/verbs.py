"""The verbs of people. Signing in and out and making links are verbs of the house, because policy checks them."""

from __future__ import annotations

from headgate.admin.commands import ADMINISTER, command_verb

SESSION_END = command_verb("session.end", "write", "End somebody's sessions", ADMINISTER, on="person")

VERBS = (SESSION_END,)
