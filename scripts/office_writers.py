"""Small writers of Word, Excel and PDF files, on the standard library alone.

They exist so that the example documents and the tests' files can be made
anywhere, byte for byte the same, without three more development dependencies.
Refused: python-docx, openpyxl and fpdf2, which stamp the time into their files.

A block is (kind, text or rows): "h1" to "h3", "p", "li", "table" (rows of
cells, the first is the header) and "page" (a new page).
"""

# ruff: noqa: E501 (templates of XML are easier to read unbroken)

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

Rows = Sequence[Sequence[str | float]]
Block = tuple[str, str | Rows]

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def write_package(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip archive with these parts, in this order and without any date."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def write_docx(blocks: Sequence[Block], *, title: str, author: str = "", created: str = "") -> bytes:
    """A Word file. `created` is an ISO date with time and zone, or ""."""
    body = "".join(_word_block(kind, content) for kind, content in blocks)
    document = f'{_XML}<w:document xmlns:w="{_WORD}"><w:body>{body}<w:sectPr/></w:body></w:document>'
    kinds = {
        "word/document.xml": "wordprocessingml.document.main",
        "word/styles.xml": "wordprocessingml.styles",
        "word/numbering.xml": "wordprocessingml.numbering",
    }
    relations = _relations({"rId1": ("styles", "styles.xml"), "rId2": ("numbering", "numbering.xml")})
    return write_package(
        {
            "[Content_Types].xml": _content_types(kinds),
            "_rels/.rels": _root_relations("word/document.xml"),
            "docProps/core.xml": _core(title, author, created),
            "word/document.xml": document,
            "word/styles.xml": _word_styles(),
            "word/numbering.xml": _word_numbering(),
            "word/_rels/document.xml.rels": relations,
        }
    )


def _word_block(kind: str, content: str | Rows) -> str:
    if not isinstance(content, str):
        rows = "".join(
            "<w:tr>" + "".join(f"<w:tc>{_word_paragraph(str(cell))}</w:tc>" for cell in row) + "</w:tr>"
            for row in content
        )
        return f'<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/></w:tblPr>{rows}</w:tbl>'
    if kind == "page":
        return '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
    properties = {
        "h1": '<w:pStyle w:val="Heading1"/>',
        "h2": '<w:pStyle w:val="Heading2"/>',
        "h3": '<w:pStyle w:val="Heading3"/>',
        "li": '<w:pStyle w:val="ListParagraph"/><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>',
    }.get(kind, "")
    return _word_paragraph(content, properties)


def _word_paragraph(text: str, properties: str = "") -> str:
    return f'<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def _word_styles() -> str:
    headings = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/><w:qFormat/>'
        f'<w:pPr><w:keepNext/><w:spacing w:before="240" w:after="80"/><w:outlineLvl w:val="{level - 1}"/></w:pPr>'
        f'<w:rPr><w:b/><w:sz w:val="{40 - 6 * level}"/></w:rPr></w:style>'
        for level in (1, 2, 3)
    )
    lines = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="auto"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    return (
        f'{_XML}<w:styles xmlns:w="{_WORD}"><w:docDefaults><w:pPrDefault><w:pPr><w:spacing w:after="120"/></w:pPr>'
        '</w:pPrDefault></w:docDefaults><w:style w:type="paragraph" w:default="1" w:styleId="Normal">'
        f'<w:name w:val="Normal"/></w:style>{headings}<w:style w:type="paragraph" w:styleId="ListParagraph">'
        '<w:name w:val="List Paragraph"/></w:style><w:style w:type="table" w:styleId="TableGrid"><w:name w:val="Table Grid"/>'
        f"<w:tblPr><w:tblBorders>{lines}</w:tblBorders></w:tblPr></w:style></w:styles>"
    )


def _word_numbering() -> str:
    return (
        f'{_XML}<w:numbering xmlns:w="{_WORD}"><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
        '<w:numFmt w:val="bullet"/><w:lvlText w:val="•"/><w:pPr><w:ind w:left="360" w:hanging="360"/></w:pPr></w:lvl>'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )


def write_xlsx(sheets: Mapping[str, Rows], *, title: str = "", author: str = "", created: str = "") -> bytes:
    """An Excel file with these sheets. Numbers are numbers, everything else is text."""
    kinds = {"xl/workbook.xml": "spreadsheetml.sheet.main"}
    parts: dict[str, str] = {}
    relations: dict[str, tuple[str, str]] = {}
    entries = ""
    for number, (name, rows) in enumerate(sheets.items(), 1):
        kinds[f"xl/worksheets/sheet{number}.xml"] = "spreadsheetml.worksheet"
        parts[f"xl/worksheets/sheet{number}.xml"] = _worksheet(rows)
        relations[f"rId{number}"] = ("worksheet", f"worksheets/sheet{number}.xml")
        entries += f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
    workbook = f'{_XML}<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{entries}</sheets></workbook>'
    return write_package(
        {
            "[Content_Types].xml": _content_types(kinds),
            "_rels/.rels": _root_relations("xl/workbook.xml"),
            "docProps/core.xml": _core(title, author, created),
            "xl/workbook.xml": workbook,
            "xl/_rels/workbook.xml.rels": _relations(relations),
            **parts,
        }
    )


def _worksheet(rows: Rows) -> str:
    lines = ""
    for row_number, row in enumerate(rows, 1):
        cells = "".join(
            _sheet_cell(f"{_column_name(column)}{row_number}", value)
            for column, value in enumerate(row)
            if value != ""
        )
        lines += f'<row r="{row_number}">{cells}</row>'
    return f'{_XML}<worksheet xmlns="{_SHEET}"><sheetData>{lines}</sheetData></worksheet>'


def _sheet_cell(place: str, value: str | float) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def _column_name(index: int) -> str:
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def _content_types(kinds: Mapping[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="/{part}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for part, kind in kinds.items()
    )
    return (
        f'{_XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}'
        '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
        "</Types>"
    )


def _root_relations(main: str) -> str:
    core = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
    return (
        f'{_XML}<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
        f'Target="{main}"/><Relationship Id="rId2" Type="{core}" Target="docProps/core.xml"/></Relationships>'
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'{_XML}<Relationships xmlns="{_RELATIONS}">{entries}</Relationships>'


def _core(title: str, author: str, created: str) -> str:
    date = f'<dcterms:created xsi:type="dcterms:W3CDTF">{created}</dcterms:created>' if created else ""
    return (
        f'{_XML}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator>{date}</cp:coreProperties>"
    )


_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556,
    556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
"""Widths of Helvetica's characters from space to ~, in thousandths of the type size."""

_TYPE_SIZES = {"h1": 18.0, "h2": 13.0, "h3": 11.5}


@dataclass
class _Paper:
    """PDF pages being filled from top to bottom; places in points, A4."""

    running: str
    pages: list[list[str]] = field(default_factory=list)
    y: float = 0.0

    def new_page(self) -> None:
        self.pages.append([])
        self.y = 760.0
        number = str(len(self.pages))
        if self.running:
            self.put(56, 810, 8.5, self.running)
            self.put(539 - _width(number, 8.5), 810, 8.5, number)

    def put(self, x: float, y: float, size: float, text: str, font: str = "F1") -> None:
        safe = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self.pages[-1].append(f"BT /{font} {size:g} Tf {x:.2f} {y:.2f} Td ({safe}) Tj ET")

    def need(self, height: float) -> None:
        if not self.pages or self.y - height < 60:
            self.new_page()

    def lines(self, text: str, size: float, *, indent: float = 0.0, font: str = "F1") -> None:
        for line in _wrap(text, size * (1.08 if font == "F2" else 1.0), 483 - indent):
            self.need(1.35 * size)
            self.put(56 + indent, self.y, size, line, font)
            self.y -= 1.35 * size


def write_pdf(
    blocks: Sequence[Block], *, title: str = "", author: str = "", created: str = "", running: str = ""
) -> bytes:
    """A PDF with `running` and the page's number at the top of every page. `created` is like "20240115120000Z"."""
    paper = _Paper(running)
    for kind, content in blocks:
        if kind == "page":
            paper.new_page()
        elif not isinstance(content, str):
            _pdf_table(paper, content)
        elif kind in _TYPE_SIZES:
            paper.need(60)
            paper.y -= 8
            paper.lines(content, _TYPE_SIZES[kind], font="F2")
            paper.y -= 5
        elif kind == "li":
            paper.need(14)
            paper.put(60, paper.y, 10.5, "\x95")  # the bullet of WinAnsiEncoding
            paper.lines(content, 10.5, indent=16)
        else:
            paper.lines(content, 10.5)
            paper.y -= 7
    return _pdf_file(["\n".join(page) for page in paper.pages] or [""], title, author, created)


def _pdf_table(paper: _Paper, rows: Rows) -> None:
    columns = max(len(row) for row in rows)
    paper.need(16.0 * len(rows))
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            paper.put(56 + 483 / columns * column, paper.y, 10, str(cell), "F2" if number == 0 else "F1")
        paper.y -= 15
    paper.y -= 8


def _wrap(text: str, size: float, room: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _width(text: str, size: float) -> float:
    return (
        sum(_WIDTHS[ord(character) - 32] if 32 <= ord(character) < 127 else 556 for character in text)
        * size
        / 1000
    )


def _pdf_file(pages: Sequence[str], title: str, author: str, created: str) -> bytes:
    count = len(pages)
    kids = " ".join(f"{6 + 2 * number} 0 R" for number in range(count))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        font % "Helvetica",
        font % "Helvetica-Bold",
        f"<< /Title ({title}) /Author ({author}) /CreationDate (D:{created}) >>",
    ]
    for number, content in enumerate(pages):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> "
            f"/Contents {7 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(content.encode('latin-1'))} >>\nstream\n{content}\nendstream")
    return assemble_pdf(objects, "/Root 1 0 R /Info 5 0 R")


def assemble_pdf(objects: Sequence[str], trailer: str) -> bytes:
    """A PDF file of numbered objects, the first is number 1, with the table of where each begins."""
    output = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(output))
        output += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(output)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"trailer\n<< /Size {len(objects) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n"
    output += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode("latin-1")
    return bytes(output)
