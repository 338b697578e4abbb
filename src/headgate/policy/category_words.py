"""Words for categories of content, such as "health data" for `phi`."""

from __future__ import annotations

from collections.abc import Iterable

_WORDS = {"pii": "personal data", "phi": "health data", "pci": "payment data", "secret": "secrets"}
_PSEUDONYMS = "_pseudonymous"


def category_words(category: str) -> str:
    """Return the words for one category."""
    base = category.removesuffix(_PSEUDONYMS)
    words = _WORDS.get(base, base.replace("_", " "))
    return words if base == category else f"{words} as pseudonyms"


def listed_categories(categories: Iterable[str]) -> str:
    """Return the words for several categories, such as "health data and secrets"; empty for none."""
    words = sorted({category_words(category) for category in categories})
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
