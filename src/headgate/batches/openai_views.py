"""The objects of `/v1/files` and `/v1/batches`. Source: OpenAI's API document, schemas `OpenAIFile` and `Batch`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from headgate.batches.lines import Fault
from headgate.batches.service import Facts
from headgate.batches.store import BatchRow, FileRow


def file_view(row: FileRow, *, name: str) -> dict[str, Any]:
    """Return a file for its owner."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.size_bytes,
        "created_at": _unix(row.created_at),
        "expires_at": _unix(row.expires_at),
        "filename": name,
        "purpose": row.purpose,
        "status": "processed",
    }


def batch_view(row: BatchRow, facts: Facts, faults: Sequence[Fault]) -> dict[str, Any]:
    """Return a batch for its owner."""
    ended = _unix(row.ended_at)
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": row.endpoint,
        "errors": {"object": "list", "data": msgspec.to_builtins(faults)} if faults else None,
        "input_file_id": row.input,
        "completion_window": "24h",
        "status": row.state,
        "output_file_id": row.output,
        "error_file_id": row.errors,
        "created_at": _unix(row.created_at),
        "in_progress_at": _unix(row.started_at),
        "expires_at": _unix(row.expires_at),
        "finalizing_at": ended if row.state == "completed" else None,
        "completed_at": ended if row.state == "completed" else None,
        "failed_at": ended if row.state == "failed" else None,
        "expired_at": ended if row.state == "expired" else None,
        "cancelling_at": _unix(row.cancelled_at),
        "cancelled_at": ended if row.state == "cancelled" else None,
        "request_counts": {
            "total": row.total,
            "completed": row.succeeded,
            "failed": row.errored + row.expired,
        },
        "metadata": facts.metadata,
    }


def _unix(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
