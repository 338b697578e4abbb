"""What the admin API is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headgate.gateway.catalogue import Catalogues
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock, ConfigSection, Decider, Labeller, Transformer
from headgate.ledger.reader import LedgerReader
from headgate.policy.service import PolicyService
from headgate.policy.snapshot import SnapshotHolder
from headgate.server.administration import Gate
from headgate.server.api.live import LiveRecords
from headgate.server.refusals import Refusals
from headgate.server.sessions import Attempts, Sessions
from headgate.server.streams import OpenStreams
from headgate.substrate.database import Database
from headgate.wire.dialects import Dialects
from headgate.wire.provider import Provider

ModelState = Literal["ready", "loading", "absent"]


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the admin API is made of.

    Args:
        database: as the role `headgate_app`.
        admin_database: as the role `headgate_admin`: configuration is written through it and through nothing else.
        sections: of `headgate.toml`, of every feature.
        providers: by name, for the exact bytes that a preview shows.
        ledger: folder of the logs, one folder for each tenant in it.
        changed: brings this worker's snapshot and catalogue up to date after a change, so that whoever made it sees it
            at once; other workers are woken by the database.
        model_state: of the embedded model process.
        is_secure: whether browsers reach us by https, ourselves or by a proxy in front.
    """

    pipeline: Pipeline
    labeller: Labeller
    decider: Decider
    transformer: Transformer
    holder: SnapshotHolder
    policy: PolicyService
    catalogues: Catalogues
    providers: Mapping[str, Provider]
    dialects: Dialects
    database: Database
    admin_database: Database
    sections: Sequence[ConfigSection]
    records: LedgerReader
    live: LiveRecords
    ledger: Path
    sessions: Sessions
    attempts: Attempts
    refusals: Refusals
    streams: OpenStreams
    changed: Callable[[], Awaitable[None]]
    model_state: Callable[[], ModelState]
    clock: Clock
    is_secure: bool

    @property
    def gate(self) -> Gate:
        """Decides lists and metadata."""
        return Gate(self.labeller, self.decider)
