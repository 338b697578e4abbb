"""The export verb: sends Headgate's own data to another system, such as spans to a collector."""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.kernel.action import Verb


@dataclass(frozen=True, slots=True)
class Export:
    """One batch to send.

    Args:
        body: the batch in the destination's format; it holds no content of calls.
        media_type: of the body.
        count: the number of items in the batch, for the record.
        arguments: SHA-256 of the body, in hex, so that an approval covers only this batch.
    """

    body: bytes = field(repr=False)
    media_type: str
    count: int
    arguments: str


EXPORT_SEND: Verb[Export, object, int] = Verb("export.send", Export, object, int, effect="send", title="Send an export")
"""Sends a batch to the operator's destination. The result is the HTTP status of the answer."""
