"""Storage for journal frames that could not be shipped.

    JOURNAL-set-aside/<worker>.<segment>.<offset>.frame    the bytes from the journal
    JOURNAL-set-aside/<worker>.<segment>.<offset>.json     reason and time

The shipper tries each frame again at its start. A frame is deleted only after it is in the database.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from headgate.substrate.journal import Position


@dataclass(frozen=True, slots=True)
class Aside:
    """One frame that was set aside, from the journal of `worker`."""

    name: str
    worker: str


class Reason(msgspec.Struct, frozen=True):
    """Why a frame was set aside, with its `record` and `tenant` if they are known."""

    at: datetime
    code: str
    reason: str
    record: str | None = None
    tenant: str | None = None


class Quarantine:
    """The folder of these frames. Its methods block while they write a small file.

    Args:
        journal: the folder of the workers' journals.
    """

    def __init__(self, journal: Path) -> None:
        self._folder = journal.with_name(f"{journal.name}-set-aside")

    def add(self, data: bytes, reason: Reason, *, worker: str, at: Position) -> None:
        """Store a frame durably. Idempotent."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{worker}.{at.segment:08d}.{at.offset:010d}"
        self._write(f"{name}.frame", data)
        self._write(f"{name}.json", msgspec.json.encode(reason))
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def every(self) -> list[Aside]:
        """Return all frames, in the order of the journals."""
        if not self._folder.is_dir():
            return []
        names = sorted(path.stem for path in self._folder.glob("*.frame"))
        return [Aside(name, name.split(".")[0]) for name in names]

    def count(self) -> int:
        """Return the number of frames."""
        try:
            return sum(name.endswith(".frame") for name in os.listdir(self._folder))  # noqa: PTH208 - asked each second
        except FileNotFoundError:
            return 0

    def data(self, one: Aside) -> bytes:
        """Return the bytes of a frame."""
        return (self._folder / f"{one.name}.frame").read_bytes()

    def records_of(self, worker: str) -> frozenset[str]:
        """Return the ids of a worker's records with a frame here."""
        found: set[str] = set()
        for one in self.every():
            path = self._folder / f"{one.name}.json"
            if one.worker == worker and path.exists():
                record = msgspec.json.decode(path.read_bytes(), type=Reason).record
                found |= {record} if record is not None else set()
        return frozenset(found)

    def remove(self, one: Aside) -> None:
        """Delete a frame that is in the database."""
        for suffix in ("json", "frame"):
            (self._folder / f"{one.name}.{suffix}").unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        fresh = self._folder / f"{name}.new"
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / name)
