"""File layout of logs: names of tiles and entry bundles, and the tiles of a log of a given size.

Source: c2sp.org/tlog-tiles. A tile is 256 hashes of subtrees of equal height; tile level `l` holds tree level `8 * l`.
The rightmost tile of a level may be partial. Entry bundles run parallel to the tiles of level 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headgate.kernel.errors import Corrupt, TooLarge
from headgate.ledger.checkpoint import parse_decimal
from headgate.ledger.merkle import HASH_BYTES

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
ENTRIES = -1
"""The level that stands for entry bundles in a `TileName`."""
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 0xFFFF
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class TileName:
    """One tile, or one entry bundle where `level` is `ENTRIES`; partial where `width` is below 256."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def is_partial(self) -> bool:
        """Whether the tile may still grow."""
        return self.width < TILE_WIDTH

    @property
    def full(self) -> TileName:
        """The same tile once it is full."""
        return TileName(self.level, self.index)

    @property
    def path(self) -> str:
        """Path below the log's root, with `/` between the parts."""
        groups = f"{self.index % 1000:03d}"
        rest = self.index // 1000
        while rest:
            groups = f"x{rest % 1000:03d}/{groups}"
            rest //= 1000
        kind = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{kind}/{groups}" + (f".p/{self.width}" if self.is_partial else "")

    @classmethod
    def parse(cls, path: str) -> TileName | None:
        """Parse a path. Return None if it is not exactly the path of a tile."""
        top, _, rest = path.partition("/")
        kind, _, rest = rest.partition("/")
        groups, dot, width_text = rest.partition(".p/")
        level = ENTRIES if kind == "entries" else parse_decimal(kind)
        index = _parse_groups(groups)
        width = parse_decimal(width_text) if dot else TILE_WIDTH
        if top != "tile" or level is None or index is None or width is None:
            return None
        name = cls(level, index, width)
        return name if level <= MAX_LEVEL and 1 <= width <= TILE_WIDTH and name.path == path else None


def _parse_groups(text: str) -> int | None:
    digits = text.replace("/x", "").replace("/", "").removeprefix("x")
    return int(digits) if len(digits) <= 21 and digits.isascii() and digits.isdigit() else None


def nodes_at(level: int, size: int) -> int:
    """Return the number of hashes (or entries) of a tile level in a log of `size` leaves."""
    return size >> (TILE_HEIGHT * max(level, 0))


def levels_of(size: int) -> int:
    """Return the number of tile levels of a log of `size` leaves."""
    return -(-size.bit_length() // TILE_HEIGHT)


def tile_at(level: int, index: int, size: int) -> TileName | None:
    """Return the tile with its width in a log of `size` leaves, or None if the log has no such tile."""
    width = min(nodes_at(level, size) - index * TILE_WIDTH, TILE_WIDTH)
    return TileName(level, index, width) if width > 0 else None


def right_edge(size: int) -> Iterator[TileName]:
    """Yield the partial tiles of a log of `size` leaves, the topmost first. Together they give the root."""
    for level in reversed(range(levels_of(size))):
        nodes = nodes_at(level, size)
        if nodes % TILE_WIDTH:
            yield TileName(level, nodes // TILE_WIDTH, nodes % TILE_WIDTH)


def split_hashes(data: bytes) -> list[bytes]:
    """Split a tile's bytes into hashes."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def encode_entry(entry: bytes) -> bytes:
    """Encode an entry for a bundle, after its length in two bytes.

    Raises:
        TooLarge: the entry is longer than 65,535 bytes.
    """
    if len(entry) > MAX_ENTRY_BYTES:
        raise TooLarge(f"An entry of {len(entry)} bytes does not fit a log, which holds at most 65,535 in one.")
    return len(entry).to_bytes(2, "big") + entry


def encode_entries(entries: Sequence[bytes]) -> list[bytes]:
    """Many entries as `encode_entry` makes each.

    Raises:
        TooLarge: one is longer than 65,535 bytes.
    """
    lengths = list(map(len, entries))
    if lengths and max(lengths) > MAX_ENTRY_BYTES:
        return list(map(encode_entry, entries))
    return [length.to_bytes(2, "big") + entry for length, entry in zip(lengths, entries, strict=True)]


@dataclass(frozen=True, slots=True)
class EntrySpan:
    """Position of an entry's bytes in its bundle, after the two bytes of length."""

    start: int
    stop: int


def entry_spans(data: bytes, *, limit: int = TILE_WIDTH) -> Iterator[EntrySpan]:
    """The places of a bundle's first `limit` entries.

    Raises:
        Corrupt: the bundle ends within an entry; raised after all whole entries were given.
    """
    at, total = 0, len(data)
    for number in range(limit):
        if at == total:
            return
        start = at + 2
        stop = start + (data[at] << 8 | data[at + 1]) if start <= total else total + 1
        if stop > total:
            raise Corrupt(f"The entry bundle ends within its entry {number}, which begins at byte {at}.")
        yield EntrySpan(start, stop)
        at = stop
