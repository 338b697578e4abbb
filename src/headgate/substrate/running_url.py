"""The file in which a running Headgate leaves its URL for commands on the same machine.

`headgate up` holds a lock on it. A file without a lock is from a process that died, and another program may listen at
that URL by now, so nobody believes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MAX_CHARS: Final = 2_000


@contextmanager
def leaving(file: Path, url: str) -> Generator[None]:
    """Leave the URL in the file until the end of the block, unless another Headgate of the folder has left its own."""
    with file.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield
            return
        held.truncate(0)
        held.write(f"{url}\n")
        held.flush()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def read(file: Path) -> str | None:
    """Return the URL of the Headgate that runs, or None where none does as this user."""
    try:
        with file.open() as found:
            if os.fstat(found.fileno()).st_uid != os.geteuid():
                return None
            try:
                fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return found.read(_MAX_CHARS).strip() or None
    except OSError:
        return None
    return None
