"""CSV and TSV: each row as text with the names of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from headgate.kernel.errors import Invalid
from headgate.knowledge.blocks import ReadFile
from headgate.knowledge.readers.raw_file import MIB, RawFile, collected
from headgate.knowledge.readers.rows import row_blocks
from headgate.knowledge.readers.text import decoded

_DELIMITERS = ",;\t|"
_SEEN_LINES = 20


def read(raw: RawFile) -> ReadFile:
    """Read a table of values. The delimiter is found in its first lines."""
    text = decoded(raw.data)
    return ReadFile(media_type=raw.media_type, blocks=collected(row_blocks(enumerate(_rows(text), 1)), raw.limits))


def delimiter_of(text: str) -> str | None:
    """Return the delimiter that splits the first lines into equally many cells, or None."""
    lines = [line for line in text[: 64 * 1024].split("\n")[:_SEEN_LINES] if line.strip()]
    if len(lines) < 2:
        return None
    counts = {each: [len(row) for row in csv.reader(lines, delimiter=each)] for each in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda each: (min(counts[each]), counts[each][0]))
    return best if min(counts[best]) == max(counts[best]) > 1 else None


def _rows(text: str) -> Iterator[list[str]]:
    csv.field_size_limit(4 * MIB)
    try:
        yield from csv.reader(io.StringIO(text), delimiter=delimiter_of(text) or _likely(text))
    except csv.Error as exc:
        raise Invalid("The table cannot be read as CSV. Save it as CSV once more, with quotes around texts.") from exc


def _likely(text: str) -> str:
    """Return the delimiter that the first line has most often."""
    line = text.partition("\n")[0]
    return max(_DELIMITERS, key=line.count)
