"""Finds the runs of a body: strings in several places that a model reads in sequence.

A message may have several parts. Wire formats also differ: one takes consecutive messages of one
author, another joins them into one turn, and a third has a separate field for all system text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, cast

from headgate.kernel.content import Origin

_ROLE, _CONTENT, _SYSTEM, _NULL = b"role", b"content", b"system", b"null"
_INSTRUCTIONS = b"instructions"


class Authors(Protocol):
    """The part of a layout that assigns authors."""

    @property
    def turns(self) -> Mapping[str, Origin]:
        """The default author by the name of a list of turns."""
        ...

    @property
    def roles(self) -> Mapping[str, Origin]:
        """The author by role."""
        ...


class Said(NamedTuple):
    """The position and the author of a text in a part or message."""

    position: int
    origin: Origin


class Joined(NamedTuple):
    """The positions of texts in one run; `is_one_text` if they are parts of one message."""

    positions: list[int]
    is_one_text: bool


class Talk:
    """Follows the turns of a conversation, and notes the runs."""

    def __init__(self, runs: list[Joined]) -> None:
        self._runs = runs
        self._open: dict[Origin, list[list[int]]] = {}

    def turn(self, said: Sequence[Said], *, is_answer: bool) -> None:
        """Take the texts of the next turn.

        Args:
            is_answer: whether the turn is the assistant's and not empty; it may hold no text.
        """
        by: dict[Origin, list[int]] = {}
        for position, origin in said:
            if origin in by:
                by[origin].append(position)
            else:
                by[origin] = [position]
        if is_answer:
            self._close("user", "tool")
        elif "assistant" in self._open and by.keys() - {"system", "assistant"}:
            self._close("assistant")
        for origin, positions in by.items():
            if len(positions) > 1:
                self._runs.append(Joined(positions, is_one_text=True))
            if origin in self._open:
                self._open[origin].append(positions)
            else:
                self._open[origin] = [positions]

    def end(self) -> None:
        """End the conversation, and note the runs that are still open."""
        self._close(*self._open)

    def _close(self, *origins: Origin) -> None:
        for origin in origins:
            messages = self._open.pop(origin, [])
            if len(messages) > 1:
                self._runs.append(Joined([position for one in messages for position in one], is_one_text=False))


def is_silent(fields: Mapping[str, Any], parts_key: str = "content") -> bool:
    """Whether a turn is empty, so that wires leave it out; `parts_key` is the key of its parts."""
    content: Any = fields.get(parts_key)
    parts = cast("list[Any]", content) if isinstance(content, list) else [content]
    return not any(map(_says, parts)) and not fields.get("tool_calls") and not fields.get("function_call")


def _says(part: Any) -> bool:
    text: Any = cast("dict[str, Any]", part).get("text", part) if isinstance(part, dict) else part
    return bool(text.strip()) if isinstance(text, str) else text is not None


def may_join_turns(strings: Sequence[bytes], between: bytes, layout: Authors) -> bool:
    """Whether a wire may join two turns of a body.

    Args:
        strings: the body's string tokens.
        between: the bytes between the string tokens.
    """
    if not layout.turns or (turns := strings.count(_CONTENT)) < 2:
        return False
    if turns != strings.count(_ROLE):
        return True  # some turn has no role, or has its text under another key
    names = [strings[at + 1].decode() for at, string in enumerate(strings[:-1]) if string == _ROLE]
    if any(name not in layout.roles for name in names):
        return True
    authors = [layout.roles[name] for name in names]
    talking = [author for author in authors if author != "system"]
    systems = len(authors) - len(talking) + strings[: strings.index(_ROLE)].count(_SYSTEM)
    systems += _INSTRUCTIONS in strings
    if systems > 1 or any(one == other for one, other in pairwise(talking)):
        return True
    # A wire leaves out an empty answer, which joins the turns on both sides of it.
    return "assistant" in talking and (_NULL in between or b"[]" in between or not all(map(bytes.strip, strings)))
