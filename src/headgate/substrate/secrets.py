"""Secrets by reference: `env:NAME` or `file:PATH`. The value is looked up when it is needed and never stored.

Whoever declares a destination chooses its reference too, and what it names goes there. So references reach credentials
that were meant for this, not what Headgate keeps for itself and not what the system tells of its processes.
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
    """Refuse what is no reference, such as a secret pasted in its place; the message does not repeat it.

    Raises:
        Invalid: with `param`.
    """
    scheme, colon, rest = reference.partition(":")
    if not colon or scheme not in ("env", "file") or not rest:
        raise Invalid("a secret is given by reference: env:NAME or file:PATH, never by its value", param=param)
    if scheme == "env" and not _NAME_OF_A_SECRET.fullmatch(rest):
        raise Invalid(
            "env:NAME refers to a variable whose name has KEY, TOKEN, SECRET, PASSWORD or LOGIN as one of its words, as"
            " OPENAI_API_KEY has, and does not begin with HEADGATE_",
            param=param,
        )


class SecretStore:
    """Resolves references against the environment, and files outside Headgate's own folder and the system's.

    Args:
        data: the folder whose files are no credentials of a provider.
        environment: usually the process's own.
    """

    def __init__(self, *, data: Path, environment: Mapping[str, str] | None = None) -> None:
        self._closed = (data, *map(Path, _SYSTEM_FOLDERS))
        self._environment = os.environ if environment is None else environment

    def __call__(self, reference: str) -> str:
        """Return the secret's value, without the line end of a file.

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
            # A pipe that nobody writes to would hold us up for ever.
            with open(name, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
                self._check_opened(file, Path(name))
                return file.read(_MAX_SECRET_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            raise Unavailable(f"the credential file {name} cannot be read: {type(error).__name__}") from error

    def _check_opened(self, file: BinaryIO, path: Path) -> None:
        """Refuse an opened file that does not lie where credentials may.

        Folders are compared by identity, so that no other spelling, link or mount of one is another folder.
        """
        opened, real = os.fstat(file.fileno()), path.resolve(strict=True)
        closed = {_identity(folder.stat()) for folder in self._closed if folder.exists()}
        if (
            not stat.S_ISREG(opened.st_mode)
            # The links may have been changed since; then it is not known where the opened file lies.
            or _identity(real.stat()) != _identity(opened)
            or any(_identity(folder.stat()) in closed for folder in real.parents)
        ):
            raise Unavailable(
                f"the credential file {path} may not be used: it lies in Headgate's data folder, /proc, /sys or /dev,"
                " or is no regular file"
            )


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
