"""Secrets by reference: `env:NAME` or `file:PATH`. The value is looked up when it is needed and never stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from headgate.kernel.errors import Invalid, Unavailable

_MAX_SECRET_BYTES = 65_536


def check_reference(reference: str, *, param: str) -> None:
    """Refuse what is no reference, such as a secret pasted in its place; the message does not repeat it.

    Raises:
        Invalid: with `param`.
    """
    scheme, colon, rest = reference.partition(":")
    if not colon or scheme not in ("env", "file") or not rest:
        raise Invalid("a secret is given by reference: env:NAME or file:PATH, never by its value", param=param)


class SecretStore:
    """Resolves references against the environment and files below no particular folder.

    Args:
        environment: usually the process's own.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def __call__(self, reference: str) -> str:
        """Return the secret's value, without the line end of a file.

        Raises:
            Unavailable: the variable is not set, or the file cannot be read.
        """
        check_reference(reference, param="key")
        scheme, _, name = reference.partition(":")
        if scheme == "env":
            value = self._environment.get(name)
            if not value:
                raise Unavailable(f"the environment variable {name} that holds a credential is not set")
            return value
        try:
            with Path(name).open("rb") as file:
                return file.read(_MAX_SECRET_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"the credential file {name} cannot be read: {type(error).__name__}") from error
