"""The action `record.reveal`, with which any feature opens the sealed parts of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.admin.bodies import PartView
from headgate.admin.commands import AUDIT
from headgate.kernel.action import Verb


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
