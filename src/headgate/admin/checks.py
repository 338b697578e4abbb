"""Checks of user input that several features share."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from headgate.kernel.errors import Invalid

MAX_PAGE = 200


def unknown(noun: str, names: Iterable[str], known: Collection[str]) -> str | None:
    """Return a message for the first unknown name, with the nearest known one; None if all are known."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known)[:20])}"
            return f"there is no {noun} {name!r}; {hint}"
    return None


def refuse_unknown(noun: str, names: Iterable[str], known: Collection[str], *, param: str) -> None:
    """Raise Invalid for an unknown name. The message suggests the nearest known one."""
    if why := unknown(noun, names, known):
        raise Invalid(why, param=param)


def page_size(limit: int, things: str) -> int:
    """Return the size of a page.

    Raises:
        Invalid: it is not from 1 to 200.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit must be from 1 to {MAX_PAGE} {things}", param="limit")
    return limit
