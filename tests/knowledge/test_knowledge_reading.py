"""The pool of reading processes: broken and hostile files end in clear errors, and the next file is read."""

from __future__ import annotations

import asyncio
import os
import select
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from headgate.kernel.errors import Invalid, NotFound, TooLarge, Unavailable
from headgate.knowledge.chunking import passages_of
from headgate.knowledge.readers.raw_file import MIB, Limits
from headgate.knowledge.reading import Reading

from .files import Words, docx, paragraph, pdf, xlsx

GOOD = b"# Hello\n\nA file that is read."
ENCRYPTED = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O ({'o' * 32}) /U ({'u' * 32}) >> /ID [(a) (b)]"
ENTITIES = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><document>&c;</document>'
SLOW = b"<html><p>" + b"<b>x</b>" * 2_000_000


class Case(NamedTuple):
    """A file that cannot be read, and words of its error."""

    data: bytes
    words: str
    limits: Limits = Limits()
    kind: type[Exception] = Invalid


CASES = {
    "encrypted PDF": Case(pdf([[Words(60, 700, "Hello")]], trailer=ENCRYPTED), "encrypted. Save it without a password"),
    "corrupt PDF": Case(b"%PDF-1.7\n" + os.urandom(2000), "damaged"),
    "PDF of pictures": Case(pdf([[], []]), "Text recognition is not available yet"),
    "too many pages": Case(
        pdf([[Words(60, 700, "Hello")]] * 4), "has 4 pages, more than 3", Limits(pages=3), kind=TooLarge
    ),
    "corrupt DOCX": Case(docx(paragraph("Hello"))[:-40], "damaged"),
    "DOCX cut in XML": Case(docx("<w:p><w:r>"), "not valid XML"),
    "zip bomb": Case(
        docx(paragraph("Hello " + " " * 9 * MIB)), "ZIP bomb", Limits(unpacked_bytes=8 * MIB), kind=TooLarge
    ),
    "entity bomb": Case(docx("", further={"word/document.xml": ENTITIES}), "declares XML entities"),
    "deep XML": Case(docx("<w:x>" * 1000 + "</w:x>" * 1000), "levels deep"),
    "large file": Case(b"x" * (MIB + 1), "has 1 MiB, more than 1 MiB", Limits(file_bytes=MIB), kind=TooLarge),
    "much text": Case(b"word\n\n" * 500, "million characters of text", Limits(text_chars=1000), kind=TooLarge),
    "text out of references": Case(
        xlsx('<row><c t="s"><v>0</v></c></row>' * 5000, strings=f"<si><t>{'x' * 30_000}</t></si>"),
        "million characters of text",
        kind=TooLarge,
    ),
    "slow by the clock": Case(SLOW, "more than 0.2 seconds", Limits(wall_s=0.2)),
    "slow by its computing": Case(SLOW, "more than 1 seconds of computing", Limits(cpu_s=1)),
    "out of memory": Case(b"some words \n" * 4_000_000, "MiB of memory", Limits(memory_bytes=192 * MIB)),
    "unknown format": Case(b"\0\1\2\3" * 100, "format of the file is unknown"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_file_that_cannot_be_read_ends_in_a_clear_error_and_the_next_one_is_read(case: Case) -> None:
    async with Reading(processes=1, limits=case.limits) as reading:
        with pytest.raises(case.kind, match=case.words):
            await reading.read(case.data, name="upload")
        assert (await reading.read(GOOD, name="good.md")).title == "Hello"


@pytest.mark.parametrize("page", ["", "/Rotate 90", "/CropBox [30 100 500 780]"])
async def test_the_boxes_of_a_passage_are_where_its_words_are_drawn(page: str) -> None:
    lines = [
        *(Words(60, 480 - 14 * at, f"Words of the first column in line {at}") for at in range(5)),
        *(Words(330, 480 - 14 * at, f"The other one {at}") for at in range(5)),
        Words(60, 300, "A heading", 18, "F2"),
        Words(60, 200, "and text below it."),
    ]
    data = pdf([lines], page=page)
    async with Reading(processes=1) as reading:
        passages = passages_of(await reading.read(data, name="x.pdf"))
        drawn = _decoded(await reading.page_image(data, page=1, width=900))
    boxes = [box for passage in passages for box in passage.boxes]
    assert len(boxes) == 3  # two columns, and the text; its heading is above it
    for box in boxes:
        area = [drawn.is_dark(x, y) for x, y in drawn.within(box.left, box.top, box.right, box.bottom)]
        assert 0.05 < sum(area) / len(area) < 0.5
    covered = {place for box in boxes for place in drawn.within(box.left, box.top, box.right, box.bottom)}
    dark = {(x, y) for x in range(drawn.width) for y in range(drawn.height) if drawn.is_dark(x, y)}
    assert len(covered & dark) > 0.7 * len(dark)  # the rest is the heading


async def test_a_picture_of_no_page_is_not_found_and_a_wide_one_is_bounded() -> None:
    data = pdf([[Words(60, 700, "Hello")]])
    async with Reading(processes=1) as reading:
        with pytest.raises(NotFound, match="no page 2; it has 1"):
            await reading.page_image(data, page=2, width=100)
        assert _decoded(await reading.page_image(data, page=1, width=100_000)).width == 2000


async def test_files_are_read_side_by_side_and_a_killed_process_is_replaced() -> None:
    async with Reading(processes=2) as reading:
        files = await asyncio.gather(*(reading.read(GOOD, name=f"{at}.md") for at in range(20)))
        assert len(files) == 20
        children = _children()
        assert len(children) == 2
        slow = [asyncio.ensure_future(reading.read(SLOW, name="x")) for _ in range(2)]
        await asyncio.wait(slow, timeout=0.3)
        for child in children:
            os.kill(child, 9)
        for each in slow:
            with pytest.raises(Invalid, match="broke its reader"):
                await each
        assert (await reading.read(GOOD, name="good.md")).title == "Hello"


async def test_a_process_is_replaced_after_its_files_and_none_outlives_the_pool() -> None:
    with ExitStack() as watched:
        async with Reading(processes=1, files_per_process=2) as reading:
            seen: list[int] = []
            for _ in range(3):
                await reading.read(GOOD, name="good.md")
                seen += _children()
            assert len(seen) == 2  # after the second file there was none
            assert seen[0] != seen[1]
            ends = _end_of(seen[1], watched)
            running = asyncio.ensure_future(reading.read(SLOW, name="x"))
            await asyncio.wait((running,), timeout=0.2)
        with pytest.raises(Unavailable):
            await running
        assert ends()
    with pytest.raises(Unavailable):
        await reading.read(GOOD, name="good.md")


async def test_a_cancelled_reading_ends_its_process() -> None:
    with ExitStack() as watched:
        async with Reading(processes=1) as reading:
            await reading.read(GOOD, name="good.md")
            ends = _end_of(_children()[0], watched)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reading.read(SLOW, name="x")
            assert ends()
            assert (await reading.read(GOOD, name="good.md")).title == "Hello"


def test_a_process_ends_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, pathlib\n"
        "from headgate.knowledge.reading import Reading\n"
        "async def main():\n"
        "    reading = Reading(processes=1)\n"
        "    await reading.read(b'Hello', name='x.txt')\n"
        "    print(*(p.read_text() for p in pathlib.Path('/proc/self/task').glob('*/children')), flush=True)\n"
        "    await reading.read(b'<html>' + b'<b>x</b>' * 2_000_000, name='x')\n"
        "asyncio.run(main())\n"
    )
    with ExitStack() as watched:
        with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            ends = _end_of(int(parent.stdout.readline()), watched)
            parent.kill()
        assert ends()


class _Picture(NamedTuple):
    """A decoded PNG."""

    width: int
    height: int
    rows: list[bytes]

    def is_dark(self, x: int, y: int) -> bool:
        return self.rows[y][1 + 3 * x] < 128

    def within(self, left: float, top: float, right: float, bottom: float) -> Iterator[tuple[int, int]]:
        for y in range(int(top * self.height), min(int(bottom * self.height) + 1, self.height)):
            for x in range(int(left * self.width), min(int(right * self.width) + 1, self.width)):
                yield x, y


def _decoded(png: bytes) -> _Picture:
    """Decode a PNG of RGB rows without filters, and check its parts."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, dict[bytes, bytes]()
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(kind + body),)
        parts[kind] = body
        at += 12 + length
    width, height = struct.unpack_from(">II", parts[b"IHDR"])
    pixels = zlib.decompress(parts[b"IDAT"])
    stride = 1 + 3 * width
    assert len(pixels) == stride * height
    return _Picture(width, height, [pixels[at * stride : (at + 1) * stride] for at in range(height)])


def _children() -> list[int]:
    found = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for pids in found for pid in pids if "reading_worker" in Path(f"/proc/{pid}/cmdline").read_text()]


def _end_of(pid: int, watched: ExitStack) -> Callable[[], bool]:
    """Return a function that waits, ten seconds at most, for the end of a process."""
    handle = os.pidfd_open(pid)
    watched.callback(os.close, handle)
    return lambda: bool(select.select([handle], [], [], 10)[0])
