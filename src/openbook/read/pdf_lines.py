"""The lines of a PDF page with their places and type sizes, as pdfium sees them.

A PDF holds glyphs at places, not text. pdfium puts them into reading order
and into lines; this module adds where each line is, how large and how bold,
and where wide gaps cut it into the cells of a table.

Refused: asking pdfium about every character (five calls each; a book of 500
pages would take half a minute). A few characters per line say the same.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_BOLD_NAME: Final = re.compile(r"(?i)bold|black|heavy|semibold|demi|[-,]bd\b|^(?:[A-Z]{6}\+)?cmb|sfbx")
_BOLD_WEIGHT: Final = 600
_CELL_GAP: Final = 1.1
"""A gap wider than this many type sizes separates cells. Spaces of justified text are under 0.7."""
_INVISIBLE: Final = re.compile(r"[\x00-\x01\x03-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of a line between wide gaps; places in points from the left."""

    left: float
    right: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page. Places are in points; `top` is larger than `bottom` (PDF counts upwards).

    `text` may hold U+0002 where pdfium joined a word that was cut by a hyphen
    at the line's end; the line then reaches down to where the word's end is.
    """

    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float
    bold: bool
    cells: tuple[Cell, ...]


def page_lines(text_page: Any, raw: Any) -> list[Line]:
    """All lines of one page in pdfium's reading order. `raw` is `pypdfium2.raw`."""
    count = raw.FPDFText_CountChars(text_page)
    if count <= 0:
        return []
    text = page_characters(text_page, raw, count)
    lines = []
    for start, end in _line_spans(text):
        line = _measure(text_page, raw, text, start, end)
        if line is not None:
            lines.append(line)
    return lines


def page_characters(text_page: Any, raw: Any, count: int) -> list[str]:
    """The page's characters, one string per index of pdfium, whose own text leaves some indexes out."""
    unicode_of = raw.FPDFText_GetUnicode
    hyphen = raw.FPDFText_IsHyphen
    characters = []
    for index in range(count):
        code = unicode_of(text_page, index)
        if code == 2 or (code in (0x2D, 0xAD) and hyphen(text_page, index) == 1):
            characters.append("\x02")
        elif code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            characters.append("")
        else:
            characters.append(_INVISIBLE.sub("", chr(code)))
    return characters


def _line_spans(characters: list[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for index, character in enumerate(characters):
        if character in ("\r", "\n"):
            if index > start:
                yield start, index
            start = index + 1
    if start < len(characters):
        yield start, len(characters)


def _measure(text_page: Any, raw: Any, characters: list[str], start: int, end: int) -> Line | None:
    inked = [index for index in range(start, end) if characters[index].strip(" \x02\xa0")]
    if not inked:
        return None
    first, last = inked[0], inked[-1]
    middle = inked[len(inked) // 2]
    left, _, first_bottom, first_top = _box(text_page, raw, first)
    _, right, last_bottom, last_top = _box(text_page, raw, last)
    text = "".join(characters[start:end])
    return Line(
        text=" ".join(text.split(" ")).strip(),
        left=left,
        right=right,
        top=max(first_top, last_top) if "\x02" not in text else first_top,
        bottom=min(first_bottom, last_bottom) if "\x02" not in text else last_bottom,
        size=round(raw.FPDFText_GetFontSize(text_page, middle) * _scale(text_page, raw, middle), 1),
        bold=all(_is_bold(text_page, raw, index) for index in {first, middle, last}),
        cells=_cells(text_page, raw, characters, start, end) if "\x02" not in text else (),
    )


def _box(text_page: Any, raw: Any, index: int) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a character's cell; the same height for all letters of a font."""
    rectangle = raw.FS_RECTF()
    if raw.FPDFText_GetLooseCharBox(text_page, index, ctypes.byref(rectangle)):
        return rectangle.left, rectangle.right, rectangle.bottom, rectangle.top
    return 0.0, 0.0, 0.0, 0.0


def _scale(text_page: Any, raw: Any, index: int) -> float:
    """How much the text's matrix enlarges the font: some programs write size 1 and scale it up."""
    matrix = raw.FS_MATRIX()
    if not raw.FPDFText_GetMatrix(text_page, index, ctypes.byref(matrix)):
        return 1.0
    scale = (matrix.c**2 + matrix.d**2) ** 0.5
    return float(scale) if scale > 0 else 1.0


def _is_bold(text_page: Any, raw: Any, index: int) -> bool:
    if raw.FPDFText_GetFontWeight(text_page, index) >= _BOLD_WEIGHT:
        return True
    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    length = raw.FPDFText_GetFontInfo(text_page, index, buffer, len(buffer), ctypes.byref(flags))
    return (
        0 < length <= len(buffer) and _BOLD_NAME.search(buffer.value.decode("utf-8", "replace")) is not None
    )


def _cells(text_page: Any, raw: Any, characters: list[str], start: int, end: int) -> tuple[Cell, ...]:
    """The stretches of a line between wide gaps; a single one for ordinary text."""
    cells: list[Cell] = []
    cell_start, cell_left, previous_right = start, None, 0.0
    index = start
    while index < end:
        if not characters[index].strip():
            index += 1
            continue
        # Only the ends of words can border on a gap.
        word_end = index
        while word_end < end and characters[word_end].strip():
            word_end += 1
        left, _, bottom, top = _box(text_page, raw, index)
        _, right, _, _ = _box(text_page, raw, word_end - 1)
        if cell_left is not None and left - previous_right > _CELL_GAP * max(top - bottom, 1.0):
            cells.append(Cell(cell_left, previous_right, "".join(characters[cell_start:index]).strip()))
            cell_start, cell_left = index, None
        cell_left = left if cell_left is None else cell_left
        previous_right = right
        index = word_end
    if cell_left is not None:
        cells.append(Cell(cell_left, previous_right, "".join(characters[cell_start:end]).strip()))
    return tuple(cells)
