"""The reader of each format, by the media type.

Readers run in processes of their own, because they read hostile bytes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from headgate.kernel.errors import Invalid
from headgate.knowledge.blocks import ReadFile
from headgate.knowledge.readers import (
    delimited,
    docx,
    mail,
    markdown,
    pdf,
    pptx,
    signatures,
    source_code,
    text,
    web_page,
    xlsx,
)
from headgate.knowledge.readers.raw_file import Limits, RawFile, Reader, collected
from headgate.knowledge.readers.signatures import detect

_READERS: Final = MappingProxyType[str, Reader](
    {
        signatures.PDF: pdf.read,
        signatures.DOCX: docx.read,
        signatures.PPTX: pptx.read,
        signatures.XLSX: xlsx.read,
        signatures.HTML: web_page.read,
        signatures.MARKDOWN: markdown.read,
        signatures.PLAIN: text.read,
        signatures.CSV: delimited.read,
        signatures.TSV: delimited.read,
        signatures.MAIL: mail.read,
    }
)


def read_file(data: bytes, *, name: str, limits: Limits) -> ReadFile:
    """Read a file of any known format.

    Raises:
        Invalid: it cannot be read, or has no text. The message says why and what to do.
    """
    media_type = detect(data, name=name)
    reader = _READERS.get(media_type, source_code.read)
    found = reader(RawFile(data=data, media_type=media_type, name=name, limits=limits))
    collected(found.blocks, limits)  # readers without limits of their own, and what a reader added at the end
    if not found.blocks:
        raise Invalid("The file has no text.")
    return found
