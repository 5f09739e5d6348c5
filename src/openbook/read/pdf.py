"""PDF files, through pdfium: text in reading order, a mark for every page and heading.

Headings come from the document's outline where it has one, else from type
sizes. A scanned page has no text; a document of such pages comes back empty.
Refused: OCR by default. It needs models that would have to be downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import LimitExceeded, ReadError
from openbook.read.composing import Composer
from openbook.read.packages import encrypted
from openbook.read.pdf_layout import Block, layout
from openbook.read.pdf_lines import Line, page_lines
from openbook.read.properties import document_title, properties
from openbook.types import Document

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument  # type: ignore[import-untyped]

MEDIA_TYPE: Final = "application/pdf"
_MAX_PAGES: Final = 20_000
_MAX_OUTLINE: Final = 5_000
_SECTION_NUMBER: Final = re.compile(r"^(?:[\dIVXivx]+(?:\.\d+)*\.?|§\s*\d+\.?)\s+")


class PdfReader:
    """Reads PDF files. Not for use by several threads at once: pdfium cannot do that."""

    def read(self, data: bytes, path: str) -> Document:
        """Raises ReadError for damaged or encrypted files, LimitExceeded for absurd numbers of pages."""
        import pypdfium2

        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) == pypdfium2.raw.FPDF_ERR_PASSWORD:
                raise encrypted(path) from error
            raise ReadError(
                f"{path!r} cannot be read as PDF: it is damaged or something else under that name "
                f"({str(error).rstrip('.')}). "
                "Open it with a PDF viewer and save it anew."
            ) from error
        try:
            return _read(pdf, path)
        finally:
            pdf.close()


def _read(pdf: PdfDocument, path: str) -> Document:
    if len(pdf) > _MAX_PAGES:
        raise LimitExceeded(f"{path!r} has {len(pdf):,} pages, more than {_MAX_PAGES:,}. Split it to add it.")
    pages = [_lines(pdf, number) for number in range(len(pdf))]
    outline = _outline(pdf, len(pages))
    composer = Composer()
    for number, blocks in enumerate(layout(pages)):
        composer.begin_place("page", pdf.get_page_label(number) or str(number + 1), number + 1)
        for block in blocks:
            _compose(composer, block, outline.get(number))
    marks = composer.marks()
    metadata = properties(_raw_properties(pdf))
    headings = [mark for mark in marks if mark.kind == "heading"]
    largest = min((mark.level for mark in headings), default=0)
    first = next((mark.label for mark in headings if mark.level == largest and mark.start < 2000), "")
    title = document_title(metadata, first, path)
    return Document(path, composer.text, MEDIA_TYPE, title=title, marks=marks, metadata=metadata)


def _lines(pdf: PdfDocument, number: int) -> list[Line]:
    """The lines of one page; a page that pdfium cannot open has none."""
    import pypdfium2

    try:
        page = pdf[number]
    except pypdfium2.PdfiumError:
        return []  # one broken page is no reason to lose the others
    try:
        text_page = page.get_textpage()
        try:
            return page_lines(text_page.raw, pypdfium2.raw)
        finally:
            text_page.close()
    finally:
        page.close()


def _outline(pdf: PdfDocument, pages: int) -> dict[int, dict[str, int]]:
    """Levels of the outline's entries by page and simplified words; empty if it is no real outline."""
    found: dict[int, dict[str, int]] = {}
    entries = 0
    for entry in pdf.get_toc(max_depth=6):
        entries += 1
        if entries > _MAX_OUTLINE:
            break
        target = entry.get_dest()
        index = target.get_index() if target is not None else None
        key = _simplified(entry.get_title())
        if index is not None and 0 <= index < pages and key:
            found.setdefault(index, {})[key] = min(entry.level + 1, 6)
    return found if sum(map(len, found.values())) >= 3 else {}


def _simplified(words: str) -> str:
    """A heading without its number, case, spaces and punctuation, for comparing."""
    return re.sub(r"\W+", "", _SECTION_NUMBER.sub("", words.strip())).casefold()


def _compose(composer: Composer, block: Block, outline: dict[str, int] | None) -> None:
    if block.kind == "table":
        composer.table(block.rows)
    elif block.kind == "item":
        composer.item(block.text)
    elif block.kind == "heading":
        level = (outline or {}).get(_simplified(block.text), block.rank)
        composer.heading(block.text, level)
    elif outline and len(block.text) < 200 and (level := outline.get(_simplified(block.text), 0)):
        composer.heading(block.text, level)
    else:
        composer.paragraph(block.text)


def _raw_properties(pdf: PdfDocument) -> dict[str, Any]:
    values: dict[str, str] = pdf.get_metadata_dict(skip_empty=True)
    return {
        "title": values.get("Title"),
        "authors": _authors(values.get("Author", "")),
        "created_at": values.get("CreationDate"),
        "modified_at": values.get("ModDate"),
        "subject": values.get("Subject"),
        "keywords": values.get("Keywords"),
        "page_count": len(pdf),
    }


def _authors(value: str) -> Sequence[str]:
    return [value] if value.strip() else []
