"""The bodies and objects of vector stores.

Source: OpenAI's API document, schemas `VectorStoreObject` and neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from headgate.admin.wire_bodies import Metadata
from headgate.knowledge.attribute_filters import Attributes
from headgate.knowledge.payloads import FoundPassage
from headgate.knowledge.vector_store_rows import BatchRow, Counts
from headgate.knowledge.vector_stores import SeenFile, SeenStore

MOST_FILES_AT_ONCE = 500
MOST_QUERIES = 8

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Name = Annotated[str, msgspec.Meta(max_length=256)]
_Query = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
_Key = Annotated[str, msgspec.Meta(max_length=64)]
_Text = Annotated[str, msgspec.Meta(max_length=512)]
_Attributes = Annotated[dict[_Key, _Text | int | float | bool], msgspec.Meta(max_length=16)]
_Unit = Annotated[float, msgspec.Meta(ge=0, le=1)]


class ExpiresAfter(msgspec.Struct):
    """When a store expires."""

    days: Annotated[int, msgspec.Meta(ge=1, le=365)]
    anchor: Literal["last_active_at"] = "last_active_at"


class CreateStore(msgspec.Struct):
    """The body for a new store."""

    name: _Name | None = None
    description: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None
    file_ids: Annotated[list[Id], msgspec.Meta(max_length=MOST_FILES_AT_ONCE)] = []
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class ChangeStore(msgspec.Struct):
    """The body for a changed store. A field that is absent stays as it is."""

    name: _Name | msgspec.UnsetType | None = msgspec.UNSET
    expires_after: ExpiresAfter | msgspec.UnsetType | None = msgspec.UNSET
    metadata: Metadata | msgspec.UnsetType | None = msgspec.UNSET


class CreateFile(msgspec.Struct):
    """The body for a file of a store."""

    file_id: Id
    attributes: _Attributes | None = None


class ChangeFile(msgspec.Struct):
    """The body for the new attributes of a file."""

    attributes: _Attributes | None


class CreateBatch(msgspec.Struct):
    """The body for files that are added together, named by id or with attributes of their own."""

    file_ids: Annotated[list[Id], msgspec.Meta(max_length=MOST_FILES_AT_ONCE)] = []
    files: Annotated[list[CreateFile], msgspec.Meta(max_length=MOST_FILES_AT_ONCE)] = []
    attributes: _Attributes | None = None

    @property
    def every(self) -> list[CreateFile]:
        """Its files, each once."""
        named = [CreateFile(one, self.attributes) for one in self.file_ids]
        return list({one.file_id: one for one in (*named, *self.files)}.values())


class RankingOptions(msgspec.Struct):
    """How to rank. Every ranker means ours."""

    score_threshold: _Unit = 0.0


class SearchBody(msgspec.Struct):
    """The body for a search."""

    query: _Query | Annotated[list[_Query], msgspec.Meta(min_length=1, max_length=MOST_QUERIES)]
    max_num_results: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10
    filters: Any = None
    ranking_options: RankingOptions | None = None

    @property
    def queries(self) -> list[str]:
        """What to search for."""
        return [self.query] if isinstance(self.query, str) else self.query


def store_view(seen: SeenStore, now: datetime) -> dict[str, Any]:
    """Return a store."""
    row, counts = seen.row, seen.counts
    status = "in_progress" if counts.in_progress else "completed"
    days = None if row is None else row.expires_days
    return {
        "id": seen.id,
        "object": "vector_store",
        "created_at": _unix(seen.created_at),
        "name": seen.facts.name,
        "description": seen.facts.description,
        "usage_bytes": counts.size_bytes,
        "file_counts": _counts(counts),
        "status": "expired" if seen.is_expired(now) else status,
        "expires_after": None if days is None else {"anchor": "last_active_at", "days": days},
        "expires_at": None if row is None else _unix(row.expires_at),
        "last_active_at": _unix(seen.created_at if row is None else row.active_at),
        "metadata": seen.facts.metadata,
    }


def file_view(file: SeenFile, store: str) -> dict[str, Any]:
    """Return a file of a store."""
    fault = file.row.fault
    return {
        "id": file.file.id,
        "object": "vector_store.file",
        "created_at": _unix(file.row.created_at),
        "vector_store_id": store,
        "status": file.state,
        "usage_bytes": file.row.size_bytes,
        "last_error": {"code": "invalid_file", "message": fault} if file.state == "failed" else None,
        # Passages follow the structure of the file, whatever strategy the client asked for.
        "chunking_strategy": {"type": "other"},
        "attributes": dict(file.attributes),
    }


def batch_view(batch: BatchRow, counts: Counts) -> dict[str, Any]:
    """Return a batch of files."""
    status = "in_progress" if counts.in_progress else "cancelled" if batch.cancelled_at else "completed"
    return {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": _unix(batch.created_at),
        "vector_store_id": batch.collection,
        "status": status,
        "file_counts": _counts(counts),
    }


def content_view(texts: Sequence[str]) -> dict[str, Any]:
    """Return the text of a file, passage by passage."""
    data = [{"type": "text", "text": text} for text in texts]
    return {"object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None}


class ScoredPassage(msgspec.Struct, frozen=True):
    """A found passage with its file.

    Args:
        score: from 0 to 1; the best passage of a search has 1.
    """

    file_id: str
    filename: str
    score: float
    attributes: Attributes
    text: str


def scored(passage: FoundPassage, file: SeenFile, *, best: float) -> ScoredPassage:
    """Return a found passage with its file; `best` is the score of the best one."""
    score = min(1.0, max(0.0, passage.score / best)) if best > 0 else 1.0
    return ScoredPassage(file.file.id, file.name, score, file.attributes, passage.passage.text)


def search_view(queries: Sequence[str], found: Sequence[ScoredPassage]) -> dict[str, Any]:
    """Return the passages of a search, the best first."""
    data = [
        {
            "file_id": one.file_id,
            "filename": one.filename,
            "score": one.score,
            "attributes": one.attributes,
            "content": [{"type": "text", "text": one.text}],
        }
        for one in found
    ]
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": data,
        "has_more": False,
        "next_page": None,
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "in_progress": counts.in_progress,
        "completed": counts.completed,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "total": counts.total,
    }


def _unix(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
