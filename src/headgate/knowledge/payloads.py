"""What the actions of knowledge carry: a question, found passages, an answer, and the passages of a document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from headgate.kernel.content import Content, PlainText
from headgate.kernel.labels import Labels
from headgate.knowledge.attribute_filters import Filter
from headgate.knowledge.chunking import context_title
from headgate.knowledge.passages import Passage
from headgate.substrate.database import Transaction


@dataclass(frozen=True, slots=True)
class Question:
    """A question to documents.

    Args:
        collections: those to search, sorted.
        limit: of the passages.
        model: the alias that writes the answer, or None for quotations.
        filter: on the attributes of files; None for all documents.
    """

    content: Content
    collections: tuple[str, ...]
    limit: int = 8
    model: str | None = None
    filter: Filter | None = None

    @property
    def text(self) -> str:
        """Its words."""
        return self.content.segments()[0].text

    def with_content(self, content: Content) -> Self:
        """Return the question in other words."""
        return replace(self, content=content)


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that a search found.

    Args:
        number: its place in the document, from 0.
        name: of the file, or its path at the source.
        score: how well it fits, for comparison within one search.
        as_of: how old the text is.
    """

    document: str
    number: int
    collection: str
    source: str | None
    title: str
    name: str
    passage: Passage
    score: float
    as_of: datetime
    labels: str


@dataclass(frozen=True, slots=True)
class _Cited(PlainText):
    """Texts whose record keeps no copy of passages: it names them, so that a deleted document is gone there too."""

    passages: tuple[FoundPassage, ...] = ()

    def edit(self, texts: Mapping[int, str]) -> _Cited:
        """Return the content with some strings replaced."""
        return _Cited(tuple(texts.get(index, text) for index, text in enumerate(self.texts)), self.passages)

    def to_bytes(self) -> bytes:
        """Return the sentences, and the places of the passages, one a line."""
        said = self.texts[: len(self.texts) - len(self.passages)]
        return "\n".join((*said, *(f"{one.document}#{one.number}" for one in self.passages))).encode()


@dataclass(frozen=True, slots=True)
class Found:
    """The passages of a search, best first. Their texts are its content.

    Args:
        legs: how it searched: by words, by meaning, or both.
    """

    passages: tuple[FoundPassage, ...]
    legs: tuple[str, ...] = ()

    @property
    def content(self) -> Content:
        """The texts of the passages."""
        return _Cited(tuple(one.passage.text for one in self.passages), self.passages)

    def with_content(self, content: Content) -> Self:
        """Return the passages with other texts."""
        texts = [segment.text for segment in content.segments()]
        changed = [
            replace(one, passage=_said(one.passage, text)) for one, text in zip(self.passages, texts, strict=True)
        ]
        return replace(self, passages=tuple(changed))


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer.

    Args:
        cites: indices of the passages that support it.
    """

    text: str
    cites: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with the passages that it cites.

    Args:
        is_quoted: whether its sentences are quotations.
        why: why there is no answer, or empty.
        removed: how many sentences of the model were removed, because no passage supports them.
        record: of the model call, or None for quotations.
    """

    sentences: tuple[Sentence, ...]
    found: Found
    is_quoted: bool
    why: str = ""
    removed: int = 0
    model: str | None = None
    record: str | None = None

    @property
    def content(self) -> Content:
        """Its sentences, then the passages."""
        said = tuple(one.text for one in self.sentences)
        return _Cited(said + tuple(one.passage.text for one in self.found.passages), self.found.passages)

    def with_content(self, content: Content) -> Self:
        """Return the answer in other words."""
        texts = [segment.text for segment in content.segments()]
        count = len(self.sentences)
        sentences = [replace(one, text=text) for one, text in zip(self.sentences, texts[:count], strict=True)]
        found = self.found.with_content(PlainText(tuple(texts[count:])))
        return replace(self, sentences=tuple(sentences), found=found)


@dataclass(frozen=True, slots=True)
class ReadPassages:
    """The passages of a document on their way into the index. Their texts in context are the content.

    Args:
        version: of the document, when it was read.
        passages: those of the whole document, in order.
        title, pages, language, written_at: of the file, as in `ReadFile`.
        hold: keeps other workers from the document's run until a transaction ends.
    """

    document: str
    version: int
    passages: Sequence[Passage] = field(repr=False)
    title: str = field(repr=False)
    media_type: str
    pages: int | None
    language: str
    authors: Sequence[str] = field(repr=False)
    written_at: datetime | None
    hold: Callable[[Transaction], Awaitable[None]] = field(repr=False)

    @property
    def content(self) -> Content:
        """The text of each passage with its headings."""
        title = context_title(self.title)
        return PlainText(tuple(one.in_context(title=title) for one in self.passages))

    def with_content(self, content: Content) -> Self:
        """Return the same: nothing is masked on the way into the index, which is a place of our own."""
        return self


@dataclass(frozen=True, slots=True)
class Said:
    """Words of a person that a callback keeps, such as a question to experts.

    Args:
        do: keeps them, under the labels that they were found to have.
    """

    content: Content
    do: Callable[[Content, Labels], Awaitable[Any]] = field(repr=False)

    def with_content(self, content: Content) -> Self:
        """Return the same with other words."""
        return replace(self, content=content)


def _said(passage: Passage, text: str) -> Passage:
    return passage if text == passage.text else Passage(text=text, headings=passage.headings, part=passage.part)
