"""What any feature may ask of the records: to open what one keeps sealed, as an action with a record of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.admin.bodies import PartView
from headgate.admin.commands import AUDIT
from headgate.kernel.action import Verb


@dataclass(frozen=True, slots=True)
class Reveal:
    """A look at what a record keeps.

    Args:
        record: its id.
        names: of the parts to open; None opens all. Whether their labels may flow to the reader is for the caller to
            ask.
    """

    record: str
    names: frozenset[str] | None = None


RECORD_REVEAL: Verb[Reveal, object, Sequence[PartView]] = Verb(
    "record.reveal",
    Reveal,
    object,
    Sequence,
    effect="read",
    title="Read what a record keeps",
    groups=(AUDIT,),
)
"""Open parts of a record. The result has every part that the record names; those that were not opened have no text."""
