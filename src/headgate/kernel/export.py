"""The verb of exports: something of our own that leaves for a system beside the gate, such as spans for a collector."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.kernel.action import Verb


@dataclass(frozen=True, slots=True)
class Export:
    """A batch that leaves.

    Args:
        body: in the form that the destination reads; no content of calls.
        media_type: of the body.
        count: how many things it holds, for the record.
        arguments: SHA-256 of the body, in hex, so that an approval of this batch is none of another one.
    """

    body: bytes = field(repr=False)
    media_type: str
    count: int
    arguments: str


EXPORT_SEND: Verb[Export, object, int] = Verb("export.send", Export, object, int, effect="send", title="Send an export")
"""Send a batch to where the operator wants it; the result is the status that it was answered with."""
