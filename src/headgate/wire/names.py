"""The names that both wires take for tools."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_TAKEN: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT_CHARS: Final = 51
_DIGEST_CHARS: Final = 12


def sent_name(name: str) -> str:
    """Return a tool's name as every provider takes it: letters, digits, `_` and `-`, at most 64 of them.

    Another name keeps what it may and ends in a digest of itself, so that no two tools get the same.
    """
    if _TAKEN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{_REFUSED.sub('_', name)[:_KEPT_CHARS]}_{digest}"
