"""The tags and texts of HTML, in time that grows with the text, whatever the text is.

The parser of the standard library needs quadratic time for some texts in older releases of Python 3.11 to 3.13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from types import MappingProxyType
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,60})[^\s/>]*")
_ATTRIBUTE: Final = re.compile(
    r"""[\s/]*([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?""",
)
_REST: Final = re.compile(r"[\s/=]*")
_RAW: Final = {name: re.compile(f"</{name}", re.I) for name in ("script", "style", "title", "textarea", "xmp")}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Text(NamedTuple):
    """Text between tags, with its entities resolved."""

    text: str


class Tag(NamedTuple):
    """A start tag or an end tag.

    Args:
        name: in lower case.
        attributes: of a start tag, with names in lower case; an attribute without a value is empty.
    """

    name: str
    is_end: bool
    attributes: Mapping[str, str] = _NONE


def tags(html: str) -> Iterator[Text | Tag]:
    """Yield the tags and texts in their order. Comments and declarations are left out. O(n)."""
    at = 0
    while at < len(html):
        begin = html.find("<", at)
        begin = len(html) if begin < 0 else begin
        if begin > at:
            yield Text(unescape(html[at:begin]))
        named = _NAME.match(html, begin)
        if named:
            tag, at = _tag(html, named)
            yield tag
            if tag.name in _RAW and not tag.is_end:
                end = _RAW[tag.name].search(html, at)
                body = html[at : end.start() if end else len(html)]
                yield Text(unescape(body) if tag.name in ("title", "textarea") else body)
                at += len(body)
        elif html.startswith("<!--", begin):
            at = _after(html, "-->", begin + 4)
        elif html.startswith(("<!", "<?", "</"), begin):
            at = _after(html, ">", begin)
        elif begin < len(html):
            yield Text("<")
            at = begin + 1
        else:
            at = begin


def _tag(html: str, named: re.Match[str]) -> tuple[Tag, int]:
    """Return a tag, and the place after it.

    A search for the end of a quoted value fails only where no such quote follows, so at most twice in a text.
    """
    attributes: dict[str, str] = {}
    at = named.end()
    while found := _ATTRIBUTE.match(html, at):
        name, *values = found.groups()
        attributes.setdefault(name.lower(), unescape(next(filter(None, values), "")))
        at = found.end()
    at = _REST.match(html, at).end()  # pyright: ignore[reportOptionalMemberAccess] - it matches nothing, too
    return Tag(named[2].lower(), bool(named[1]), attributes), min(at + 1, len(html))


def _after(html: str, mark: str, start: int) -> int:
    found = html.find(mark, start)
    return len(html) if found < 0 else found + len(mark)
