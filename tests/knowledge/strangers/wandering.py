"""A stranger's connector: a shelf that lists its books once, tells changes from then on, and may ask to wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headgate.kernel.connector import Access, Change, CursorExpired, Fetched, OpenSource, Outside, Page
from headgate.kernel.errors import NotFound
from headgate.kernel.extensions import Manifest

_PAGE = 2


@dataclass(slots=True)
class Book:
    """A book. `readers`: None where the shelf does not say."""

    text: str
    readers: tuple[str, ...] | None = None


@dataclass(slots=True)
class Shelf:
    """The books of a test, and what happened to them.

    Args:
        refusals: raised once by the next fetches of a book.
        held: fetches of a book wait for it.
    """

    books: dict[str, Book] = field(default_factory=dict[str, Book])
    told: list[str] = field(default_factory=list[str])
    fetched: list[str] = field(default_factory=list[str])
    listed: list[str] = field(default_factory=list[str])
    refusals: dict[str, Exception] = field(default_factory=dict[str, Exception])
    held: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    oldest: int = 0

    def put(self, ref: str, text: str, readers: tuple[str, ...] | None = None) -> None:
        """Add or change a book."""
        self.books[ref] = Book(text, readers)
        self.told.append(ref)

    def drop(self, ref: str) -> None:
        """Take a book away."""
        del self.books[ref]
        self.told.append(ref)

    def clear(self) -> None:
        """Forget everything."""
        for each in (self.books, self.told, self.fetched, self.listed, self.refusals, self.held):
            each.clear()
        self.oldest = 0

    def change(self, ref: str) -> Change:
        """Return the state of a book."""
        book = self.books.get(ref)
        if book is None:
            return Change(ref, is_deleted=True)
        return Change(ref, revision=str(hash(book.text)), access=Access(book.readers), size_bytes=len(book.text))


class WanderingOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The options of a shelf."""

    room: int = 1


@dataclass(frozen=True, slots=True)
class WanderingSource:
    """A shelf with its options."""

    shelf: Shelf

    async def changes(self, cursor: str) -> Page:
        """As `OpenSource.changes`."""
        shelf = self.shelf
        shelf.listed.append(cursor)
        what, _, number = cursor.partition(":")
        if what == "since":
            if int(number) < shelf.oldest:
                raise CursorExpired("the shelf forgot it")
            refs = dict.fromkeys(shelf.told[int(number) :])
            return Page([shelf.change(ref) for ref in refs], f"since:{len(shelf.told)}")
        begin, refs = int(number or 0), sorted(shelf.books)
        page = [shelf.change(ref) for ref in refs[begin : begin + _PAGE]]
        if begin + _PAGE < len(refs):
            return Page(page, f"from:{begin + _PAGE}", is_last=False)
        return Page(page, f"since:{len(shelf.told)}")

    async def fetch(self, ref: str, *, revision: str) -> Fetched:
        """As `OpenSource.fetch`."""
        self.shelf.fetched.append(ref)
        if (event := self.shelf.held.pop(ref, None)) is not None:
            await event.wait()
        if (refusal := self.shelf.refusals.pop(ref, None)) is not None:
            raise refusal
        if ref not in self.shelf.books:
            raise NotFound("the book is gone")
        return Fetched(f"{ref}.md", self.shelf.books[ref].text.encode(), url=f"https://shelf.example/{ref}")

    async def access(self, ref: str) -> Access:
        """As `OpenSource.access`."""
        return Access(self.shelf.books[ref].readers)


@dataclass(frozen=True, slots=True)
class WanderingConnector:
    """The kind `wandering`."""

    manifest: Manifest
    shelf: Shelf
    options: type[Any] = WanderingOptions
    at_once: int = 1

    def open(self, options: WanderingOptions, outside: Outside) -> OpenSource:
        """As `Connector.open`."""
        return WanderingSource(self.shelf)


connector = WanderingConnector(Manifest("connectors", "wandering", "A shelf."), Shelf())
