"""Pulls a model: streams a large file to disk, continues after a break, and checks the digest before the file counts.

A break is continued by `Range` with `If-Range`, so that the bytes of two versions are never mixed. Redirects are
followed here, because the egress client follows none; it vets the address of each one.
Source: RFC 9110 sections 13.1.5 (If-Range), 14 (Range Requests) and 15.4 (Redirection).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec

from headgate.gateway.pulled_models import ModelFiles, PulledModel
from headgate.kernel.errors import Conflict, Invalid, Unavailable, Upstream
from headgate.substrate.egress import Egress, NetworkProfile, Request, Response

PROFILE: Final = "pull"
"""The egress profile of pulls."""

MOST_BYTES: Final = 256 << 30
_SPARE_BYTES: Final = 256 << 20
"""Stays free on the disk, because the database may lie on it."""
_PIECE_BYTES: Final = 4 << 20
_REPORT_EVERY_S: Final = 0.5
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_MOST_BREAKS: Final = 1000
_LONGEST_S: Final = 86_400.0
_WAIT_S: Final = 60.0
_PAUSE_S: Final = 2.0
_GGUF: Final = b"GGUF"


class Progress(NamedTuple):
    """How far a pull is. `bytes_per_s` and `left_s` are of this attempt; None before the first bytes."""

    done_bytes: int
    size_bytes: int
    bytes_per_s: float | None
    left_s: float | None


Report = Callable[[Progress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pull:
    """What to pull.

    Args:
        size_bytes: as published; None takes the server's word.
        profile: its connections.
        pause_s: before a broken pull goes on.
    """

    name: str
    url: str = field(repr=False)
    sha256: str
    licence: str = ""
    size_bytes: int | None = None
    profile: NetworkProfile = field(default_factory=NetworkProfile)
    pause_s: float = _PAUSE_S


class _Part(msgspec.Struct, frozen=True):
    """What the bytes on disk are a part of. `validator` is a strong ETag or a date; None has neither."""

    sha256: str
    size_bytes: int
    validator: str | None


async def pull(wanted: Pull, folder: Path, *, report: Report) -> PulledModel:
    """Pull a model, or continue a broken pull. An equal model that is there already is not pulled again.

    Raises:
        Conflict: it is being pulled already, or another model has the name.
        Invalid: the file is no GGUF model, or too large.
        Upstream: the server refuses, broke off too often, or sent a file with another digest, which is removed.
        Denied: an address is not allowed.
        Unavailable: the disk has too little room.
    """
    place = ModelFiles(folder, wanted.name)
    with place.held():
        there = place.pulled()
        if there is not None and there.sha256 != wanted.sha256:
            raise Conflict(f"another model has the name {wanted.name}; remove it first: headgate models remove")
        if there is not None:
            return there
        profile = replace(
            wanted.profile, total_s=_LONGEST_S, first_byte_s=_WAIT_S, idle_s=_WAIT_S, max_body_bytes=MOST_BYTES
        )
        async with await asyncio.to_thread(Egress, profiles={PROFILE: profile}) as egress:
            await _Pulling(wanted, place, egress, report).until_complete()
        return await asyncio.to_thread(_keep, wanted, place)


class _Pulling:
    """The attempts of one pull. Its name is held."""

    def __init__(self, wanted: Pull, place: ModelFiles, egress: Egress, report: Report) -> None:
        self._wanted, self._place, self._egress, self._report = wanted, place, egress, report

    async def until_complete(self) -> None:
        """Pull until every byte is on disk. A break is continued while each attempt gets further."""
        for _ in range(_MOST_BREAKS):
            before = self._have()
            try:
                if await self._attempt():
                    return
            except Upstream as error:
                if not error.retryable or self._have() <= before:
                    raise
                await asyncio.sleep(self._wanted.pause_s)
        raise Upstream("the server broke off too often; pull again to continue", retryable=False)

    def _have(self) -> int:
        return self._place.part.stat().st_size if self._place.part.is_file() else 0

    async def _attempt(self) -> bool:
        """Pull the rest, or begin anew where the server has another version; return whether all is there."""
        part, have = self._usable_part()
        headers: tuple[tuple[bytes, bytes], ...] = ((b"accept", b"application/octet-stream, */*"),)
        if part is not None and part.validator is not None:
            if have == part.size_bytes:
                return True
            headers += ((b"range", b"bytes=%d-" % have), (b"if-range", part.validator.encode("latin-1")))
        async with self._opened(headers) as response:
            match response.status:
                case 200:
                    have, size_bytes = 0, _length(response)
                case 206 if part is not None and _range(response) == (have, part.size_bytes):
                    size_bytes = part.size_bytes
                case 206 | 416 if part is not None:
                    self._place.remove_part()
                    return False
                case status:
                    raise Upstream(
                        f"the server answered {status} instead of the file; check the address",
                        upstream_status=status,
                        retryable=False,
                    )
            if response.headers.get("content-encoding") not in (None, "identity"):
                raise Upstream("the server sends the file encoded, so it cannot be checked", retryable=False)
            self._check(size_bytes, left_bytes=size_bytes - have)
            if have == 0:
                self._begin(_Part(self._wanted.sha256, size_bytes, _validator(response)))
            return await self._write(response, have=have, size_bytes=size_bytes)

    def _usable_part(self) -> tuple[_Part | None, int]:
        """Return what is there of this file, and its size; remove what is of no use."""
        try:
            part = msgspec.json.decode(self._place.part_manifest.read_bytes(), type=_Part)
        except (OSError, msgspec.MsgspecError):
            part = None
        have = self._have()
        if (
            part is None
            or part.sha256 != self._wanted.sha256
            or part.validator is None
            or not 0 < have <= part.size_bytes
        ):
            self._place.remove_part()
            return None, 0
        return part, have

    @asynccontextmanager
    async def _opened(self, headers: tuple[tuple[bytes, bytes], ...]) -> AsyncGenerator[Response]:
        url = self._wanted.url
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._egress.send(Request("GET", url, headers, profile=PROFILE)) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                url = _next(url, response.headers.get("location"))
        raise Upstream(f"the server redirects more than {_MOST_REDIRECTS} times", retryable=False)

    def _check(self, size_bytes: int, *, left_bytes: int) -> None:
        published = self._wanted.size_bytes
        if published is not None and size_bytes != published:
            self._place.remove_part()
            raise Upstream(
                f"the server's file has {size_bytes:,} bytes, and the published one {published:,}", retryable=False
            )
        if size_bytes > MOST_BYTES:
            raise Invalid(f"the file is larger than {MOST_BYTES >> 30} GiB", param="url")
        free = shutil.disk_usage(self._place.folder).free
        if left_bytes + _SPARE_BYTES > free:
            raise Unavailable(
                f"the model needs {left_bytes >> 20:,} MiB more, and the disk has {free >> 20:,} MiB, of which"
                f" {_SPARE_BYTES >> 20} stay free; make room and pull again"
            )

    def _begin(self, part: _Part) -> None:
        self._place.remove_part()
        self._place.part_manifest.write_bytes(msgspec.json.encode(part))

    async def _write(self, response: Response, *, have: int, size_bytes: int) -> bool:
        """Append the body; return whether the file has all its bytes."""
        loop = asyncio.get_running_loop()
        began_s, told_s, at_first = loop.time(), float("-inf"), have
        waiting = bytearray()
        with self._place.part.open("ab", buffering=0) as file:
            try:
                async for piece in response.chunks():
                    have += len(piece)
                    if have > size_bytes:
                        raise Upstream("the server sent more bytes than it said", retryable=False)
                    waiting += piece
                    if len(waiting) >= _PIECE_BYTES:
                        full, waiting = waiting, bytearray()
                        await asyncio.to_thread(_append, file, full)
                    if loop.time() - told_s >= _REPORT_EVERY_S:
                        told_s = loop.time()
                        await self._report(_progress(have, size_bytes, have - at_first, told_s - began_s))
            finally:
                _append(file, waiting)
        await self._report(_progress(have, size_bytes, have - at_first, loop.time() - began_s))
        return have == size_bytes


def _append(file: FileIO, data: bytearray) -> None:
    """Write all bytes.

    Raises:
        Unavailable: the disk is full or broken.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise Unavailable(f"the model cannot be written: {error.strerror}; make room and pull again") from error


def _progress(done: int, size: int, pulled: int, took_s: float) -> Progress:
    rate = pulled / took_s if pulled and took_s > 0 else None
    return Progress(done, size, rate, (size - done) / rate if rate else None)


def _length(response: Response) -> int:
    length = response.headers.get("content-length") or ""
    if not length.isdecimal() or response.framing != "length":
        raise Upstream("the server does not say how large the file is", retryable=False)
    return int(length)


def _range(response: Response) -> tuple[int, int] | None:
    """Return the first byte and the whole size of a partial answer."""
    found = _RANGE.fullmatch(response.headers.get("content-range") or "")
    return (int(found[1]), int(found[3])) if found else None


def _validator(response: Response) -> str | None:
    """Return what `If-Range` may name: a strong ETag, else the date."""
    etag = response.headers.get("etag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("last-modified")


def _next(url: str, location: str | None) -> str:
    """Return the address that a redirect names."""
    if not location:
        raise Upstream("the server redirects without an address", retryable=False)
    following = urldefrag(urljoin(url, location)).url
    if urlsplit(url).scheme == "https" and urlsplit(following).scheme != "https":
        raise Upstream("the server redirects from https to http, which Headgate does not follow", retryable=False)
    return following


def _keep(wanted: Pull, place: ModelFiles) -> PulledModel:
    """Check the file and rename it into place. A file with another digest is removed."""
    with place.part.open("rb") as file:
        is_model = file.read(len(_GGUF)) == _GGUF
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = file.tell()
        os.fsync(file.fileno())
    if digest != wanted.sha256:
        place.remove_part()
        raise Upstream(
            f"the file has the digest {digest}, and not {wanted.sha256}; it was removed. Check the digest at the"
            " publisher",
            retryable=False,
        )
    if not is_model:
        place.remove_part()
        raise Invalid("the file is no GGUF model, which is all that the embedded runtime reads; it was removed")
    kept = PulledModel(wanted.name, size_bytes, digest, wanted.url.partition("?")[0], wanted.licence)
    place.manifest.write_bytes(msgspec.json.encode(kept))
    place.part.replace(place.model)
    place.part_manifest.unlink(missing_ok=True)
    folder = os.open(place.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return kept
