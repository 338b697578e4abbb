"""Records for other features: their feed, and actions that open or delete their sealed parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from headgate.admin.bodies import PartView
from headgate.admin.commands import AUDIT
from headgate.admin.offers import Port
from headgate.kernel.action import Verb
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Records

RECORDS: Port[Records] = Port("feed of records")


class Copies(Protocol):
    """Content of calls that a feature keeps besides the records, such as answers that programs continue, and files."""

    async def erase_before(self, moment: datetime, *, tenant: TenantId) -> int:
        """Delete the content of calls before a time; return the number of deleted things."""
        ...


COPIES: Port[Copies] = Port("keeper of copies of content", is_shared=True)
"""Erasing the content of records erases these copies too."""


@dataclass(frozen=True, slots=True)
class Reveal:
    """A request to open sealed parts of a record.

    Args:
        record: id of the record.
        names: names of the parts to open; None opens all. The caller checks that their labels may flow to the reader.
    """

    record: str
    names: frozenset[str] | None = None


RECORD_REVEAL: Verb[Reveal, object, Sequence[PartView]] = Verb(
    "record.reveal",
    Reveal,
    object,
    Sequence,
    effect="read",
    title="Read the content of a record",
    groups=(AUDIT,),
)
"""Opens parts of a record. The result lists every part; unopened parts have no text."""


@dataclass(frozen=True, slots=True)
class Forget:
    """A request to delete the sealed parts of records of the caller's own calls.

    Args:
        records: ids of at most 500 records. Their attempts are included. Records of others stay as they are.
    """

    records: tuple[str, ...]


MOST_FORGOTTEN = 500
"""The limit of records in one request."""

RECORD_FORGET: Verb[Forget, object, int] = Verb(
    "record.forget",
    Forget,
    object,
    int,
    effect="write",
    title="Delete the content of one's own records",
)
"""Deletes parts of the caller's own records; the records stay in the log. The result is the number of deleted parts."""
