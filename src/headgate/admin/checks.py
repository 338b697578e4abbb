"""Checks that several features make of what people write."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from headgate.kernel.errors import Invalid

MAX_PAGE = 200


def unknown(noun: str, names: Iterable[str], known: Collection[str]) -> str | None:
    """Return which of the names is not known, with the nearest one that is; None where all are."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known)[:20])}"
            return f"there is no {noun} {name!r}; {hint}"
    return None


def refuse_unknown(noun: str, names: Iterable[str], known: Collection[str], *, param: str) -> None:
    """Raise Invalid where a name is not known; the message has the nearest one that is."""
    if why := unknown(noun, names, known):
        raise Invalid(why, param=param)


def page_size(limit: int, things: str) -> int:
    """Return the number of things on a page.

    Raises:
        Invalid: it is not from 1 to 200.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"a page holds 1 to {MAX_PAGE} {things}", param="limit")
    return limit
