"""The demo corpus: made files are up to date, small, and read as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbook.read.office import OfficeReader
from openbook.types import Document
from scripts.make_examples import EXAMPLES, made_documents

DOCUMENTS = EXAMPLES / "documents"


def _read(name: str) -> Document:
    return OfficeReader().read((DOCUMENTS / name).read_bytes(), name)


@pytest.mark.parametrize(("name", "content"), made_documents().items())
def test_committed_files_are_what_the_script_makes(name: str, content: bytes) -> None:
    read = OfficeReader().read
    made, committed = read(content, name), read((DOCUMENTS / name).read_bytes(), name)
    assert made == committed, f"{name} is out of date: run python -m scripts.make_examples"


def test_the_corpus_is_small() -> None:
    assert sum(file.stat().st_size for file in DOCUMENTS.iterdir()) < 300_000


def test_the_handbook_has_pages_headings_and_tables() -> None:
    document = _read("repair-handbook.pdf")
    pages = [mark for mark in document.marks if mark.kind == "page"]
    assert len(pages) == 4
    fact = document.text.index("A rebuilt wheel has a warranty of twelve months")
    assert [mark.level for mark in pages if mark.start <= fact < mark.end] == [2]
    before = [mark.label for mark in document.marks if mark.kind == "heading" and mark.start < fact]
    assert before[-1] == "Warranty on wheels"
    assert "fourth edition\n" not in document.text
    assert [mark.label for mark in document.marks if mark.kind == "table"] == [
        "| Wheel | Drive or disc side | Other side |",
        "| Screw | Torque | Remark |",
        "| Width of the tyre | Front | Rear |",
    ]


def test_the_price_list_has_its_sheets() -> None:
    document = _read("prices-and-stock.xlsx")
    sheets = [(mark.label, mark.level) for mark in document.marks if mark.kind == "sheet"]
    assert sheets == [("Services", 1), ("Parts", 2), ("Closed days 2024", 3)]
    assert "| P-104 | Puncture kit | 3.5 | 55 | 25 | A2 |" in document.text


def test_the_minutes_have_their_items_and_actions() -> None:
    document = _read("board-minutes-2024-03-14.docx")
    headings = [mark.label for mark in document.marks if mark.kind == "heading"]
    assert headings[1:3] == ["1. Minutes of the last meeting", "2. Treasurer"]
    assert "| Tomasz Wilk | buy the ultrasonic cleaner | 15 April |" in document.text
    assert document.metadata["author"] == "Jonas Weil"


def test_real_excel_files(formats: Path) -> None:
    penguins = OfficeReader().read((formats / "penguins.xlsx").read_bytes(), "penguins.xlsx")
    sheets = [(mark.label, mark.level) for mark in penguins.marks if mark.kind == "sheet"]
    assert sheets == [("Torgersen Island", 1), ("Biscoe Island", 2), ("Dream Island", 3)]
    assert "| Adelie | Torgersen | 39.1 | 18.7 | 181 | 3750 | male | 2007 |" in penguins.text
    students = OfficeReader().read((formats / "students.xlsx").read_bytes(), "students.xlsx")
    assert "| 6 | Güvenç Attila | Ice cream | Lunch only | 6 |" in students.text
