"""The parts of the open feature people, for its handlers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.admin.register import Register
from headgate.kernel.action import Verb
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.people.last_seen import LastSeen
from headgate.people.sessions import Attempts, PeopleSessions
from headgate.substrate.database import Database


@dataclass(frozen=True, slots=True)
class People:
    """The feature's parts.

    Args:
        roles: returns the roles in the rules of a tenant. Any other role grants nothing.
        verbs: of every feature.
        is_secure: whether browsers use https, directly or through a proxy.
    """

    register: Register
    database: Database
    sessions: PeopleSessions
    attempts: Attempts
    last_seen: LastSeen
    roles: Callable[[TenantId], Collection[str]]
    verbs: Sequence[Verb[Any, Any, Any]]
    clock: Clock
    is_secure: bool
