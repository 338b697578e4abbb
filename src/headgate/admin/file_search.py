"""Searches in files that calls of models ask for. One feature runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import BOTTOM, Labels
from headgate.kernel.pipeline import Pipeline
from headgate.wire.file_search import FoundText, WantedFiles


@dataclass(frozen=True, slots=True)
class SearchCaller:
    """Whose search it is, and where it runs.

    Args:
        floor: labels that the caller raised.
    """

    pipeline: Pipeline = field(repr=False)
    principal: Principal
    use_case: UseCase
    floor: Labels = BOTTOM


class FoundFiles(NamedTuple):
    """The passages of a search, with their labels and the id of its record."""

    texts: Sequence[FoundText]
    labels: Labels
    record: str


class FileSearches(Protocol):
    """Searches vector stores, as actions of the caller."""

    async def search(self, wanted: WantedFiles, caller: SearchCaller) -> FoundFiles | None:
        """Run a search; return None if no id can be that of a store here.

        Raises:
            NotFound: the caller has no such store.
            Invalid: some of the ids cannot be those of stores here.
            Denied: policy does not allow it.
        """
        ...


FILE_SEARCHES: Port[FileSearches] = Port("search in files")
