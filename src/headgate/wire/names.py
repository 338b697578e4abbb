"""Tool names that all wire formats accept."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_TAKEN: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT_CHARS: Final = 51
_DIGEST_CHARS: Final = 12


def sent_name(name: str) -> str:
    """Return a tool name that every provider accepts: at most 64 letters, digits, `_` and `-`.

    In any other name, `_` replaces each invalid character, and a digest of the name follows, so
    that no two tools get the same name.
    """
    if _TAKEN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{_REFUSED.sub('_', name)[:_KEPT_CHARS]}_{digest}"
