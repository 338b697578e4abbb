"""Small real files of each format, written by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
RELATIONSHIP = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
METADATA = "http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
CORE = f"""<cp:coreProperties xmlns:cp="{METADATA}"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">
 <dc:title>Travel policy</dc:title><dc:creator>Ana Gomez</dc:creator>
 <dcterms:modified>2024-05-06T07:08:09Z</dcterms:modified></cp:coreProperties>"""


class Words(NamedTuple):
    """A line on a page of a PDF, in points from the bottom left of the page as it is shown."""

    left: float
    bottom: float
    text: str
    size: float = 11
    font: str = "F1"


def pdf(pages: Sequence[Sequence[Words]], *, trailer: str = "", page: str = "") -> bytes:
    """A PDF with Helvetica as F1 and its bold face as F2, on pages of 600 by 800 points.

    Args:
        trailer, page: further entries of these dictionaries.
    """
    kids = " ".join(f"{6 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
        "<< /Title (Travel policy) /Author (Ana Gomez) /ModDate (D:20240506070809+02'00') >>",
    ]
    for at, words in enumerate(pages):
        content = "\n".join(
            f"BT /{each.font} {each.size} Tf {_placed(each, page)} Tm ({each.text}) Tj ET" for each in words
        )
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {7 + 2 * at} 0 R {page}"
            " /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    body = bytearray(b"%PDF-1.7\n")
    places: list[int] = []
    for number, each in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{each}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    body += f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 5 0 R {trailer} >>\n".encode("latin-1")
    return bytes(body) + f"startxref\n{start}\n%%EOF\n".encode()


def _placed(words: Words, page: str) -> str:
    """The matrix of a line, which stands upright on a page that is shown turned by 90 degrees, too."""
    if "/Rotate 90" in page:
        return f"0 1 -1 0 {600 - words.bottom} {words.left}"
    return f"1 0 0 1 {words.left} {words.bottom}"


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP file of these parts."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return written.getvalue()


def docx(body: str, *, further: Mapping[str, str | bytes] | None = None) -> bytes:
    """A document with these paragraphs and tables; the style `H1` is a heading, `H2` rests on it at level 2."""
    styles = f"""<w:styles {W}>
      <w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>
      <w:style w:styleId="H2"><w:name w:val="Section"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
      <w:style w:styleId="H2a"><w:name w:val="Our section"/><w:basedOn w:val="H2"/></w:style></w:styles>"""
    return packed(
        {
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": styles,
            "docProps/core.xml": CORE,
            **(further or {}),
        }
    )


def paragraph(text: str, *, style: str = "", number: int = 0) -> str:
    """A paragraph of a document, by its style or as an item of a list."""
    styled = f'<w:pStyle w:val="{style}"/>' if style else ""
    numbered = f'<w:numPr><w:numId w:val="{number}"/></w:numPr>' if number else ""
    return f"<w:p><w:pPr>{styled}{numbered}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def relationships(targets: Mapping[str, str]) -> str:
    """A part with relationships, by their ids."""
    each = (f'<Relationship Id="{key}" Type="{RELATIONSHIP}/x" Target="{target}"/>' for key, target in targets.items())
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{space}">{"".join(each)}</Relationships>'


def xlsx(rows: str, *, strings: str = "", further: Mapping[str, str] | None = None) -> bytes:
    """A workbook with the sheet `Rates` of these rows, and a hidden one. Cell style 1 is a date."""
    return packed(
        {
            "xl/workbook.xml": f'<workbook {S} {R}><sheets><sheet name="Rates" sheetId="1" r:id="rId1"/>'
            '<sheet name="Secret" sheetId="2" state="hidden" r:id="rId2"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relationships(
                {"rId1": "worksheets/sheet1.xml", "rId2": "worksheets/sheet2.xml"}
            ),
            "xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>",
            "xl/worksheets/sheet2.xml": f'<worksheet {S}><sheetData><row r="1"><c r="A1" t="str"><v>hush</v></c></row>'
            "</sheetData></worksheet>",
            "xl/sharedStrings.xml": f"<sst {S}>{strings}</sst>",
            "xl/styles.xml": f'<styleSheet {S}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
            "docProps/core.xml": CORE,
            **(further or {}),
        }
    )


def pptx(slides: Sequence[str], *, notes: str = "") -> bytes:
    """A presentation whose first slide has these notes. The slides' files are in reverse order."""
    count = len(slides)
    ids = "".join(f'<p:sldId id="{256 + at}" r:id="rId{at}"/>' for at in range(count))
    parts: dict[str, str | bytes] = {
        "ppt/presentation.xml": f"<p:presentation {P} {R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relationships(
            {f"rId{at}": f"slides/slide{count - at}.xml" for at in range(count)}
        ),
        f"ppt/slides/_rels/slide{count}.xml.rels": relationships({"rId1": "../notesSlides/notesSlide1.xml"}),
        "ppt/notesSlides/notesSlide1.xml": f"<p:notes {P} {A}>{shape(notes)}</p:notes>",
    }
    for at, slide in enumerate(slides):
        parts[f"ppt/slides/slide{count - at}.xml"] = (
            f"<p:sld {P} {A}><p:cSld><p:spTree>{slide}</p:spTree></p:cSld></p:sld>"
        )
    return packed(parts)


def shape(*lines: str, kind: str = "") -> str:
    """A shape of a slide: a placeholder of that kind, or a text box."""
    placed = f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>' if kind else "<p:nvPr/>"
    text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return f"<p:sp><p:nvSpPr>{placed}</p:nvSpPr><p:txBody>{text}</p:txBody></p:sp>"
