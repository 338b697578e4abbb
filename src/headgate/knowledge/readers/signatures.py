"""The type of a file: from its bytes first, and by its name only among kinds of text."""

from __future__ import annotations

import codecs
import io
import re
import zipfile
from typing import Final

from headgate.kernel.errors import Invalid
from headgate.knowledge.readers.delimited import delimiter_of
from headgate.knowledge.readers.text import decoded

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
MAIL: Final = "message/rfc822"

_BY_NAME: Final = {
    **dict.fromkeys(("md", "markdown", "mdown", "mkd"), MARKDOWN),
    **dict.fromkeys(("htm", "html", "xhtml"), HTML),
    **dict.fromkeys(("txt", "text", "log", "rst", "adoc"), PLAIN),
    **{"csv": CSV, "tsv": TSV, "tab": TSV, "eml": MAIL},
    **{"json": "application/json", "jsonl": "application/json", "xml": "application/xml", "yaml": "application/yaml"},
    **{"yml": "application/yaml", "toml": "application/toml", "sql": "application/sql"},
    **{"ini": "text/x-ini", "cfg": "text/x-ini", "conf": "text/x-ini", "properties": "text/x-ini"},
    **{"py": "text/x-python", "js": "text/javascript", "mjs": "text/javascript", "jsx": "text/javascript"},
    **{"ts": "text/x-typescript", "tsx": "text/x-typescript", "java": "text/x-java", "kt": "text/x-kotlin"},
    **{"c": "text/x-c", "h": "text/x-c", "cc": "text/x-c++", "cpp": "text/x-c++", "hpp": "text/x-c++"},
    **{"cs": "text/x-csharp", "go": "text/x-go", "rs": "text/x-rust", "rb": "text/x-ruby", "php": "text/x-php"},
    **{"swift": "text/x-swift", "scala": "text/x-scala", "sh": "text/x-shellscript", "bash": "text/x-shellscript"},
    **{"ps1": "text/x-powershell", "pl": "text/x-perl", "lua": "text/x-lua", "r": "text/x-r", "tf": "text/x-hcl"},
    **{"css": "text/css", "abap": "text/x-abap", "vb": "text/x-vb", "bas": "text/x-vb", "proto": "text/x-protobuf"},
}
_PACKED: Final = (("word/document.xml", DOCX), ("ppt/presentation.xml", PPTX), ("xl/workbook.xml", XLSX))
_IMAGES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_ARCHIVES: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"\x28\xb5\x2f\xfd")
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_HTML: Final = re.compile(
    r"(?:\s|<\?xml[^>]{0,200}>|<!--(?:[^-]|-(?!->)){0,2000}-->)*<(?:!doctype\s+html|html|head|body)\b", re.I
)
_HEADER: Final = re.compile(r"^(from|to|date|subject|message-id|received|mime-version|return-path):", re.I | re.M)
_MARKS: Final = re.compile(r"^(?:#{1,6} \S|```|[-*] \S|\|?[ :|-]*--[ :|-]*\|)|\[[^\]\n]+\]\([^)\n]+\)", re.M)
_SEEN_BYTES: Final = 64 * 1024

_READABLE: Final = "PDF, Word, PowerPoint, Excel, Markdown, HTML, CSV, e-mail (.eml), plain text and source code"


def detect(data: bytes, *, name: str) -> str:
    """Return the media type of a file that can be read.

    Raises:
        Invalid: the file is empty, or of a format that cannot be read. The message says what to do.
    """
    if not data.strip():
        raise Invalid("The file is empty.")
    if b"%PDF-" in data[:1024]:
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _packed(data)
    _refuse_known(data)
    if _is_binary(data):
        raise Invalid(f"The format of the file is unknown. Headgate reads {_READABLE}.")
    return _text_type(data, name)


def _packed(data: bytes) -> str:
    try:
        names = set(zipfile.ZipFile(io.BytesIO(data)).namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as exc:
        raise Invalid("The file is damaged: it cannot be unpacked. Open it in its program and save it again.") from exc
    for part, media_type in _PACKED:
        if part in names:
            return media_type
    if "mimetype" in names:
        raise Invalid("The file is an OpenDocument or e-book, which is not read yet. Save it as .docx, .xlsx or PDF.")
    raise Invalid("The file is an archive. Unpack it, and add the documents in it.")


def _refuse_known(data: bytes) -> None:
    """Refuse the formats that people often try, each with a way out."""
    if data.startswith(_OLE):
        if _ENCRYPTED in data:
            raise Invalid("The file is protected by a password. Remove the password in Office, and add it again.")
        raise Invalid(
            "The file has the old format of Office (.doc, .xls, .ppt, .msg). Save it as .docx, .xlsx or .pptx."
        )
    if data.startswith(_IMAGES) or data[8:12] == b"WEBP" or data[4:12] in (b"ftypheic", b"ftypavif"):
        raise Invalid("The file is an image. Text recognition is not available yet; add a document with text.")
    if data.startswith(_ARCHIVES):
        raise Invalid("The file is an archive. Unpack it, and add the documents in it.")
    if data.startswith(b"{\\rtf"):
        raise Invalid("The file has the format RTF, which is not read yet. Save it as .docx.")


def _is_binary(data: bytes) -> bool:
    if data.startswith(_WIDE):
        return False
    seen = data[:_SEEN_BYTES]
    controls = len(seen.translate(None, bytes((*range(7, 14), 27, *range(32, 256)))))
    return b"\0" in seen or controls * 100 > len(seen)


def _text_type(data: bytes, name: str) -> str:
    seen = decoded(data[:_SEEN_BYTES])
    head = seen.partition("\n\n")[0]
    if _HTML.match(seen):
        return HTML
    if len({match.lower() for match in _HEADER.findall(head)}) >= 3 and _HEADER.match(head.lstrip()):
        return MAIL
    named = _BY_NAME.get(name.rpartition(".")[2].lower()) if "." in name else None
    if named:
        return named
    if seen.startswith("#!"):
        return "text/x-shellscript"
    if len(_MARKS.findall(seen)) >= 3:
        return MARKDOWN
    delimiter = delimiter_of(seen)
    return {",": CSV, ";": CSV, "|": CSV, "\t": TSV}.get(delimiter or "", PLAIN)
