"""Edits JSON text in place; all other bytes stay unchanged.

The text must be valid JSON, such as `JsonDocument.raw`. Time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

Path: TypeAlias = tuple[str | int, ...]
"""The path of a value: object keys and list indices from the root."""

STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""A JSON string token; matching is linear, as the loop is unrolled and possessive."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")
"""The bytes between a key and its value."""

_SCALAR = re.compile(rb"[^ \t\r\n,\]}]++")
_TO_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_LIST, _CLOSE_LIST, _COMMA = b'"{}[],'
_OPENERS = frozenset((_OPEN_OBJECT, _OPEN_LIST))


class Splice(NamedTuple):
    """Replaces bytes `start` to `end` by `new`."""

    start: int
    end: int
    new: bytes


class _Tree(NamedTuple):
    """Edits by the next key or index of their paths; a leaf is the new value, None a removal."""

    children: dict[str | int, _Tree | _Leaf]


class _Leaf(NamedTuple):
    new: bytes | None


def splice(raw: bytes, splices: list[Splice]) -> bytes:
    """Apply splices; they must be in order and must not overlap."""
    parts: list[bytes] = []
    position = 0
    for start, end, new in splices:
        parts += (raw[position:start], new)
        position = end
    parts.append(raw[position:])
    return b"".join(parts)


def edit_fields(raw: bytes, edits: Mapping[Path, bytes | None]) -> bytes:
    """Return the text with the values at these paths replaced by JSON text, or removed for None.

    If the last key of a path is absent, the edit inserts the value at the end of its object, and a
    removal changes nothing. An upstream's text may repeat a key, because no code checks for that.
    The edit then changes every occurrence.

    Raises:
        KeyError: a parent of a path is absent, or is neither an object nor a list.
    """
    if not edits:
        return raw
    editor = _Editor(raw)
    editor.edit(_end(_SPACE, raw, 0), _tree(edits))
    return splice(raw, editor.splices)


def replace_first(raw: bytes, key: str, new: bytes) -> bytes:
    """Return the object with the value of a top-level key replaced.

    The search stops at the first match, so keys must not repeat.

    Raises:
        KeyError: the object has no such key.
    """
    editor = _Editor(raw)
    start, end = editor.find(key)
    return raw[:start] + new + raw[end:]


def replace_text(raw: bytes, path: Path, *, old: str, new: bytes) -> bytes:
    """Return the text with the string `old` at a path replaced by JSON text.

    The call is fast if the last key occurs once. The quoted bytes of the key are always a key or a
    whole string, never a part of one. A single occurrence is therefore the key.

    Raises:
        KeyError: a parent of the path is absent.
    """
    key = msgspec.json.encode(path[-1])
    if raw.count(key) == 1:
        token = msgspec.json.encode(old)
        for colon in (b":", b": "):
            needle = key + colon + token
            if needle in raw:
                return raw.replace(needle, key + colon + new, 1)
    return edit_fields(raw, {path: new})


def append_field(raw: bytes, key: str, new: bytes) -> bytes:
    """Return the object with a field added at its end; the object must not have that key yet."""
    closing = raw.rindex(b"}")
    before = raw[:closing].rstrip(b" \t\r\n")
    comma = b"" if before.endswith(b"{") else b","  # a brace here opens an empty root object
    return raw[: len(before)] + comma + msgspec.json.encode(key) + b":" + new + raw[len(before) :]


def _end(pattern: re.Pattern[bytes], raw: bytes, start: int) -> int:
    """Return the end of the pattern's match at `start`; it always matches in valid JSON."""
    match = pattern.match(raw, start)
    assert match is not None, "the text is valid JSON"
    return match.end()


def _tree(edits: Mapping[Path, bytes | None]) -> _Tree:
    root = _Tree({})
    for path, new in edits.items():
        node = root
        for step in path[:-1]:
            child = node.children.setdefault(step, _Tree({}))
            if isinstance(child, _Leaf):
                raise KeyError(path)
            node = child
        node.children[path[-1]] = _Leaf(new)
    return root


class _Editor:
    """Walks JSON text along the paths of a tree, and collects splices."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.splices: list[Splice] = []

    def find(self, key: str) -> tuple[int, int]:
        """Return the start and end of the value of a top-level key."""
        raw = self._raw
        position = self._space(self._space(0) + 1)
        wanted = msgspec.json.encode(key)
        while (token := STRING.match(raw, position)) is not None:
            start = _end(COLON, raw, token.end())
            end = self._skip(start)
            found = token.group()
            if found == wanted or (b"\\" in found and msgspec.json.decode(found) == key):
                return start, end
            position = self._space(end)
            if raw[position] != _COMMA:
                break
            position = self._space(position + 1)
        raise KeyError(key)

    def edit(self, start: int, node: _Tree | _Leaf) -> int:
        """Collect the edits of the value at `start`; return the value's end."""
        if isinstance(node, _Leaf):
            end = self._skip(start)
            if node.new is not None:
                self.splices.append(Splice(start, end, node.new))
            return end
        opening = self._raw[start]
        if opening == _OPEN_OBJECT:
            return self._edit_object(start, node.children)
        if opening == _OPEN_LIST:
            return self._edit_list(start, node.children)
        raise KeyError(next(iter(node.children)))

    def _edit_object(self, start: int, children: dict[str | int, _Tree | _Leaf]) -> int:
        raw, splices = self._raw, self.splices
        missing = dict(children)
        kept_end = -1
        cut_start = -1
        position = self._space(start + 1)
        while raw[position] != _CLOSE_OBJECT:
            if cut_start >= 0:
                splices.append(Splice(cut_start, position, b""))
                cut_start = -1
            token = STRING.match(raw, position)
            assert token is not None, "the text is valid JSON"
            name: str = msgspec.json.decode(token.group())
            value = _end(COLON, raw, token.end())
            node = children.get(name)
            end = self._skip(value) if node is None else self.edit(value, node)
            missing.pop(name, None)
            if isinstance(node, _Leaf) and node.new is None:
                if kept_end >= 0:
                    splices.append(Splice(kept_end, end, b""))
                    kept_end = end
                else:
                    cut_start = position
            else:
                kept_end = end
            position = self._space(end)
            if raw[position] == _COMMA:
                position = self._space(position + 1)
        if cut_start >= 0:
            splices.append(Splice(cut_start, position, b""))
        self._insert(missing, kept_end=kept_end, closing=position)
        return position + 1

    def _insert(self, missing: dict[str | int, _Tree | _Leaf], *, kept_end: int, closing: int) -> None:
        """Add the absent fields after the last kept one."""
        place = kept_end if kept_end >= 0 else closing
        added: list[bytes] = []
        for key, node in missing.items():
            if isinstance(node, _Tree) or not isinstance(key, str):
                raise KeyError(key)
            if node.new is not None:
                added.append(msgspec.json.encode(key) + b":" + node.new)
        if added:
            lead = b"," if kept_end >= 0 else b""
            self.splices.append(Splice(place, place, lead + b",".join(added)))

    def _edit_list(self, start: int, children: dict[str | int, _Tree | _Leaf]) -> int:
        raw = self._raw
        left = len(children)
        position = self._space(start + 1)
        index = 0
        while raw[position] != _CLOSE_LIST:
            node = children.get(index)
            if node is None:
                end = self._skip(position)
            else:
                if isinstance(node, _Leaf) and node.new is None:
                    raise KeyError(index)  # an edit cannot remove an item of a list
                end = self.edit(position, node)
                left -= 1
            index += 1
            position = self._space(end)
            if raw[position] == _COMMA:
                position = self._space(position + 1)
        if left:
            raise KeyError(next(iter(children)))
        return position + 1

    def _skip(self, start: int) -> int:
        """Return the end of the value at `start`; takes one step for each bracket in it."""
        raw = self._raw
        opening = raw[start]
        if opening == _QUOTE:
            return _end(STRING, raw, start)
        if opening not in _OPENERS:
            return _end(_SCALAR, raw, start)
        depth = 1
        position = start + 1
        while depth:
            position = _end(_TO_BRACKET, raw, position)
            depth += 1 if raw[position] in _OPENERS else -1
            position += 1
        return position

    def _space(self, position: int) -> int:
        return _end(_SPACE, self._raw, position)
