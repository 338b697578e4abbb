"""Which parts of a record a reader may see: by the parts' labels, and by policy's decision on `record.reveal`."""

from __future__ import annotations

from headgate.admin.records import RECORD_REVEAL
from headgate.admin.requests import Request
from headgate.kernel.action import Resource
from headgate.ledger.reader import StoredRecord

NOT_ALLOWED = "your role lets you read the record, but not its content"


def withheld_parts(request: Request, record: StoredRecord) -> dict[str, str]:
    """Return, for each part whose labels may not flow to the reader, the reason."""
    clearance = request.by.principal.clearance
    obstacles = {name: record.labels_of(name).obstacles(clearance) for name in record.parts}
    return {name: "; ".join(found) for name, found in obstacles.items() if found}


def readable_parts(request: Request, record: StoredRecord) -> frozenset[str]:
    """Return the parts that a bulk read, such as a search, may open: those that `record.reveal` would open."""
    cleared = frozenset(record.parts.keys() - withheld_parts(request, record).keys())
    if cleared and not request.allows(RECORD_REVEAL, Resource("record", record.id)):
        return frozenset()
    return cleared
