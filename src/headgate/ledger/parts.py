"""The parts of the open feature ledger, for its handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from headgate.admin.bodies import PartView
from headgate.admin.directory import Directory
from headgate.admin.records import MOST_FORGOTTEN, Forget, Reveal
from headgate.kernel.errors import Invalid
from headgate.kernel.ports import Clock
from headgate.kernel.run import Run
from headgate.ledger import store
from headgate.ledger.erasure import Eraser
from headgate.ledger.live import LiveRecords
from headgate.ledger.pseudonyms import Pseudonymiser
from headgate.ledger.reader import LedgerReader
from headgate.ledger.views import part_views
from headgate.substrate.database import Database
from headgate.substrate.journal import Journal
from headgate.wire.dialects import Dialects


@dataclass(frozen=True, slots=True)
class Ledger:
    """The feature's parts.

    Args:
        folder: of the logs, with one folder per tenant.
        directory: names people and keys.
        dialects: read stored content as conversations.
        database: connects as the role `headgate_app`, for saved views.
    """

    reader: LedgerReader
    live: LiveRecords
    journal: Journal
    folder: Path
    clock: Clock
    eraser: Eraser
    directory: Directory
    dialects: Dialects
    database: Database


class Revealing:
    """Performs `record.reveal`."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    async def run(self, run: Run[Reveal, object, Sequence[PartView]]) -> Sequence[PartView]:
        """Open the parts.

        Raises:
            NotFound: the tenant has no such record.
        """
        wanted, tenant = run.payload, run.action.principal.tenant
        run.facts["record"] = wanted.record[:64]
        family = await self._reader.get_record(wanted.record, tenant=tenant)
        every = await self._reader.open_parts(wanted.record, tenant=tenant)
        opened = [part for part in every if wanted.names is None or part.name in wanted.names]
        run.facts["parts"] = len(opened)
        return part_views(family.record, opened)

    def stream(
        self, run: Run[Reveal, object, Sequence[PartView]]
    ) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because parts do not stream."""
        raise Invalid("record.reveal cannot be streamed")


class Forgetting:
    """Performs `record.forget`."""

    def __init__(self, database: Database, *, pseudonyms: Pseudonymiser) -> None:
        self._database = database
        self._pseudonyms = pseudonyms

    async def run(self, run: Run[Forget, object, int]) -> int:
        """Delete the parts. Records that are not in the database yet lose theirs when they arrive.

        Raises:
            Invalid: the request names too many records.
        """
        records, principal = run.payload.records, run.action.principal
        if len(records) > MOST_FORGOTTEN:
            raise Invalid(f"at most {MOST_FORGOTTEN} records can be forgotten at once", param="records")
        run.facts["records"] = len(records)
        pseudonym = self._pseudonyms(principal.tenant, principal.id)
        async with self._database.transaction(tenant=principal.tenant) as tx:
            deleted = await store.forget(tx, records, tenant=principal.tenant, principal=pseudonym)
        run.facts["parts"] = deleted
        return deleted

    def stream(self, run: Run[Forget, object, int]) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because nothing streams here."""
        raise Invalid("record.forget cannot be streamed")
