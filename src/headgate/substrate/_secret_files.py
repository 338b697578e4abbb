"""Random secrets that live in files only their owner can read."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from headgate.kernel.errors import Denied


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can enter, unless it is there already."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def kept_secret(path: Path) -> str:
    """The secret in a file; the first call makes 256 random bits there, mode 0600, durably and at once or not at all.

    Raises:
        Denied: others can read the file, so it is a secret no more.
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
        with contextlib.suppress(FileExistsError):  # somebody else was first: theirs counts
            os.link(draft, path)
        sync_folder(path.parent)
    finally:
        draft.unlink()


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk, so that a rename or a new file survives a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
