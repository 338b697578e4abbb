"""A stream of XML elements, from expat, that refuses document types and so every entity bomb.

Names come without their namespaces. The attributes of relationships keep `r:`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element
from xml.parsers import expat

from headgate.kernel.errors import Invalid

_CHUNK_BYTES = 64 * 1024
_MOST_DEPTH = 500
_DAMAGED = "The file is damaged: a part of it is not valid XML. Open it in its program and save it again."


def elements(data: bytes, wanted: Collection[str]) -> Iterator[Element]:
    """Yield the outermost elements with one of the names, each whole, in document order.

    Only the elements of one piece of 64 KiB are in memory at a time.

    Raises:
        Invalid: the bytes are not well-formed XML, nest too deeply, or declare a document type.
    """
    found = _Collector(frozenset(wanted))
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = found.start
    parser.EndElementHandler = found.end
    parser.CharacterDataHandler = found.text
    parser.StartDoctypeDeclHandler = _refuse_document_type
    for start in range(0, len(data), _CHUNK_BYTES):
        end = start + _CHUNK_BYTES
        try:
            parser.Parse(data[start:end], end >= len(data))
        except expat.ExpatError as exc:
            raise Invalid(_DAMAGED) from exc
        yield from found.taken()


def text_of(element: Element) -> str:
    """Return all text within the element."""
    return "".join(element.itertext())


def outermost(element: Element, wanted: Collection[str], *, closed: Collection[str] = ()) -> Iterator[Element]:
    """Yield the outermost elements below one that have one of the names, in document order. O(n).

    Args:
        closed: names of elements whose content is left out.
    """
    waiting = list(reversed(element))
    while waiting:
        each = waiting.pop()
        if each.tag in wanted:
            yield each
        elif each.tag not in closed:
            waiting.extend(reversed(each))


class _Collector:
    """Builds the wanted elements."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._stack: list[Element] = []
        self._done: list[Element] = []
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise Invalid(f"The file nests its contents more than {_MOST_DEPTH} levels deep. It is damaged or hostile.")
        local = name.rpartition("}")[2]
        if not self._stack and local not in self._wanted:
            return
        element = Element(local, {_attribute(key): value for key, value in attributes.items()})
        if self._stack:
            self._stack[-1].append(element)
        self._stack.append(element)

    def end(self, _name: str) -> None:
        """End an element."""
        self._depth -= 1
        if self._stack:
            element = self._stack.pop()
            if not self._stack:
                self._done.append(element)

    def text(self, data: str) -> None:
        """Add text to the open element."""
        if not self._stack:
            return
        open_element = self._stack[-1]
        if len(open_element):
            open_element[-1].tail = (open_element[-1].tail or "") + data
        else:
            open_element.text = (open_element.text or "") + data

    def taken(self) -> list[Element]:
        """Return the finished elements, and forget them."""
        done, self._done = self._done, []
        return done


def _attribute(name: str) -> str:
    space, _, local = name.rpartition("}")
    return f"r:{local}" if space.endswith("/relationships") else local


def _refuse_document_type(*_declared: object) -> None:
    raise Invalid("The file declares XML entities, which can hide a bomb, so it is not read. Save it again in Office.")
