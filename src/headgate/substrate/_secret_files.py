"""Random secrets in files that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from headgate.kernel.errors import Denied


def private_folder(path: Path) -> Path:
    """Create a folder with mode 0700, unless it exists."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def kept_secret(path: Path) -> str:
    """Return the secret in a file. The first call creates 256 random bits, mode 0600, durably and atomically.

    Raises:
        Denied: other users can read the file.
    """
    if not path.exists():
        _make(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Denied(
            f"{path} can be read by others (mode {mode:o}): set it to 600, and replace the secret if it leaked."
        )
    return path.read_text("ascii").strip()


def _make(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first, and its secret counts
            os.link(draft, path)
        sync_folder(path.parent)
    finally:
        draft.unlink()


def sync_folder(path: Path) -> None:
    """Sync a folder, so that a rename or a new file survives a power failure."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
