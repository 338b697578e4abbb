"""Secrets by reference: `env:NAME` or `file:PATH`. Headgate resolves the value for each use and never stores it.

An administrator who declares a destination also chooses its reference, and the secret is sent to that destination. So a
reference must not reach Headgate's own secrets or the system's process information.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from headgate.kernel.errors import Invalid, Unavailable

_MAX_SECRET_BYTES = 65_536
_SYSTEM_FOLDERS = ("/proc", "/sys", "/dev")
_NAME_OF_A_SECRET = re.compile(
    r"(?!HEADGATE_)(?:.*_)?(?:API)?(?:KEY|TOKEN|SECRET|PASSWORD|LOGIN)(?:_.*)?", re.IGNORECASE
)


def check_reference(reference: str, *, param: str) -> None:
    """Refuse an invalid reference, such as a pasted secret. The message does not repeat the value.

    Raises:
        Invalid: with `param`.
    """
    scheme, colon, rest = reference.partition(":")
    if not colon or scheme not in ("env", "file") or not rest:
        raise Invalid("write a reference to the secret, env:NAME or file:PATH, and not its value", param=param)
    if scheme == "env" and not _NAME_OF_A_SECRET.fullmatch(rest):
        raise Invalid(
            "the variable of env:NAME must have KEY, TOKEN, SECRET, PASSWORD or LOGIN as one of its words, such as"
            " OPENAI_API_KEY, and must not begin with HEADGATE_",
            param=param,
        )


class SecretStore:
    """Resolves references to environment variables, and to files outside the data folder and the system's folders.

    Args:
        data: Headgate's data folder, which references must not reach.
        environment: usually the process's own.
    """

    def __init__(self, *, data: Path, environment: Mapping[str, str] | None = None) -> None:
        self._closed = (data, *map(Path, _SYSTEM_FOLDERS))
        self._environment = os.environ if environment is None else environment

    def __call__(self, reference: str) -> str:
        """Return the secret's value, without a trailing newline.

        Raises:
            Unavailable: the variable is not set, the file cannot be read, or the reference may not be used.
        """
        try:
            check_reference(reference, param="key")
        except Invalid as error:
            raise Unavailable(error.message) from error
        scheme, _, name = reference.partition(":")
        if scheme == "env":
            value = self._environment.get(name)
            if not value:
                raise Unavailable(f"the environment variable {name} that holds a credential is not set")
            return value
        try:
            # Opening a pipe without a writer would block forever.
            with open(name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
                self._check_opened(file, Path(name))
                return file.read(_MAX_SECRET_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            raise Unavailable(f"the credential file {name} cannot be read: {type(error).__name__}") from error

    def why_unset(self, reference: str) -> str | None:
        """Return why the environment variable of a reference gives no secret; None if it does, and for other texts."""
        scheme, _, name = reference.partition(":")
        if scheme != "env" or self._environment.get(name):
            return None
        return f"the environment variable {name} is not set; set it for Headgate, and restart Headgate"

    def _check_opened(self, file: BinaryIO, path: Path) -> None:
        """Refuse an opened file in a forbidden folder.

        Compares folders by device and inode, so that links, mounts and other spellings do not get around the check.
        """
        opened, real = os.fstat(file.fileno()), path.resolve(strict=True)
        closed = {_identity(folder.stat()) for folder in self._closed if folder.exists()}
        if (
            not stat.S_ISREG(opened.st_mode)
            # A link may have changed after the file was opened; then the folder of the opened file is unknown.
            or _identity(real.stat()) != _identity(opened)
            or any(_identity(folder.stat()) in closed for folder in real.parents)
        ):
            raise Unavailable(
                f"the credential file {path} is not allowed: it is in Headgate's data folder, /proc, /sys or /dev,"
                " or is not a regular file"
            )


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
