"""The parts that the server's own operations use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from headgate.admin.directory import Directory
from headgate.admin.sessions import Sessions
from headgate.gateway.board import Sighting
from headgate.gateway.catalogue import Catalogues
from headgate.kernel.action import Verb
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock, ConfigSection, Edit, Fault
from headgate.ledger.reader import LedgerReader
from headgate.policy.parts import Policy
from headgate.server.health import Health
from headgate.server.refusals import Refusals
from headgate.substrate.database import Database

ModelState = Literal["ready", "loading", "absent"]


@dataclass(frozen=True, slots=True)
class ServerParts:
    """The parts that the server's own operations use.

    Args:
        sightings: returns the last known health of a tenant's deployments.
        database: connected as the role `headgate_app`.
        sections: the sections of `headgate.toml` of every feature.
        warnings: yields warnings about a valid change of the configuration.
        why_unset: returns why a reference's environment variable gives no secret.
        verbs: pairs of a feature's name and one of its verbs.
        model_state: returns the state of the embedded model process.
        directory: names people.
        is_secure: whether browsers use https, directly or through a proxy.
    """

    policy: Policy
    catalogues: Catalogues
    sightings: Callable[[TenantId], Awaitable[Mapping[str, Sighting]]]
    records: LedgerReader
    database: Database
    sections: Sequence[ConfigSection]
    warnings: Callable[[Edit], Iterable[Fault]]
    why_unset: Callable[[str], str | None]
    verbs: Sequence[tuple[str, Verb[Any, Any, Any]]]
    sessions: Sessions
    refusals: Refusals
    model_state: Callable[[], ModelState]
    health: Health
    clock: Clock
    directory: Directory
    is_secure: bool
