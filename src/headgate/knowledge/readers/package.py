"""An Office Open XML package: a ZIP file of XML parts, read under a limit of unpacked bytes."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from dataclasses import dataclass, field
from datetime import datetime

from headgate.kernel.errors import Invalid, TooLarge
from headgate.knowledge.readers.dates import parsed_date
from headgate.knowledge.readers.raw_file import MIB, RawFile
from headgate.knowledge.readers.text import one_line
from headgate.knowledge.readers.xml_elements import elements, text_of

_MOST_PARTS = 20_000
_DAMAGED = "The file is damaged: it cannot be unpacked. Open it in its program and save it again."


@dataclass(slots=True)
class Package:
    """The parts of a packed document.

    Args:
        most_bytes: all parts that are read may have together, unpacked.
    """

    archive: zipfile.ZipFile
    most_bytes: int
    _read_bytes: int = field(default=0, init=False)

    @classmethod
    def opened(cls, raw: RawFile) -> Package:
        """Open the package of a file.

        Raises:
            Invalid: the file is no ZIP file, or has too many parts.
        """
        try:
            archive = zipfile.ZipFile(io.BytesIO(raw.data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
            raise Invalid(_DAMAGED) from exc
        if len(archive.infolist()) > _MOST_PARTS:
            raise TooLarge(f"The file packs more than {_MOST_PARTS:,} parts. Save it again, or split it.")
        return cls(archive, raw.limits.unpacked_bytes)

    def part(self, name: str) -> bytes | None:
        """Return a part, or None where there is none.

        Raises:
            TooLarge: all parts so far exceed the limit. Nothing beyond it is unpacked.
        """
        try:
            entry = self.archive.getinfo(name)
        except KeyError:
            return None
        room = self.most_bytes - self._read_bytes
        if entry.file_size > room:
            raise self._too_large()
        try:
            with self.archive.open(entry) as opened:
                data = opened.read(room + 1)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError) as exc:
            raise Invalid(_DAMAGED) from exc
        self._read_bytes += len(data)
        if len(data) > room:
            raise self._too_large()
        return data

    def needed(self, name: str) -> bytes:
        """Return a part without which there is no document.

        Raises:
            Invalid: the part is missing.
        """
        data = self.part(name)
        if data is None:
            raise Invalid("The file is damaged: its main part is missing. Open it in its program and save it again.")
        return data

    def related(self, name: str) -> dict[str, str]:
        """Return the parts that a part refers to, by the ids of the relationships."""
        folder, file = posixpath.split(name)
        data = self.part(posixpath.join(folder, "_rels", f"{file}.rels"))
        found: dict[str, str] = {}
        for each in elements(data or b"", ("Relationship",)):
            if each.get("TargetMode") != "External":
                target = each.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
                found[each.get("Id", "")] = posixpath.normpath(path)
        return found

    def properties(self) -> Properties:
        """Return what the document says of itself."""
        title, authors, date = "", list[str](), ""
        data = self.part("docProps/core.xml")
        for each in elements(data or b"", ("title", "creator", "modified")):
            text = one_line(text_of(each))
            match each.tag:
                case "title":
                    title = text
                case "creator":
                    authors = [name for name in map(str.strip, text.split(";")) if name]
                case _:
                    date = text
        return Properties(title, authors, date)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The file unpacks to more than {self.most_bytes // MIB} MiB, as a ZIP bomb does, so it is not read."
            " Split it into smaller files."
        )


@dataclass(frozen=True, slots=True)
class Properties:
    """Title, authors and date of a packed document."""

    title: str
    authors: list[str]
    modified: str

    @property
    def written_at(self) -> datetime | None:
        """When it was last changed, or None."""
        return parsed_date(self.modified)
