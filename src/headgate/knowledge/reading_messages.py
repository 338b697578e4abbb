"""What the application and a reading process say to each other: frames of bytes with their length."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from headgate.knowledge.blocks import ReadFile
from headgate.knowledge.readers.raw_file import Limits

LENGTH: Final = struct.Struct(">Q")
READY: Final = b"ready"
"""The first bytes of a reading process."""


class ReadJob(msgspec.Struct, frozen=True, tag="read"):
    """Read a file. A second frame has its bytes."""

    name: str
    limits: Limits


class ImageJob(msgspec.Struct, frozen=True, tag="image"):
    """Draw a page of a PDF. A second frame has its bytes."""

    page: int
    width: int
    limits: Limits


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A file that was read, or the PNG of a page."""

    file: ReadFile | None = None
    image: bytes = b""


class Refused(msgspec.Struct, frozen=True, tag="refused", kw_only=True):
    """A file that cannot be read.

    Args:
        code: of the error.
        is_spent: whether the process ends after this, because its memory may be in disorder.
    """

    message: str
    code: str
    detail: str | None = None
    is_spent: bool = False


Job = ReadJob | ImageJob
Answer = Done | Refused
