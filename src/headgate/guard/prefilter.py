"""The prefilter: finds which of many patterns occur in a buffer, in one pass.

It uses Hyperscan if installed, else RE2, with the same results. Neither backtracks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import re2

from headgate.kernel.detection import Pattern
from headgate.kernel.errors import Invalid

try:
    import hyperscan
except ImportError:  # it has wheels for x86-64 only
    hyperscan = None

Matcher = Literal["hyperscan", "re2"]

_Re2Error: type[Exception] = re2.error  # pyright: ignore[reportUnknownVariableType] - re2 has no types

_CACHE_MAGIC = b"headgate-hyperscan-2\n"
_DIGEST_BYTES = 32


class Prefilter(Protocol):
    """Finds the patterns that occur in a buffer. Safe to call from any thread."""

    def occurring(self, data: bytes) -> Sequence[int]:
        """Return the indices of the patterns that match somewhere in `data`, ascending. O(bytes)."""
        ...


def prefilter(patterns: Sequence[Pattern], *, cache: Path | None = None, matcher: Matcher | None = None) -> Prefilter:
    """Return the fastest installed prefilter.

    Args:
        cache: folder for the compiled database (a second to compile, milliseconds to load), or None for none.
        matcher: the engine to use instead of the fastest.

    Raises:
        Invalid: a pattern has invalid syntax, or the named engine is not installed.
    """
    if matcher == "re2" or (matcher is None and hyperscan is None):
        return Re2Prefilter(patterns)
    return HyperscanPrefilter(patterns, cache=cache)


def compiled(pattern: Pattern) -> Any:
    """Return the RE2 object that finds the exact extents of a pattern in bytes.

    Raises:
        Invalid: the pattern has invalid syntax.
    """
    try:
        return re2.compile(pattern.regex.encode("latin-1"), _options(pattern))
    except _Re2Error as error:
        raise Invalid(f"pattern {pattern.id} is not of the syntax that RE2 and Hyperscan share: {error}") from error


class Re2Prefilter:
    """A set automaton of RE2, one for each case sensitivity."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._sets: list[tuple[Any, list[int]]] = []
        for is_caseless in (False, True):
            chosen = [index for index, pattern in enumerate(patterns) if pattern.is_caseless is is_caseless]
            if chosen:
                self._sets.append((_re2_set([patterns[index] for index in chosen]), chosen))

    def occurring(self, data: bytes) -> Sequence[int]:
        """As `Prefilter.occurring`."""
        found: list[int] = []
        for automaton, chosen in self._sets:
            hits: list[int] | None = automaton.Match(data)
            found += [chosen[hit] for hit in hits or ()]
        return sorted(found)


class HyperscanPrefilter:
    """One Hyperscan database in block mode; each thread has its own scratch space."""

    def __init__(self, patterns: Sequence[Pattern], *, cache: Path | None = None) -> None:
        if hyperscan is None:
            raise Invalid("hyperscan is not installed here; use the matcher re2")
        self._database = _database(patterns, cache)
        self._local = threading.local()

    def occurring(self, data: bytes) -> Sequence[int]:
        """As `Prefilter.occurring`."""
        found: list[int] = []
        self._database.scan(data, match_event_handler=_keep, context=found, scratch=self._scratch())
        found.sort()
        return found

    def _scratch(self) -> Any:
        try:
            return self._local.scratch
        except AttributeError:
            scratch: Any = hyperscan.Scratch(self._database) if hyperscan is not None else None
            self._local.scratch = scratch
            return scratch


def _keep(index: int, start: int, end: int, flags: int, found: Any) -> None:
    found.append(index)


def _options(pattern: Pattern) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not pattern.is_caseless
    options.log_errors = False
    return options


def _re2_set(patterns: Sequence[Pattern]) -> Any:
    options = _options(patterns[0])
    options.max_mem = 64 << 20
    automaton: Any = re2.Set.SearchSet(options)
    for pattern in patterns:
        try:
            automaton.Add(pattern.regex.encode("latin-1"))
        except _Re2Error as error:
            raise Invalid(f"pattern {pattern.id} is not of the syntax that RE2 and Hyperscan share: {error}") from error
    automaton.Compile()
    return automaton


def _database(patterns: Sequence[Pattern], cache: Path | None) -> Any:
    if cache is None:
        return _compile(patterns)
    path = cache / f"detectors-{_cache_key(patterns)}.hsdb"
    database = _load(path)
    if database is None:
        database = _compile(patterns)
        _store(path, hyperscan.dumpb(database) if hyperscan is not None else b"")
    return database


def _compile(patterns: Sequence[Pattern]) -> Any:
    assert hyperscan is not None
    # Hyperscan groups expressions by their order. Sorted, they scan up to twice as fast.
    order = sorted(range(len(patterns)), key=lambda index: patterns[index].regex, reverse=True)
    flags = [
        hyperscan.HS_FLAG_SINGLEMATCH
        | hyperscan.HS_FLAG_DOTALL
        | (hyperscan.HS_FLAG_CASELESS if patterns[index].is_caseless else 0)
        for index in order
    ]
    database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile([patterns[index].regex.encode("latin-1") for index in order], ids=order, flags=flags)
    except hyperscan.error as error:
        raise Invalid(f"a detector's pattern cannot be compiled: {error}") from error
    return database


def _cache_key(patterns: Sequence[Pattern]) -> str:
    """Return the cache key of a compiled database; Hyperscan checks the processor's features."""
    digest = hashlib.sha256()
    version = getattr(hyperscan, "__version__", "")
    for part in (version, platform.machine(), platform.system(), *(f"{p.is_caseless}{p.regex}" for p in patterns)):
        digest.update(part.encode() + b"\x00")
    return digest.hexdigest()[:32]


def _load(path: Path) -> Any:
    """Return the cached database; None if it is missing, damaged or for another machine."""
    try:
        blob = path.read_bytes()
    except OSError:
        return None
    head, body = blob[: len(_CACHE_MAGIC) + _DIGEST_BYTES], blob[len(_CACHE_MAGIC) + _DIGEST_BYTES :]
    if head != _CACHE_MAGIC + hashlib.sha256(body).digest() or hyperscan is None:
        return None
    try:
        database: Any = hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
    except hyperscan.error:
        return None
    return database


def _store(path: Path, body: bytes) -> None:
    """Write the cache atomically; after a failure the next start compiles again, in a second."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(_CACHE_MAGIC + hashlib.sha256(body).digest() + body)
        os.replace(file.name, path)  # noqa: PTH105 - the name is a string already
