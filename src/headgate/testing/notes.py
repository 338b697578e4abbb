"""A minimal action for tests: send a plain-text note, and get a note or its pieces back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headgate.kernel.action import Action, Context, Resource, Verb
from headgate.kernel.content import Content, Finding, PlainText, TextSlot
from headgate.kernel.identity import Principal, UseCase
from headgate.kernel.labels import BOTTOM, EVERYTHING, Clearance, Labels
from headgate.testing.people import BOT, SUPPORT


@dataclass(frozen=True, slots=True)
class Note:
    """A payload or result that carries plain text."""

    content: Content

    def with_content(self, content: Content) -> Note:
        """Return the note with another text."""
        return replace(self, content=content)

    @property
    def text(self) -> str:
        """The note's text, one string a line."""
        return self.content.to_bytes().decode()


@dataclass(frozen=True, slots=True)
class Piece:
    """A stream item: text of one channel; `closes` names the channels that end with it."""

    text: str
    channel: str = "content/0"
    closes: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The text as bytes, for the record."""
        return self.text.encode()

    @property
    def slots(self) -> Sequence[TextSlot]:
        """The text."""
        return (TextSlot(self.channel, self.text),)

    def edit(self, texts: Sequence[str]) -> Piece:
        """Return the piece with another text."""
        return replace(self, text=texts[0])

    def without_spelling(self) -> Piece:
        """Return the piece unchanged, because it has no second copy of its text."""
        return self

    def insert(self, slot: TextSlot) -> Piece:
        """Return a piece with the text of the slot."""
        return Piece(slot.text, slot.channel)


SEND: Verb[Note, Piece, Note] = Verb("note.send", Note, Piece, Note, effect="send")
"""Sends a note."""

PLAN: Verb[Note, Piece, Note] = Verb("note.plan", Note, Piece, Note, effect="plan")
"""Sends a note by a nested action. A plan has no effect of its own."""


def note(*texts: str) -> Note:
    """Return a note with these strings."""
    return Note(PlainText(texts))


def send(
    *texts: str,
    verb: Verb[Note, Piece, Note] = SEND,
    principal: Principal = BOT,
    use_case: UseCase = SUPPORT,
    to: str = "post-box",
    clearance: Clearance = EVERYTHING,
    floor: Labels = BOTTOM,
    grant: str | None = None,
) -> Action[Note, Piece, Note]:
    """Return an action that sends a note to a place; without strings, the note is `hello`."""
    return Action(
        verb=verb,
        principal=principal,
        resource=Resource("place", to, clearance),
        payload=note(*(texts or ("hello",))),
        context=Context(use_case=use_case, floor=floor, grant=grant),
    )


def finding(category: str, start: int, end: int, *, segment: int = 0) -> Finding:
    """Return a finding of a category in one string."""
    return Finding(category, category, segment, start, end, 1.0, "fake")
