"""Word files, read from their own XML.

Refused: kreuzberg for this format. 4.10.4 drops the characters & < >, glues
words together where Word has a tab, loses text boxes and hyphens that must not
break, and sees headings only under their English style names. Refused as
well: page marks. Where Word breaks a page depends on the printer and the
fonts at hand; headings are the places that stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from openbook.errors import ReadError
from openbook.read.composing import Composer
from openbook.read.properties import document_title, properties
from openbook.read.word_styles import Numbering, Styles
from openbook.read.xml_parts import attribute, child, core_properties, local, main_part, number, xml_part
from openbook.types import Document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_HIDDEN: Final = frozenset(
    (
        "del",
        "moveFrom",
        "instrText",
        "delText",
        "pPr",
        "rPr",
        "tblPr",
        "tblGrid",
        "sdtPr",
        "Fallback",
        "fldData",
    )
)
"""Elements whose text is no text of the document: deletions, field codes, properties, second versions."""
_PIECES: Final = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": " "}
_NOTES: Final = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}


def read_word(data: bytes, path: str, media_type: str) -> Document:
    """Read a Word package that `check_package` has found harmless. Raises ReadError for damage."""
    name = main_part(data, path)
    reader = _WordReader(data, path, name.rpartition("/")[0])
    try:
        reader.add_blocks(child(xml_part(data, name, path), "body"))
    except RecursionError as error:
        raise ReadError(f"{path!r} is damaged: its parts are nested without end.") from error
    marks = reader.composer.marks()
    metadata = properties(core_properties(data, path))
    first = next((mark.label for mark in marks if mark.kind == "heading"), "")
    title = document_title(metadata, first, path)
    return Document(path, reader.composer.text, media_type, title=title, marks=marks, metadata=metadata)


@dataclass(slots=True)
class _Paragraph:
    """A paragraph's own text, and what hangs on it."""

    text: str
    notes: list[tuple[str, str]]
    boxes: list[Element]


class _WordReader:
    """Walks the blocks of a document and adds them to a composer."""

    def __init__(self, data: bytes, path: str, folder: str) -> None:
        self.composer = Composer()
        self._data, self._path, self._folder = data, path, folder
        self._styles = Styles(self._part("styles.xml"))
        self._numbering = Numbering(self._part("numbering.xml"))
        self._notes: dict[str, dict[str, str]] = {}

    def _part(self, name: str) -> Element | None:
        return xml_part(self._data, f"{self._folder}/{name}", self._path)

    def add_blocks(self, parent: Element | None) -> None:
        """Add paragraphs and tables in order, looking through whatever wraps them."""
        for element in parent if parent is not None else ():
            name = local(element)
            if name == "p":
                self._add_paragraph(element)
            elif name == "tbl":
                self._add_table(element)
            elif name not in _HIDDEN:
                self.add_blocks(element)

    def _add_paragraph(self, element: Element) -> None:
        paragraph = self._paragraph(element)
        style, level, place = self._styles.paragraph(element)
        label = self._numbering.label(*place) if place and paragraph.text.strip() else ""
        if level:
            self.composer.heading(
                f"{label} {paragraph.text}" if label not in ("", "-") else paragraph.text, level
            )
        elif place and label:
            self.composer.item(paragraph.text, marker=label, depth=min(place[1], 8))
        elif "code" in style or "html preformatted" in style:
            self.composer.code(paragraph.text)
        else:
            self.composer.paragraph(paragraph.text)
        for mark, text in paragraph.notes:
            self.composer.paragraph(f"Note {mark}: {text}")
        for box in paragraph.boxes:
            self.add_blocks(box)

    def _paragraph(self, element: Element) -> _Paragraph:
        paragraph = _Paragraph("", [], [])
        paragraph.text = "".join(self._pieces(element, paragraph))
        return paragraph

    def _pieces(self, parent: Element, paragraph: _Paragraph) -> Iterator[str]:
        """The text of a paragraph's runs; notes and boxes are put aside on the way."""
        for element in parent:
            name = local(element)
            if name == "t":
                yield element.text or ""
            elif name in _PIECES:
                yield _PIECES[name]
            elif name == "txbxContent":
                paragraph.boxes.append(element)
            elif name in _NOTES:
                text = self._note(_NOTES[name], attribute(element, "id"))
                if text:
                    paragraph.notes.append((attribute(element, "id"), text))
            elif name in ("sup", "sub") and len(element):
                # an index or exponent of a formula
                yield ("^" if name == "sup" else "_") + "".join(self._pieces(element, paragraph))
            elif name == "den":
                yield "/" + "".join(self._pieces(element, paragraph))
            elif name not in _HIDDEN:
                yield from self._pieces(element, paragraph)

    def _note(self, kind: str, name: str) -> str:
        """The words of a footnote or endnote."""
        if kind not in self._notes:
            root = self._part(f"{kind}.xml")
            self._notes[kind] = (
                {}
                if root is None
                else {attribute(note, "id"): " ".join(self._cell_text(note).split()) for note in root}
            )
        return self._notes[kind].get(name, "")

    def _add_table(self, element: Element) -> None:
        rows = [list(self._row(row)) for row in _inside(element, "tr")]
        cells = [cell for row in rows for _, _, cell in row]
        if len(cells) == 1:  # a frame around text, no table
            self.add_blocks(cells[0])
            return
        filled: list[list[str]] = []
        for row in rows:
            values: list[str] = []
            for span, continues, cell in row:
                above = filled[-1] if filled else []
                place = len(values)
                text = above[place] if continues and place < len(above) else self._cell_text(cell)
                values += [text, *[""] * (span - 1)]
            filled.append(values)
        self.composer.table(filled)

    def _row(self, row: Element) -> Iterator[tuple[int, bool, Element]]:
        """Cells as (columns, whether it goes on from the row above, element)."""
        for cell in _inside(row, "tc"):
            span = min(max(number(child(cell, "tcPr", "gridSpan")), 1), 100)
            merged = child(cell, "tcPr", "vMerge")
            yield span, merged is not None and attribute(merged, "val") != "restart", cell

    def _cell_text(self, cell: Element) -> str:
        """The paragraphs of a cell or note, nested tables included, as lines."""
        lines = []
        for element in cell.iter():
            if local(element) == "p":
                paragraph = self._paragraph(element)
                lines += [paragraph.text, *(f"Note {mark}: {text}" for mark, text in paragraph.notes)]
        return "\n".join(line for line in lines if line.strip())


def _inside(parent: Element, name: str) -> Iterator[Element]:
    """Children of this name, also inside content controls and tracked insertions."""
    for element in parent:
        if local(element) == name:
            yield element
        elif local(element) in ("sdt", "sdtContent", "ins", "customXml", "smartTag"):
            yield from _inside(element, name)
