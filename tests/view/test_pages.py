"""PDF pages: boxes hold exactly the cited characters, and a bad file costs nothing but its picture."""

from __future__ import annotations

import ctypes
import hashlib
import struct
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pypdfium2  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.sentences import sentences
from openbook.errors import FileChanged, LimitExceeded, ReadError, UsageError
from openbook.read import read_bytes
from openbook.serve.view.page_text import Letters, placed
from openbook.serve.view.page_worker import Box
from openbook.serve.view.pages import NARROWEST, WIDEST, Original, PageDrawer, page_mark, pages_of
from openbook.types import Document

HANDBOOK = Path(__file__).parent.parent.parent / "examples" / "documents" / "repair-handbook.pdf"
LIMITS: dict[str, Any] = {"max_bytes": 100_000_000, "seconds": 60.0, "memory": 2_000_000_000}
SENTENCE = "A wheel is true when it moves by less than half a millimetre sideways"


def original(file: Path) -> Original:
    return Original(file, hashlib.blake2b(file.read_bytes(), digest_size=16).digest())


def letters(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKC", text) if one.isalnum())


@pytest.fixture(scope="module")
def drawer() -> Iterator[PageDrawer]:
    drawer = PageDrawer(**LIMITS)
    yield drawer
    drawer.close()


@pytest.fixture(scope="module")
def handbook() -> Document:
    return read_bytes(HANDBOOK.read_bytes(), HANDBOOK.name)


class Page:
    """A page as pdfium sees it, asked in another way than the code under test does: by its points."""

    def __init__(self, pdf: Any, number: int) -> None:
        page = pdf[number - 1]
        self._text = page.get_textpage()
        self._raw = pypdfium2.raw
        self._page = page
        self.width, self.height = page.get_size()
        self.centres = list(self._centres())

    def _centres(self) -> Iterator[tuple[str, float, float]]:
        """Each letter with where on the drawn page its middle is, as fractions."""
        for index in range(self._raw.FPDFText_CountChars(self._text)):
            edges = [ctypes.c_double() for _ in range(4)]
            self._raw.FPDFText_GetCharBox(self._text, index, *map(ctypes.byref, edges))
            left, right, bottom, top = (edge.value for edge in edges)
            column, row = ctypes.c_int(), ctypes.c_int()
            middle = (left + right) / 2, (bottom + top) / 2
            self._raw.FPDF_PageToDevice(
                self._page, 0, 0, 10**6, 10**6, 0, *middle, ctypes.byref(column), ctypes.byref(row)
            )
            letter = letters(chr(self._raw.FPDFText_GetUnicode(self._text, index)))
            if letter:
                yield letter, column.value / 10**6, row.value / 10**6

    def inside(self, boxes: tuple[Box, ...]) -> str:
        """The letters whose middles are in the boxes, in pdfium's order."""
        return "".join(
            letter
            for letter, x, y in self.centres
            if any(box.left <= x <= box.right and box.top <= y <= box.bottom for box in boxes)
        )

    def bounded(self, boxes: tuple[Box, ...]) -> str:
        """The letters that pdfium's own search in rectangles finds, on a page that is not turned."""
        return letters(
            "".join(
                self._text.get_text_bounded(
                    box.left * self.width,
                    (1 - box.bottom) * self.height,
                    box.right * self.width,
                    (1 - box.top) * self.height,
                )
                for box in boxes
            )
        )


def shares(drawer: PageDrawer, file: Path, document: Document, *, step: int = 1) -> tuple[int, int, int]:
    """How many sentences there are (parts on one page count), are in their boxes, and are alone in them."""
    pdf = pypdfium2.PdfDocument(file.read_bytes())
    seen = original(file)
    pages: dict[int, Page] = {}
    total = contained = alone = 0
    for sentence in sentences(document.text)[::step]:
        for number in pages_of(document, sentence.start, sentence.end):
            mark = page_mark(document, number)
            assert mark is not None
            part = document.text[max(sentence.start, mark.start) : min(sentence.end, mark.end)]
            if not letters(part):
                continue
            if number not in pages:
                pages[number] = Page(pdf, number)
            page = pages[number]
            boxes = drawer.boxes(seen, document, number, start=sentence.start, end=sentence.end)
            found = iter(page.bounded(boxes))
            total += 1
            contained += all(letter in found for letter in letters(part))
            alone += page.inside(boxes) == letters(part)
    return total, contained, alone


def test_every_sentence_of_the_handbook_is_alone_in_its_boxes(drawer: PageDrawer, handbook: Document) -> None:
    total, contained, alone = shares(drawer, HANDBOOK, handbook)
    assert total > 90
    assert (contained, alone) == (total, total)


def test_sentences_of_a_paper_with_formulas_are_in_their_boxes(drawer: PageDrawer, data: Path) -> None:
    file = data / "formats" / "specrel.pdf"
    if not file.is_file():
        pytest.skip(f"the evaluation data has no {file}")
    total, contained, alone = shares(drawer, file, read_bytes(file.read_bytes(), file.name), step=7)
    assert total > 90
    assert contained >= 0.98 * total
    assert alone >= 0.9 * total  # in formulas that are set in two lines, the lines overlap


def test_a_box_for_each_line(drawer: PageDrawer, handbook: Document) -> None:
    start = handbook.text.index(SENTENCE)
    boxes = drawer.boxes(original(HANDBOOK), handbook, 2, start=start, end=start + 110)
    assert len(boxes) == 2
    assert all(0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1 for box in boxes)
    assert boxes[0].bottom <= boxes[1].bottom
    assert boxes[0].width > 0.5 > boxes[1].width


def test_a_range_over_two_pages_has_boxes_on_both(drawer: PageDrawer, handbook: Document) -> None:
    mark = page_mark(handbook, 2)
    assert mark is not None
    start, end = mark.start - 40, mark.start + 40
    assert pages_of(handbook, start, end) == (1, 2)
    for number in (1, 2):
        assert drawer.boxes(original(HANDBOOK), handbook, number, start=start, end=end)
    assert drawer.boxes(original(HANDBOOK), handbook, 3, start=start, end=end) == ()
    assert drawer.boxes(original(HANDBOOK), handbook, 99, start=start, end=end) == ()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_boxes_follow_a_page_that_is_turned_and_cropped(
    drawer: PageDrawer, handbook: Document, tmp_path: Path, turn: int
) -> None:
    pdf = pypdfium2.PdfDocument(HANDBOOK.read_bytes())
    for page in pdf:
        page.set_rotation(turn)
        page.set_cropbox(30, 40, 560, 830)
    file = tmp_path / "turned.pdf"
    pdf.save(file)
    document = read_bytes(file.read_bytes(), file.name)
    start = document.text.index(SENTENCE)
    boxes = drawer.boxes(original(file), document, 2, start=start, end=start + len(SENTENCE))
    assert Page(pypdfium2.PdfDocument(file), 2).inside(boxes) == letters(SENTENCE)
    assert (boxes[0].height > boxes[0].width) == (turn != 180)


def test_an_image_is_a_png_as_wide_as_asked_for_with_ink_where_the_boxes_are(
    drawer: PageDrawer, handbook: Document
) -> None:
    width = 600
    image = drawer.image(original(HANDBOOK), 2, width)
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    columns, rows = struct.unpack(">II", image[16:24])
    assert columns == width
    assert rows == pytest.approx(width * 842 / 595, abs=2)
    size = struct.unpack(">I", image[33:37])[0]
    pixels = zlib.decompress(image[41 : 41 + size])
    start = handbook.text.index(SENTENCE)
    [box, *_] = drawer.boxes(original(HANDBOOK), handbook, 2, start=start, end=start + len(SENTENCE))
    stride = 1 + 3 * columns

    def dark(top: float, bottom: float) -> int:
        left, right = int(box.left * columns), int(box.right * columns)
        return sum(
            pixels[row * stride + 1 + 3 * column] < 128
            for row in range(int(top * rows), int(bottom * rows) + 1)
            for column in range(left, right)
        )

    assert dark(box.top, box.bottom) > 200
    assert dark(0.001, 0.02) == 0  # the page's margin


def test_an_image_is_kept_and_drawn_anew_after_its_file_has_changed_and_changed_back(
    drawer: PageDrawer, tmp_path: Path
) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(HANDBOOK.read_bytes())
    seen = original(file)
    image = drawer.image(seen, 1, 200)
    assert drawer.image(seen, 1, 200) is image
    file.write_bytes(HANDBOOK.read_bytes() + b"\n% more")
    with pytest.raises(FileChanged, match="has changed since it was indexed"):
        drawer.image(seen, 1, 200)
    with pytest.raises(FileChanged):
        drawer.sizes(seen)
    file.write_bytes(HANDBOOK.read_bytes())
    assert drawer.image(seen, 1, 200) == image
    file.unlink()
    with pytest.raises(ReadError, match=r"'a.pdf' cannot be read"):
        drawer.image(seen, 1, 200)


def test_what_is_kept_is_weighed_and_holds_no_text_of_pages(handbook: Document) -> None:
    drawer = PageDrawer(max_bytes=10_000_000, seconds=60.0, memory=1_000_000_000)
    try:
        sizes = drawer.sizes(original(HANDBOOK))
        mark = page_mark(handbook, 1)
        assert mark is not None
        boxes = drawer.boxes(original(HANDBOOK), handbook, 1, start=mark.start, end=mark.end)
    finally:
        drawer.close()
    kept = drawer._values
    assert kept._weight == 20 + len(sizes) + len(boxes)
    assert len(kept._values) == 2
    assert all(len(repr(key)) < 500 < len(handbook.text) for key in kept._values)


def test_pages_and_widths_that_cannot_be_are_refused(drawer: PageDrawer) -> None:
    for number in (0, 5, -1):
        with pytest.raises(UsageError, match="no page"):
            drawer.image(original(HANDBOOK), number, 200)
    for width in (NARROWEST - 1, WIDEST + 1):
        with pytest.raises(UsageError, match="pixels wide"):
            drawer.image(original(HANDBOOK), 1, width)


def test_a_page_that_is_extremely_high_is_drawn_within_bounds(drawer: PageDrawer, tmp_path: Path) -> None:
    pdf = pypdfium2.PdfDocument.new()
    pdf.new_page(10, 14_000)
    file = tmp_path / "tower.pdf"
    pdf.save(file)
    columns, rows = struct.unpack(">II", drawer.image(original(file), 1, 2_000)[16:24])
    assert columns * rows < 13_000_000


def test_what_is_no_pdf_cannot_be_drawn_and_the_next_file_can(drawer: PageDrawer, tmp_path: Path) -> None:
    for content in (b"", b"%PDF-1.7\nbroken", HANDBOOK.read_bytes()[:3000]):
        file = tmp_path / "broken.pdf"
        file.write_bytes(content)
        with pytest.raises(ReadError, match="cannot be drawn"):
            drawer.image(original(file), 1, 100)
    assert drawer.image(original(HANDBOOK), 1, 100)


def test_a_file_that_is_too_large_is_not_drawn() -> None:
    drawer = PageDrawer(**{**LIMITS, "max_bytes": 1_000})
    try:
        with pytest.raises(LimitExceeded, match="Its text is still here"):
            drawer.image(original(HANDBOOK), 1, 200)
    finally:
        drawer.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits the memory of a process")
def test_drawing_that_takes_too_much_memory_is_given_up() -> None:
    drawer = PageDrawer(**{**LIMITS, "memory": 20_000_000})
    try:
        for _ in range(2):
            with pytest.raises(LimitExceeded, match="Its text is still here"):
                drawer.image(original(HANDBOOK), 1, 200)
    finally:
        drawer.close()


def test_pages_are_drawn_for_several_threads_at_once(drawer: PageDrawer) -> None:
    seen = original(HANDBOOK)
    with ThreadPoolExecutor(6) as threads:
        images = list(
            threads.map(lambda index: drawer.image(seen, index % 4 + 1, 100 + index % 3), range(24))
        )
    assert len(set(images)) == 12


# Finding characters, without a PDF


@given(st.text(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_a_page_that_is_its_text_has_every_stretch_at_its_place(text: str, start: int, length: int) -> None:
    end = min(start + length, len(text))
    places = placed(list(text), text, start, end)
    inside = [place for place in range(start, end) if letters(text[place])]
    if places:
        assert places == sorted(set(places))
        assert set(inside) <= set(places)
        assert all(start <= place < end for place in places)


PAGE = "A HEADER 7\nThe co\x02\nordinates are fine. The end.\nThe end. Last – word"
TEXT = "The coordinates are fine. The end.\n\nThe end. Last – word"


@pytest.mark.parametrize(
    ("words", "occurrence", "found"),
    [
        ("The coordinates are fine.", 0, "The co\x02ordinates are fine."),
        ("The end.", 0, "The end."),
        ("The end.", 1, "The end."),
        ("Last – word", 0, "Last – word"),
        ("fine", 0, "fine"),
    ],
)
def test_words_are_found_over_line_ends_and_at_the_right_one_of_two_places(
    words: str, occurrence: int, found: str
) -> None:
    start = TEXT.index(words) if not occurrence else TEXT.rindex(words)
    places = placed(list(PAGE), TEXT, start, start + len(words))
    assert "".join(PAGE[place] for place in places).replace(" ", "") == found.replace(" ", "")
    if words == "The end.":
        assert (places[0] > PAGE.index("The end.")) == bool(occurrence)


def test_what_is_not_on_the_page_is_not_found() -> None:
    assert placed(list("something else"), TEXT, 0, 20) == []
    assert placed([], TEXT, 0, 20) == []
    assert placed(list(PAGE), TEXT, 5, 5) == []
    assert placed(list("– – –"), "– –", 0, 3) == []


def test_a_stretch_with_something_in_between_is_pieced_together() -> None:
    page = "The first half of a long sentence FOOTNOTE 3 and the second half of it."
    text = "The first half of a long sentence and the second half of it."
    places = placed(list(page), text, 0, len(text))
    assert letters("".join(page[place] for place in places)) == letters(text)


def test_a_ligature_is_as_many_letters_as_it_shows() -> None:
    assert Letters.of("e\ufb03cient").text == "efficient"
    page = "an e\ufb03cient way"
    places = placed(list(page), "an efficient way", 3, 12)
    assert "".join(page[place] for place in places) == "e\ufb03cient"
