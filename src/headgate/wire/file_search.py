"""The methods of a dialect whose calls may ask for a search in files before a model answers.

The gateway runs the search. The model gets the passages in its call, and the client gets an answer that names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from headgate.wire.model_call import ModelCall
from headgate.wire.stateful import KeepingWriter


@dataclass(frozen=True, slots=True)
class WantedFiles:
    """A search that a call asks for.

    Args:
        stores: ids of vector stores.
        query: the question, from the last message of the user.
        threshold: the least score, from 0 to 1.
        filters: a decoded filter on attributes, or None.
        shows_results: whether the answer repeats the passages.
    """

    stores: Sequence[str]
    query: str = field(repr=False)
    limit: int
    threshold: float = 0.0
    filters: Any = field(default=None, repr=False)
    shows_results: bool = False


@dataclass(frozen=True, slots=True)
class FoundText:
    """A passage that was found; the score is from 0 to 1."""

    file_id: str
    filename: str = field(repr=False)
    text: str = field(repr=False)
    score: float
    attributes: Mapping[str, str | int | float | bool] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SearchedFiles:
    """A search that was run for a call, with its passages, the best first."""

    wanted: WantedFiles
    texts: Sequence[FoundText] = field(repr=False)


class SearchingDialect(Protocol):
    """A dialect whose calls may ask for a search in files. It also implements `StatefulDialect`."""

    def wanted_files(self, call: ModelCall) -> WantedFiles | None:
        """Return the search that a call asks for, or None.

        Raises:
            Invalid: the search is not well formed, or there is no question to search for.
        """
        ...

    def with_found(self, call: ModelCall, found: SearchedFiles) -> ModelCall:
        """Return a call with the passages in place of the search."""
        ...

    def told_found(self, body: bytes, found: SearchedFiles, *, call: ModelCall, answer: str) -> bytes:
        """Return a whole answer that names the search and the cited files.

        Args:
            call: the client's own call.
            answer: the id of the answer.
        """
        ...

    def write_found(
        self, writer: KeepingWriter, found: SearchedFiles, *, call: ModelCall, answer: str
    ) -> KeepingWriter:
        """Return an encoder that does the same to the stream of another one."""
        ...
