"""Files that programs upload on a wire, for features that read them. One feature keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from headgate.admin.offers import Port
from headgate.kernel.identity import Principal
from headgate.kernel.labels import Labels


@dataclass(frozen=True, slots=True)
class OwnFile:
    """An uploaded file.

    Args:
        labels: those that its owner gave it; no scan has read it.
    """

    id: str
    name: str = field(repr=False)
    size_bytes: int
    labels: Labels


class OwnFiles(Protocol):
    """Reads files, each for the principal that uploaded it. Nobody else learns that it exists."""

    async def own(self, file_id: str, *, principal: Principal) -> OwnFile:
        """Return a file of a principal.

        Raises:
            NotFound: this principal has no such file.
        """
        ...

    async def text_of(self, file_id: str, *, principal: Principal) -> bytes:
        """Return the bytes of a file of a principal, as it was uploaded.

        Raises:
            NotFound: this principal has no such file, or it holds results of a batch.
        """
        ...


OWN_FILES: Port[OwnFiles] = Port("reader of uploaded files")


class FileCopies(Protocol):
    """Keeps copies of uploaded files that go when their owner deletes the file."""

    async def forget_file(self, file_id: str, *, principal: Principal) -> int:
        """Delete the principal's copies of a file; return their number."""
        ...


FILE_COPIES: Port[FileCopies] = Port("keeper of copies of uploaded files", is_shared=True)
