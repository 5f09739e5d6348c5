"""PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF, e-mail and older office formats.

One door for all of them. PDF, Word, PowerPoint, EPUB and e-mail have
readers of their own, whose modules say why; the others go through kreuzberg. What it
finds (headings, paragraphs, lists, tables, sheets) is composed here, so that
marks are exact and no Markdown escapes end up in quotes. Its extraction cache
stays off (it would keep the text of deleted documents), and so do OCR, models
and anything else that could reach for a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import ReadError, UnsupportedFile
from openbook.read import read_bytes
from openbook.read.composing import Composer, clean
from openbook.read.epub import read_epub
from openbook.read.mail import read_mail
from openbook.read.packages import (
    check_package,
    encrypted,
    is_package,
    package_kind,
)
from openbook.read.pdf import MEDIA_TYPE as PDF
from openbook.read.pdf import PdfReader
from openbook.read.properties import document_title, properties, readable_stem
from openbook.read.slides import read_slides
from openbook.read.word import read_word
from openbook.types import Document

if TYPE_CHECKING:
    from kreuzberg import ExtractionConfig, ExtractionResult

_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_ODF: Final = "application/vnd.oasis.opendocument."

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".pdf": PDF,
    ".docx": _OOXML + "wordprocessingml.document",
    ".docm": "application/vnd.ms-word.document.macroEnabled.12",
    ".dotx": _OOXML + "wordprocessingml.template",
    ".doc": "application/msword",
    ".pptx": _OOXML + "presentationml.presentation",
    ".pptm": "application/vnd.ms-powerpoint.presentation.macroEnabled.12",
    ".ppsx": _OOXML + "presentationml.slideshow",
    ".ppt": "application/vnd.ms-powerpoint",
    ".xlsx": _OOXML + "spreadsheetml.sheet",
    ".xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    ".xlsb": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    ".xls": "application/vnd.ms-excel",
    ".ods": _ODF + "spreadsheet",
    ".odt": _ODF + "text",
    ".odp": _ODF + "presentation",
    ".epub": "application/epub+zip",
    ".fb2": "application/x-fictionbook+xml",
    ".rtf": "application/rtf",
    ".eml": "message/rfc822",
    ".msg": "application/vnd.ms-outlook",
    ".dbf": "application/x-dbf",
}
"""What this reader takes, by file name suffix."""

_SHEETS: Final = frozenset((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"))
_SLIDES: Final = frozenset((".pptx", ".pptm", ".ppsx"))
_OOXML_SHEETS: Final = frozenset((".xlsx", ".xlsm", ".xlsb"))
_WORD: Final = frozenset((".docx", ".docm", ".dotx"))
_PACKAGES: Final = _WORD | _SLIDES | _OOXML_SHEETS | {".ods", ".odt", ".odp", ".epub"}
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MIDNIGHT: Final = re.compile(r"(\d{4}-\d\d-\d\d) 00:00:00")
_GENERIC_SHEET: Final = re.compile(
    r"(?i)\s*(sheet|tabelle|feuille|feuil|hoja|foglio|blad|planilha|лист)\s*\d*\s*"
)


class OfficeReader:
    """Reads every format of `MEDIA_TYPES`, PDF included."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises ReadError for damaged or encrypted files, LimitExceeded for archive bombs."""
        suffix = kind_of(data, path)
        if not data:
            return Document(path, "", MEDIA_TYPES[suffix], title=readable_stem(path))
        if suffix == ".pdf":
            return PdfReader().read(data, path)
        if suffix == ".eml":
            return read_mail(data, path, MEDIA_TYPES[suffix], read_bytes)
        if suffix in _PACKAGES:
            if data.startswith(_OLE):  # Office puts an encrypted package into the older container
                raise encrypted(path)
            check_package(data, path)
        if suffix in _SHEETS:
            return _read_sheets(data, path, suffix)
        if suffix in _SLIDES:
            return read_slides(data, path, MEDIA_TYPES[suffix])
        if suffix == ".epub":
            return read_epub(data, path, MEDIA_TYPES[suffix])
        if suffix in _WORD:
            return read_word(data, path, MEDIA_TYPES[suffix])
        return _read_flow(data, path, suffix)


def kind_of(data: bytes, path: str) -> str:
    """The format as a suffix of `MEDIA_TYPES`: what the bytes say, else the file's name.

    Raises UnsupportedFile when neither names a format of this reader.
    """
    name = path.rsplit("/", 1)[-1]
    suffix = "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""
    found = sniff(data)
    if found and (suffix not in MEDIA_TYPES or _family(found) != _family(suffix)):
        return found
    if suffix not in MEDIA_TYPES:
        raise UnsupportedFile(f"{path!r} is of no kind that the reader of office files knows.")
    return suffix


def sniff(data: bytes) -> str:
    """The suffix of the format that the bytes show beyond doubt, or ""."""
    if b"%PDF-" in data[:1024]:
        return ".pdf"
    if data.startswith(b"{\\rtf"):
        return ".rtf"
    return package_kind(data) if is_package(data) else ""


def _family(suffix: str) -> str:
    """Suffixes of one family differ in what a program may do with the file, not in how it is read."""
    for family in (_WORD, _SLIDES, _OOXML_SHEETS):
        if suffix in family:
            return min(family)
    return suffix


def _read_flow(data: bytes, path: str, suffix: str) -> Document:
    """A format whose text just flows: headings, paragraphs, lists, tables."""
    result = _extract(data, path, suffix)
    composer = Composer()
    _compose_nodes(composer, (result.document or {"nodes": []})["nodes"])
    _compose_attachments(composer, result.children or ())
    if not composer.text and result.content.strip():
        composer.paragraph(result.content)
    return _document(composer, path, suffix, result)


def _read_sheets(data: bytes, path: str, suffix: str) -> Document:
    result = _extract(data, path, suffix)
    names: Sequence[str] = result.metadata.get("sheet_names") or ()
    composer = Composer()
    for page in result.pages or ():
        number = page["page_number"]
        name = names[number - 1] if number <= len(names) else str(number)
        composer.begin_place("sheet", name, number)
        if not _GENERIC_SHEET.fullmatch(name):
            composer.heading(name, 1)
        for table in page["tables"]:
            composer.table([[_MIDNIGHT.sub(r"\1", cell) for cell in row] for row in table.cells])
    return _document(composer, path, suffix, result)


def _compose_nodes(composer: Composer, nodes: Sequence[Any]) -> None:
    """Add kreuzberg's nodes in reading order. Its groups repeat their heading, so they are skipped."""
    counters: dict[int, int] = {}
    for node in nodes:
        if node.get("content_layer") in ("header", "footer"):
            continue  # repeated on every page, and no part of what the document says
        content = node["content"]
        kind = content["node_type"]
        text = str(content.get("text") or "")
        if kind == "heading":
            composer.heading(text, int(content.get("level") or 1))
        elif kind == "table":
            composer.table(_grid_rows(content["grid"]))
        elif kind == "list_item":
            composer.item(text, marker=_marker(nodes, node, counters), depth=_depth(nodes, node))
        elif kind == "code":
            composer.code(text)
        elif kind == "metadata_block":
            composer.paragraph("\n".join(f"{key}: {value}" for key, value in content["entries"]))
        elif kind not in ("group", "page_break", "slide", "list", "image"):
            composer.paragraph(text)


def _marker(nodes: Sequence[Any], node: Any, counters: dict[int, int]) -> str:
    parent = node.get("parent")
    if parent is None or not nodes[parent]["content"].get("ordered"):
        return "-"
    counters[parent] = counters.get(parent, 0) + 1
    return f"{counters[parent]}."


def _depth(nodes: Sequence[Any], node: Any) -> int:
    """How many lists an item is nested in, beyond its own."""
    lists = 0
    parent = node.get("parent")
    while parent is not None:
        lists += nodes[parent]["content"]["node_type"] == "list"
        parent = nodes[parent].get("parent")
    return max(0, lists - 1)


def _grid_rows(grid: Any) -> list[list[str]]:
    rows = [[""] * int(grid["cols"]) for _ in range(int(grid["rows"]))]
    for cell in grid["cells"]:
        row, column = int(cell["row"]), int(cell["col"])
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = str(cell["content"])
    return rows


def _compose_attachments(composer: Composer, children: Iterable[Any]) -> None:
    """The text of an e-mail's attachments, each under a heading with its name."""
    for child in children:
        content = clean(str(child["result"].content or ""))
        if content:
            composer.heading(f"Attachment: {child['path']}", 2)
            composer.paragraph(content)


def _document(composer: Composer, path: str, suffix: str, result: ExtractionResult) -> Document:
    marks = composer.marks()
    metadata = properties(result.metadata)
    headings = [mark.label for mark in marks if mark.kind == "heading"]
    title = document_title(metadata, "" if suffix in _SHEETS else next(iter(headings), ""), path)
    return Document(path, composer.text, MEDIA_TYPES[suffix], title=title, marks=marks, metadata=metadata)


def _extract(data: bytes, path: str, suffix: str) -> ExtractionResult:
    """Run kreuzberg. Raises ReadError with its words when it cannot read the file."""
    import kreuzberg

    try:
        return kreuzberg.extract_bytes_sync(
            data, MEDIA_TYPES[suffix], config=_configuration(suffix in _SHEETS)
        )
    except (kreuzberg.KreuzbergError, ValueError, RuntimeError, OSError) as error:
        words = " ".join(str(error).split())[:300]
        if "password" in words.lower() or "encrypt" in words.lower():
            raise encrypted(path) from error
        raise ReadError(
            f"{path!r} cannot be read as {suffix[1:]}: it is damaged or something else ({words}). "
            "Open it with the program that made it and save it anew."
        ) from error


@cache
def _configuration(sheets: bool) -> ExtractionConfig:
    """kreuzberg's settings: sheets come as tables of strings, all else as a tree of blocks."""
    from kreuzberg import ConcurrencyConfig, ExtractionConfig, PageConfig

    configuration = ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        output_format="plain" if sheets else "markdown",
        include_document_structure=not sheets,
        pages=PageConfig(extract_pages=sheets),
        concurrency=ConcurrencyConfig(max_threads=1),
    )
    configuration.disable_ocr = True  # type: ignore[attr-defined]  # missing from kreuzberg's stubs
    return configuration
