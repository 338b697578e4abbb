"""Finds the runs of a body: strings in several places that a model reads in sequence.

A message may have several parts. Wire formats also differ: one takes several messages of one author
in a row, another joins them into one turn, and one has a separate field for all system text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, cast

from headgate.kernel.content import Origin

_ROLE, _CONTENT, _SYSTEM, _NULL = b"role", b"content", b"system", b"null"


class Authors(Protocol):
    """The part of a layout that assigns authors."""

    @property
    def turns(self) -> Mapping[str, Origin]:
        """Lists of turns."""
        ...

    @property
    def roles(self) -> Mapping[str, Origin]:
        """Who has which role."""
        ...


class Said(NamedTuple):
    """Where the text of a part or of a message is, and whose it is."""

    position: int
    origin: Origin


class Joined(NamedTuple):
    """Positions of texts that are read in one go; `is_one_text` where they are parts of one message."""

    positions: list[int]
    is_one_text: bool


class Talk:
    """Follows the turns of a conversation and notes which texts come together."""

    def __init__(self, runs: list[Joined]) -> None:
        self._runs = runs
        self._open: dict[Origin, list[list[int]]] = {}

    def turn(self, said: Sequence[Said], *, is_answer: bool) -> None:
        """Take the texts of the next turn.

        Args:
            is_answer: whether the assistant says something in it, even if it is no text.
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
        """Take note that the conversation is over."""
        self._close(*self._open)

    def _close(self, *origins: Origin) -> None:
        for origin in origins:
            messages = self._open.pop(origin, [])
            if len(messages) > 1:
                self._runs.append(Joined([position for one in messages for position in one], is_one_text=False))


def is_silent(fields: Mapping[str, Any]) -> bool:
    """Tell whether nothing is said in a turn, so that wires leave it out."""
    content: Any = fields.get("content")
    parts = cast("list[Any]", content) if isinstance(content, list) else [content]
    return not any(map(_says, parts)) and not fields.get("tool_calls") and not fields.get("function_call")


def _says(part: Any) -> bool:
    text: Any = cast("dict[str, Any]", part).get("text", part) if isinstance(part, dict) else part
    return bool(text.strip()) if isinstance(text, str) else text is not None


def may_join_turns(strings: Sequence[bytes], between: bytes, layout: Authors) -> bool:
    """Tell whether two turns of a body may be put together, by its string tokens and what stands between them."""
    if not layout.turns or (turns := strings.count(_CONTENT)) < 2:
        return False
    if turns != strings.count(_ROLE):
        return True  # not every turn says whose it is, or has its text where it is looked for
    names = [strings[at + 1].decode() for at, string in enumerate(strings[:-1]) if string == _ROLE]
    if any(name not in layout.roles for name in names):
        return True
    authors = [layout.roles[name] for name in names]
    talking = [author for author in authors if author != "system"]
    systems = len(authors) - len(talking) + strings[: strings.index(_ROLE)].count(_SYSTEM)
    if systems > 1 or any(one == other for one, other in pairwise(talking)):
        return True
    # An answer of nothing is left out, and what stands on both sides of it comes together.
    return "assistant" in talking and (_NULL in between or b"[]" in between or not all(map(bytes.strip, strings)))
