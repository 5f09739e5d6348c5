"""What the process that draws PDF pages does: sizes, images and boxes, one request at a time.

It runs as a reader of `openbook.read.pool`, which hands it the file's bytes
and a request as text and takes back any value: so drawing has the limits of
reading (bytes, seconds, memory), and a file that makes pdfium crash or hang
costs one process and no more.

Refused: Pillow for the one PNG that is needed, and drawing on the server's
own threads, of which pdfium allows one at a time and which it could take down.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from openbook.errors import ReadError, UsageError
from openbook.read.pdf_lines import page_characters
from openbook.serve.view.page_text import placed

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage  # type: ignore[import-untyped]

MOST_PIXELS: Final = 12_000_000
"""A page that would have more is drawn smaller: some are hundreds of times as high as wide."""
_GRID: Final = 1_000_000
"""Steps across a page in which pdfium tells where on the drawn page a point is."""
_TOO_HIGH: Final = 1.3
"""Times the usual height of a stretch's characters."""
_SIDEWAYS: Final = 0.5
"""Radians; text turned by more is not in lines from left to right."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page as drawn, in fractions (0 to 1) of its width and height from the top left."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends, from the left."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Where it ends, from the top."""
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class PageSize:
    """A page as drawn (turned and cropped), in points. `label` is the number printed on it."""

    number: int
    width: float
    height: float
    label: str = ""


def answer(data: bytes, request: str) -> Any:
    """Answer a request: a JSON object with "want" and what that takes.

    want    takes                     gives
    sizes                             tuple[PageSize, ...]
    image   page, width               bytes of a PNG
    boxes   page, text, start, end    tuple[Box, ...]

    "hash" is what the file's BLAKE2b-16 must be, in hexadecimal. Raises
    ReadError if it is another, or if pdfium cannot read the file; UsageError
    for a page that is not there.
    """
    import pypdfium2

    terms = json.loads(request)
    if hashlib.blake2b(data, digest_size=16).hexdigest() != terms["hash"]:
        raise ReadError("The file has changed since it was indexed.")
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise ReadError(f"The file cannot be shown as PDF ({error}).") from error
    try:
        if terms["want"] == "sizes":
            return tuple(_sizes(pdf))
        page = _page(pdf, terms["page"])
        if terms["want"] == "image":
            return _image(page, terms["width"])
        return tuple(_boxes(page, terms["text"], terms["start"], terms["end"]))
    except pypdfium2.PdfiumError as error:
        raise ReadError(f"A page of the file cannot be shown ({error}).") from error
    finally:
        pdf.close()


def _page(pdf: PdfDocument, number: int) -> PdfPage:
    if not 1 <= number <= len(pdf):
        raise UsageError(f"There is no page {number!r}; the document has pages 1 to {len(pdf)}.")
    return pdf[number - 1]


def _sizes(pdf: PdfDocument) -> Iterator[PageSize]:
    for index in range(len(pdf)):
        width, height = pdf.get_page_size(index)
        yield PageSize(
            index + 1, round(width, 2), round(height, 2), pdf.get_page_label(index) or str(index + 1)
        )


# Images


def _image(page: PdfPage, width: int) -> bytes:
    """The page drawn `width` pixels wide, as PNG."""
    points_wide, points_high = page.get_size()
    scale = width / max(points_wide, 0.01)
    if scale * points_wide * scale * points_high > MOST_PIXELS:
        scale = (MOST_PIXELS / (points_wide * points_high)) ** 0.5
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False, maybe_alpha=False)
    content, length = memoryview(bitmap.buffer).cast("B"), 3 * bitmap.width
    starts = range(0, bitmap.height * bitmap.stride, bitmap.stride)
    return _png(bitmap.width, [content[start : start + length] for start in starts])


def _png(width: int, rows: Sequence[memoryview]) -> bytes:
    """A PNG of rows of 8-bit red, green, blue (ISO/IEC 15948): signature, header, unfiltered rows, end."""

    def part(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    packer = zlib.compressobj(6)
    packed = [packer.compress(piece) for row in rows for piece in (b"\0", row)]
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            part(b"IHDR", header),
            part(b"IDAT", b"".join([*packed, packer.flush()])),
            part(b"IEND", b""),
        )
    )


# Boxes


def _boxes(page: PdfPage, text: str, start: int, end: int) -> Iterator[Box]:
    """Where text[start:end] of the page's text is, a box for each line; none if that is not certain."""
    import pypdfium2

    raw = pypdfium2.raw
    text_page = page.get_textpage()
    count = raw.FPDFText_CountChars(text_page)
    if count <= 0:
        return
    places = placed(page_characters(text_page.raw, raw, count), text, start, end)
    for rectangle in _lines([_character(text_page, raw, place) for place in places]):
        yield _as_drawn(page, raw, rectangle)


@dataclass(frozen=True, slots=True)
class _Rectangle:
    """Places in points of the page; `top` is larger than `bottom`. `turned`: not written left to right."""

    left: float
    bottom: float
    right: float
    top: float
    turned: bool = False

    def joined(self, other: _Rectangle) -> _Rectangle:
        return _Rectangle(
            min(self.left, other.left),
            min(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
            self.turned,
        )


def _character(text_page: Any, raw: Any, index: int) -> tuple[_Rectangle, _Rectangle]:
    """The cell of a character, as high as its font whatever the letter, and what its ink covers."""
    loose = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(text_page, index, ctypes.byref(loose))
    ink = [ctypes.c_double() for _ in range(4)]
    raw.FPDFText_GetCharBox(text_page, index, *map(ctypes.byref, ink))
    angle = raw.FPDFText_GetCharAngle(text_page, index) % math.pi
    turned = _SIDEWAYS < angle < math.pi - _SIDEWAYS
    left, right, bottom, top = (one.value for one in ink)
    return (
        _upright(loose.left, loose.right, loose.bottom, loose.top, turned=turned),
        _upright(left, right, bottom, top, turned=turned),
    )


def _upright(left: float, right: float, bottom: float, top: float, *, turned: bool) -> _Rectangle:
    return _Rectangle(min(left, right), min(bottom, top), max(left, right), max(bottom, top), turned)


def _lines(characters: Sequence[tuple[_Rectangle, _Rectangle]]) -> list[_Rectangle]:
    """The characters joined line by line.

    Fonts of symbols have cells twice as high as a line; of such a character the ink counts.
    """
    usual = median(cell.top - cell.bottom for cell, _ in characters) if characters else 0.0
    lines: list[_Rectangle] = []
    before: _Rectangle | None = None
    for cell, ink in characters:
        one = cell if cell.turned or cell.top - cell.bottom <= _TOO_HIGH * usual else ink
        if one.right <= one.left or one.top <= one.bottom:
            continue
        if before is not None and _same_line(before, one):
            lines[-1] = lines[-1].joined(one)
        else:
            lines.append(one)
        before = one
    return lines


def _same_line(before: _Rectangle, one: _Rectangle) -> bool:
    """Whether a character goes on in the line of the one before it."""
    if before.turned != one.turned:
        return False
    if one.turned:
        overlap = min(before.right, one.right) - max(before.left, one.left)
        return overlap > 0.4 * min(before.right - before.left, one.right - one.left)
    height = min(before.top - before.bottom, one.top - one.bottom)
    overlap = min(before.top, one.top) - max(before.bottom, one.bottom)
    return overlap > 0.4 * height and one.left > before.left - 4 * height


def _as_drawn(page: PdfPage, raw: Any, rectangle: _Rectangle) -> Box:
    """A rectangle of the page's own coordinates on the page as drawn: turned, cropped, from the top left."""
    across, down = [], []
    for x, y in ((rectangle.left, rectangle.bottom), (rectangle.right, rectangle.top)):
        column, row = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, _GRID, _GRID, 0, x, y, ctypes.byref(column), ctypes.byref(row))
        across.append(min(max(column.value / _GRID, 0.0), 1.0))
        down.append(min(max(row.value / _GRID, 0.0), 1.0))
    left, right = sorted(across)
    top, bottom = sorted(down)
    return Box(round(left, 6), round(top, 6), round(right - left, 6), round(bottom - top, 6))
