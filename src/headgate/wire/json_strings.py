"""Finds the strings and long numbers of a decoded JSON value in order, with their origins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, cast

from headgate.kernel.content import Origin, Segment
from headgate.wire.embedded_text import Embedding, embedded_text
from headgate.wire.json_edits import Path
from headgate.wire.json_runs import Joined, Said, Talk, is_silent


@dataclass(frozen=True, slots=True)
class Layout:
    """The origins of fields in the bodies of a wire format, and the format's own keys.

    Args:
        known_keys: the format's own keys. Every other key is a segment, because callers choose it.
        fields: the origins of the strings in top-level fields. Other fields are `parameter`.
        turns: the top-level lists whose items have a `role`, with the origin of items without a
            known role.
        roles: the origins by an item's `role`.
        answers: the lists of an answer whose items hold a turn of the assistant, or the object that
            holds the only one, with the key of that turn. The name "" stands for the answer itself,
            and the key "" for the item itself.
        types: the origins by an object's `type`, at any depth below a turn, such as `tool_result`.
        keys: the origins by the key of an object, at any depth below a turn, such as
            `functionResponse`.
        parts: the key of a turn's text or parts.
        joins_turns: whether consecutive turns of the assistant are one answer. Some clients send
            each piece of a streamed answer back as a turn of its own.
        media_keys: the keys whose values may be base64 of media, each with the condition that
            makes this certain. The condition is a field of the same object and its value ("" for
            any value), or None if the key is enough.
        signed: the key of texts with a `signature` in the same part, in turns of the assistant.
        spelling: the keys whose values repeat an answer's text token by token.
    """

    known_keys: frozenset[str] = frozenset()
    fields: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    turns: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    roles: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    types: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    keys: Mapping[str, Origin] = field(default_factory=dict[str, Origin])
    parts: str = "content"
    joins_turns: bool = False
    media_keys: Mapping[str, tuple[str, str] | None] = field(default_factory=dict[str, "tuple[str, str] | None"])
    signed: str | None = None
    spelling: frozenset[str] = frozenset()
    tool_words: tuple[bytes, ...] = field(init=False, default=())
    """Tokens; in a body without any of them, no tool wrote a string."""
    walked_for: tuple[bytes, ...] = field(init=False, default=())
    """Tokens; a body with any of them needs a walk, as it may hold tools' strings or media."""
    media_words: tuple[bytes, ...] = field(init=False, default=())
    """Tokens; in a body without any of them, only `data:` URIs hold media."""
    spoken_for: tuple[bytes, ...] = field(init=False, default=())
    """Tokens; in a request without any of them, no turn is the assistant's."""

    def __post_init__(self) -> None:
        words = {"type"} if self.types else set[str]()
        for origins in (self.fields, self.turns, self.roles, self.types, self.keys):
            words |= {word for word, origin in origins.items() if origin == "tool"}
        object.__setattr__(self, "tool_words", _quoted(words))
        object.__setattr__(self, "walked_for", _quoted(words | {*self.media_keys}))
        object.__setattr__(self, "media_words", tuple(f'"{key}"'.encode() for key in self.media_keys))
        spoken_for = tuple(f'"{role}"'.encode() for role, origin in self.roles.items() if origin == "assistant")
        object.__setattr__(self, "spoken_for", spoken_for)


def _quoted(words: Set[str]) -> tuple[bytes, ...]:
    return tuple(sorted(f'"{word}"'.encode() for word in words))


_LONG = 10**11
"""The smallest number of twelve digits; a fraction of any length is a measure."""

PLAIN = Layout()
"""The layout of a body of no particular wire: every string and key is a `parameter`."""


class Strings(NamedTuple):
    """Every string of a document, and every number that may identify someone, in document order.

    Args:
        found: the segments, with None for the wire's own keys and for binary data.
        embeddings: the embedding of a segment in its string, by index into `found`.
        numbers: the indices of the numbers in `found`.
        runs: the runs, by indices into `found`.
        unread: the indices in `found` of strings that a scan cannot read completely.
    """

    found: list[Segment | None]
    embeddings: dict[int, Embedding]
    numbers: set[int]
    runs: list[Joined]
    unread: list[int]


def number_text(value: object) -> str | None:
    """Return the digits of a number of twelve digits or more, such as a card's; else None."""
    kind = value.__class__
    if kind is int:
        return str(value) if not -_LONG < cast("int", value) < _LONG else None
    if kind is float:
        real = cast("float", value)
        return str(int(real)) if real.is_integer() and not -_LONG < real < _LONG else None
    return None


def strings_of(value: Any, layout: Layout) -> Strings:
    """Return one item for each string token and long number of the text behind `value`. Linear."""
    strings = Strings([], {}, set(), [], [])
    _Walk(layout, strings).root(value)
    return strings


def spoken_texts(value: Any, layout: Layout) -> list[str]:
    """Return the texts of the assistant's turns, one for each part.

    For an answer, also return the joined text of each turn. Another wire may join the parts of an
    answer, and its client then sends the joined text back.
    """
    if layout.joins_turns:
        return list(_joined_texts(value, layout))
    texts: list[str] = []
    for turn, is_answer in _turns_of(value, layout):
        found = _texts_of(turn, layout)
        texts += (*found, "".join(found)) if is_answer and len(found) > 1 else found
    return texts


def _joined_texts(value: Any, layout: Layout) -> Iterator[str]:
    """Yield the text of each run of consecutive turns of the assistant."""
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    for name in layout.turns:
        turns = fields.get(name)
        listed = cast("list[Any]", turns) if isinstance(turns, list) else []
        for is_answer, run in groupby(listed, key=lambda turn: _role(turn, layout) == "assistant"):
            text = "".join(text for turn in run for text in _texts_of(turn, layout)) if is_answer else ""
            if text:
                yield text


def signed_texts(value: Any, layout: Layout) -> list[tuple[str, str]]:
    """Return the signed texts of the assistant's turns, each with its signature.

    The strings are the same objects as in `value`.
    """
    parts = [part for turn, _ in _turns_of(value, layout) for part in _parts_of(turn, layout)]
    pairs: list[tuple[Any, Any]] = [(part.get(layout.signed or ""), part.get("signature")) for part in parts]
    # Python shares strings of one character, so their identity does not tell their place.
    return [pair for pair in pairs if all(isinstance(text, str) and len(text) > 1 for text in pair)]


def _turns_of(value: Any, layout: Layout) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the assistant's turns; the flag tells whether the turn is an answer."""
    if not isinstance(value, dict):
        return
    fields = cast("dict[str, Any]", value)
    for name in layout.turns:
        turns = fields.get(name)
        for turn in cast("list[Any]", turns) if isinstance(turns, list) else ():
            if _role(turn, layout) == "assistant":
                yield turn, False
    for name, key in layout.answers.items():
        items: Any = fields.get(name, ()) if name else {key: fields}
        for item in cast("list[Any]", [items] if isinstance(items, dict) else items):
            turn = item.get(key) if key else item
            if isinstance(turn, dict):  # Gemini leaves out the turn of a blocked answer
                yield cast("dict[str, Any]", turn), True


def _role(turn: Any, layout: Layout) -> Origin | None:
    role: Any = cast("dict[str, Any]", turn).get("role") if isinstance(turn, dict) else None
    return layout.roles.get(role) if isinstance(role, str) else None


def _texts_of(turn: Mapping[str, Any], layout: Layout) -> list[str]:
    content = turn.get(layout.parts)
    if isinstance(content, str):
        return [content]
    # Gemini marks the text of thoughts, which is no answer.
    said: list[Any] = [part.get("text") for part in _parts_of(turn, layout) if part.get("thought") is not True]
    return [text for text in said if isinstance(text, str)]


def _parts_of(turn: Mapping[str, Any], layout: Layout) -> list[dict[str, Any]]:
    content = turn.get(layout.parts)
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    return [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]


def spelled_at(value: Any, keys: frozenset[str], path: Path = ()) -> Iterator[Path]:
    """Yield the paths of the values under these keys, at any depth, except null. Linear."""
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
    """Collects strings; the depth limit of decoding bounds the recursion."""

    __slots__ = ("_embeddings", "_layout", "_numbers", "_out", "_runs", "_said", "_talk", "_unread")

    def __init__(self, layout: Layout, strings: Strings) -> None:
        self._layout = layout
        self._out = strings.found
        self._embeddings = strings.embeddings
        self._numbers = strings.numbers
        self._runs = strings.runs
        self._unread = strings.unread
        self._said: list[Said] | None = None
        """The texts of the current turn, or None outside of turns."""
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
        """Walk one turn, or the value of a field of the system."""
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
            and not (isinstance(turn, dict) and is_silent(cast("dict[str, Any]", turn), self._layout.parts)),
        )

    def _say(self, text: str, origin: Origin) -> None:
        """Note the position of a text of the turn, unless the text encodes something else."""
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
        """Walk a list of objects; outside of turns, note their texts as one run."""
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
        """Return the position of this string object; None if the string encodes something else."""
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
                inner = layout.keys.get(key, origin) if is_turn and layout.keys else origin
                self._object(item, inner, is_turn=is_turn)
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
"""Builds a Segment in half the time of its constructor; each string of each body needs one."""
