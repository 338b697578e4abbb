"""Bodies of the admin API of batches: facts without content."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.admin.bodies import Body, Moment
from headgate.batches.store import BatchRow


class BatchView(Body, frozen=True, kw_only=True):
    """A batch. `handed` lines went to the batch API of a provider."""

    id: str
    owner: str
    wire: str
    endpoint: str
    use_case: str
    state: str
    total: int
    succeeded: int
    errored: int
    canceled: int
    expired: int
    handed: int
    fault: str
    created_at: Moment
    expires_at: Moment
    ended_at: Moment | None


class BatchList(Body, frozen=True, kw_only=True):
    """A page of batches, the newest first. `next` is the cursor of the next page."""

    batches: Sequence[BatchView]
    next: str | None


def view_of(row: BatchRow) -> BatchView:
    """Return the facts of a batch."""
    return BatchView(**{name: getattr(row, name) for name in BatchView.__struct_fields__})
