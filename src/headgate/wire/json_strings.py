"""The strings and long numbers of a decoded JSON value in document order, with their authors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from headgate.kernel.content import Origin, Segment
from headgate.wire.embedded_text import Embedding, embedded_text
from headgate.wire.json_edits import Path
from headgate.wire.json_runs import Joined, Said, Talk, is_silent


@dataclass(frozen=True, slots=True)
class Layout:
    """The authors of fields in the bodies of a wire format, and the format's own keys.

    Args:
        known_keys: the format's own keys; every other key is a segment, because callers choose it.
        fields: origins of the strings in top-level fields; other fields are `parameter`.
        turns: top-level lists whose items carry a `role`, with the origin of items that have none that is known.
        roles: origins by an item's `role`.
        answers: lists of an answer whose items hold a turn of the assistant's, with the key of it; "" for the answer
            itself.
        types: origins by an object's `type`, at any depth below a turn, such as `tool_result`.
        media_keys: keys whose values may be base64 of media, with what makes it certain: a field beside it and that
            field's value, "" for any; None where the key alone does.
        signed: key of texts that stand beside a `signature` over them, in parts of the assistant's turns.
        spelling: keys whose values say an answer's text once more, token by token.
    """

    known_keys: frozenset[str] = frozenset()
    fields: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    turns: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    roles: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    types: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    media_keys: Mapping[str, tuple[str, str] | None] = field(default_factory=dict[str, "tuple[str, str] | None"])
    signed: str | None = None
    spelling: frozenset[str] = frozenset()
    tool_words: tuple[bytes, ...] = field(init=False, default=())
    """Tokens without one of which no tool wrote any string."""
    walked_for: tuple[bytes, ...] = field(init=False, default=())
    """Tokens of a body whose strings cannot be told without a walk: a tool may write them, or media stand in them."""
    media_words: tuple[bytes, ...] = field(init=False, default=())
    """Tokens without one of which media stand in `data:` URIs only."""
    spoken_for: tuple[bytes, ...] = field(init=False, default=())
    """Tokens without one of which no turn of a request is the assistant's."""

    def __post_init__(self) -> None:
        words = {"type"} if self.types else set[str]()
        for origins in (self.fields, self.turns, self.roles, self.types):
            words |= {word for word, origin in origins.items() if origin == "tool"}
        object.__setattr__(self, "tool_words", _quoted(words))
        object.__setattr__(self, "walked_for", _quoted(words | {*self.media_keys}))
        object.__setattr__(self, "media_words", tuple(f'"{key}"'.encode() for key in self.media_keys))
        spoken_for = tuple(f'"{role}"'.encode() for role, origin in self.roles.items() if origin == "assistant")
        object.__setattr__(self, "spoken_for", spoken_for)


def _quoted(words: Set[str]) -> tuple[bytes, ...]:
    return tuple(sorted(f'"{word}"'.encode() for word in words))


_LONG = 10**11
"""The least number of twelve digits; fractions are measures, whatever their length."""

PLAIN = Layout()
"""A body of no particular wire: every string, keys included, is a `parameter`."""


class Strings(NamedTuple):
    """Every string of a document in its order, and every number that is long enough to be somebody's.

    Args:
        found: the segment, or None for the wire's own keys and for binary data.
        embeddings: by index into `found`, how a segment is embedded in its string.
        numbers: indices into `found` of the numbers.
        runs: indices into `found` of texts that are read in one go.
        unread: indices into `found` of the strings that hold more than can be scanned.
    """

    found: list[Segment | None]
    embeddings: dict[int, Embedding]
    numbers: set[int]
    runs: list[Joined]
    unread: list[int]


def number_text(value: object) -> str | None:
    """Return the digits of a number that may be a card's or an account's, of twelve digits or more; else None."""
    kind = value.__class__
    if kind is int:
        return str(value) if not -_LONG < cast("int", value) < _LONG else None
    if kind is float:
        real = cast("float", value)
        return str(int(real)) if real.is_integer() and not -_LONG < real < _LONG else None
    return None


def strings_of(value: Any, layout: Layout) -> Strings:
    """Return one item for each string token and long number of the text that `value` was decoded from. Linear."""
    strings = Strings([], {}, set(), [], [])
    _Walk(layout, strings).root(value)
    return strings


def spoken_texts(value: Any, layout: Layout) -> list[str]:
    """Return the texts of the assistant's turns, each part of one by itself; of an answer, also all of a turn's as one.

    Other wires may give a client the parts of an answer in one piece, and it sends back what it got.
    """
    texts: list[str] = []
    for turn, is_answer in _turns_of(value, layout):
        found = _texts_of(turn)
        texts += (*found, "".join(found)) if is_answer and len(found) > 1 else found
    return texts


def signed_texts(value: Any, layout: Layout) -> list[tuple[str, str]]:
    """Return the texts of the assistant's turns that are signed, each with its signature: the very strings."""
    parts = [part for turn, _ in _turns_of(value, layout) for part in _parts_of(turn)]
    pairs: list[tuple[Any, Any]] = [(part.get(layout.signed or ""), part.get("signature")) for part in parts]
    # Strings of one character are shared, so that they could not be told from others.
    return [pair for pair in pairs if all(isinstance(text, str) and len(text) > 1 for text in pair)]


def _turns_of(value: Any, layout: Layout) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Give the assistant's turns, each with whether it is an answer."""
    if not isinstance(value, dict):
        return
    fields = cast("dict[str, Any]", value)
    for name in layout.turns:
        turns = fields.get(name)
        for turn in cast("list[Any]", turns) if isinstance(turns, list) else ():
            if _role(turn, layout) == "assistant":
                yield turn, False
    for name, key in layout.answers.items():
        items: Any = fields.get(name, ()) if name else ({key: fields},)
        for item in items:
            yield item[key], True


def _role(turn: Any, layout: Layout) -> Origin | None:
    role: Any = cast("dict[str, Any]", turn).get("role") if isinstance(turn, dict) else None
    return layout.roles.get(role) if isinstance(role, str) else None


def _texts_of(turn: Mapping[str, Any]) -> list[str]:
    content = turn.get("content")
    if isinstance(content, str):
        return [content]
    said: list[Any] = [part.get("text") for part in _parts_of(turn)]
    return [text for text in said if isinstance(text, str)]


def _parts_of(turn: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = turn.get("content")
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    return [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]


def spelled_at(value: Any, keys: frozenset[str], path: Path = ()) -> Iterator[Path]:
    """Give the paths of what stands under these keys, at any depth and not null. Linear."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            if key not in keys:
                yield from spelled_at(item, keys, (*path, key))
            elif item is not None:
                yield (*path, key)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from spelled_at(item, keys, (*path, index))


class _Walk:
    """Collects strings; recursion is bounded by the depth that decoding allows."""

    __slots__ = ("_embeddings", "_layout", "_numbers", "_out", "_runs", "_said", "_talk", "_unread")

    def __init__(self, layout: Layout, strings: Strings) -> None:
        self._layout = layout
        self._out = strings.found
        self._embeddings = strings.embeddings
        self._numbers = strings.numbers
        self._runs = strings.runs
        self._unread = strings.unread
        self._said: list[Said] | None = None
        """Texts of the turn that is walked, if one is."""
        self._talk = Talk(strings.runs)

    def root(self, value: Any) -> None:
        if not isinstance(value, dict):
            self._item(value, "parameter", is_turn=False)
            return
        layout = self._layout
        for key, item in cast("dict[str, Any]", value).items():
            self._out.append(None if key in layout.known_keys else Segment(key, "parameter"))
            origin = layout.fields.get(key, "parameter")
            turn = layout.turns.get(key)
            if turn is not None and isinstance(item, list):
                self._turns(cast("list[Any]", item), turn)
            elif origin == "system":
                self._turn(item, origin, key=key)
            elif isinstance(item, str):
                self._string(item, origin, key, cast("dict[str, Any]", value))
            else:
                self._item(item, origin, is_turn=False)
        self._talk.end()

    def _turns(self, turns: list[Any], default: Origin) -> None:
        for turn in turns:
            self._turn(turn, _role(turn, self._layout) or default, key=None)

    def _turn(self, turn: Any, origin: Origin, *, key: str | None) -> None:
        """Walk one turn, or what stands under a key that is the system's."""
        said: list[Said] = []
        self._said = said
        if isinstance(turn, str):
            self._string(turn, origin, key, {})
            if key is not None:
                self._say(turn, origin)
        else:
            self._item(turn, origin, is_turn=key is None)
        self._said = None
        self._talk.turn(
            said,
            is_answer=origin == "assistant"
            and not (isinstance(turn, dict) and is_silent(cast("dict[str, Any]", turn))),
        )

    def _say(self, text: str, origin: Origin) -> None:
        """Note where a text of the turn is, unless it is an encoding of something else."""
        found = self._out[-1]
        if self._said is not None and found is not None and found.text is text:
            self._said.append(Said(len(self._out) - 1, origin))

    def _item(self, value: Any, origin: Origin, *, is_turn: bool) -> None:
        kind: Any = value.__class__
        if kind is dict:
            self._object(value, origin, is_turn=is_turn)
        elif kind is list:
            if len(value) > 1 and value[0].__class__ is dict:
                self._parts(value, origin, is_turn=is_turn)
            else:
                for item in value:
                    self._item(item, origin, is_turn=is_turn)
        elif kind is str:
            self._string(value, origin, None, {})
        elif kind is int or kind is float:
            self._number(value, origin)

    def _number(self, value: float, origin: Origin) -> None:
        text = number_text(value)
        if text is not None:
            self._numbers.add(len(self._out))
            self._out.append(Segment(text, origin))

    def _parts(self, parts: list[Any], origin: Origin, *, is_turn: bool) -> None:
        """Walk a list of objects; outside of turns, which see to it, their texts are one text to whoever reads them."""
        run: list[int] = []
        for part in parts:
            start = len(self._out)
            self._item(part, origin, is_turn=is_turn)
            text: Any = part.get("text") if self._said is None and part.__class__ is dict else None
            at = self._position(text, start) if text.__class__ is str else None
            if at is not None:
                run.append(at)
        if len(run) > 1:
            self._runs.append(Joined(run, is_one_text=True))

    def _position(self, text: str, start: int) -> int | None:
        """Return where this very string is; None where it is an encoding of something else."""
        for at in range(start, len(self._out)):
            found = self._out[at]
            if found is not None and found.text is text:
                return at
        return None

    def _object(self, value: dict[str, Any], origin: Origin, *, is_turn: bool) -> None:
        layout, add = self._layout, self._out.append
        known, media = layout.known_keys, layout.media_keys
        if is_turn and layout.types:
            named = value.get("type")
            if isinstance(named, str):
                origin = layout.types.get(named, origin)
        for key, item in value.items():
            add(None if key in known else _segment(Segment, (key, origin)))
            kind: Any = item.__class__
            if kind is str:
                if item[:1] in "dD" or key in media:
                    self._string(item, origin, key, value)
                else:
                    add(_segment(Segment, (item, origin)))
                if key == "text" or key == "content":
                    self._say(item, origin)
            elif kind is dict:
                self._object(item, origin, is_turn=is_turn)
            elif kind is list:
                self._item(item, origin, is_turn=is_turn)
            elif kind is int or kind is float:
                self._number(item, origin)

    def _string(self, text: str, origin: Origin, key: str | None, beside: Mapping[str, Any]) -> None:
        media = self._layout.media_keys
        may_be_media = key in media
        is_media = False
        if key is not None and may_be_media:
            mark = media[key]
            is_media = mark is None or (mark[0] in beside and mark[1] in ("", beside[mark[0]]))
        embedded = embedded_text(text, is_media=is_media, may_be_media=may_be_media)
        if embedded is None:
            self._out.append(Segment(text, origin))
            return
        if not embedded.is_read:
            self._unread.append(len(self._out))
        if embedded.text is None:
            self._out.append(None)
            return
        if embedded.embedding is not None:
            self._embeddings[len(self._out)] = embedded.embedding
        self._out.append(Segment(embedded.text, origin))


_segment: Callable[[type[Segment], tuple[str, Origin]], Segment] = tuple.__new__  # pyright: ignore[reportUnknownVariableType] - typeshed's own overloads
"""Builds a Segment in half the time of its constructor, which counts here: once for each string of each body."""
