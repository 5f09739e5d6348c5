"""PDF: reading order, paragraphs, headings, tables, pages, and what is left out."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from openbook.read.office import OfficeReader
from openbook.read.pdf_layout import make_whole
from openbook.types import Document
from scripts.office_writers import Block, write_pdf

WORDS = (
    "A wheel is a balance of tensions, and every spoke pulls the rim towards itself with a force of its own. "
)


def _read(blocks: list[Block], running: str = "") -> Document:
    return OfficeReader().read(write_pdf(blocks, title="", running=running), "manual.pdf")


def test_a_paragraph_is_one_line_of_text_and_a_page_one_mark() -> None:
    paragraph = (WORDS * 4).strip()
    document = _read([("p", paragraph), ("p", "Second. " + paragraph), ("page", ""), ("p", "On page two.")])
    assert document.text == f"{paragraph}\n\nSecond. {paragraph}\n\nOn page two."
    pages = [mark for mark in document.marks if mark.kind == "page"]
    assert [(mark.label, mark.level) for mark in pages] == [("1", 1), ("2", 2)]
    assert document.text[pages[1].start : pages[1].end] == "On page two."


def test_headings_have_the_levels_of_their_type_sizes() -> None:
    document = _read(
        [
            ("h1", "Manual"),
            ("p", WORDS),
            ("h2", "Wheels"),
            ("p", WORDS),
            ("h3", "Truing"),
            ("p", WORDS),
            ("h2", "End"),
        ]
    )
    headings = [(mark.label, mark.level) for mark in document.marks if mark.kind == "heading"]
    assert headings == [("Manual", 1), ("Wheels", 2), ("Truing", 3), ("End", 2)]
    assert document.title == "Manual"


def test_running_heads_and_page_numbers_are_left_out() -> None:
    blocks: list[Block] = []
    for number in range(1, 6):
        blocks += [("page", ""), ("h1", f"Chapter {number}"), ("p", WORDS * 3)]
    document = _read(blocks, running="The manual, edition 4")
    assert "edition 4" not in document.text
    assert not re.search(r"^\d+$", document.text, re.MULTILINE)
    assert document.text.count("Chapter ") == 5


def test_a_head_that_is_on_two_pages_only_stays() -> None:
    document = _read([("page", ""), ("p", WORDS), ("page", ""), ("p", WORDS)], running="Two pages")
    assert document.text.count("Two pages") == 2


def test_a_table_becomes_a_markdown_table_with_a_mark() -> None:
    rows = [
        ["Screw", "Torque", "Remark"],
        ["Stem", "5 Nm", "crosswise"],
        ["Pedals", "35 Nm", ""],
        ["Crank", "40 Nm", "dry"],
    ]
    document = _read([("p", WORDS), ("table", rows), ("p", WORDS)])
    (table,) = [mark for mark in document.marks if mark.kind == "table"]
    assert table.label == "| Screw | Torque | Remark |"
    assert document.text[table.start : table.end].split("\n")[2:] == [
        "| Stem | 5 Nm | crosswise |",
        "| Pedals | 35 Nm |  |",
        "| Crank | 40 Nm | dry |",
    ]


def test_items_of_a_list_stay_apart() -> None:
    document = _read([("p", "Points:"), ("li", "first point"), ("li", "second point"), ("p", "After.")])
    assert document.text == "Points:\n\n- first point\n- second point\n\nAfter."


@pytest.mark.parametrize(
    ("cut", "elsewhere", "whole"),
    [
        ("neigh\x02bourhood", "", "neighbourhood"),
        ("co\x02ordinates", "co-ordinates co-ordinates", "co-ordinates"),
        ("co\x02ordinates", "coordinates", "coordinates"),
        ("Maxwell\x02Hertz", "", "Maxwell-Hertz"),
        ("1914\x02 1918", "", "1914-1918"),
        ("a \x02 b", "", "a - b"),
    ],
)
def test_words_cut_at_the_end_of_a_line(cut: str, elsewhere: str, whole: str) -> None:
    assert make_whole(cut, Counter(elsewhere.split())) == whole


def test_a_real_paper_with_formulas(formats: Path) -> None:
    document = OfficeReader().read((formats / "specrel.pdf").read_bytes(), "papers/specrel.pdf")
    text = document.text
    assert document.title == "ON THE ELECTRODYNAMICS OF MOVING BODIES"
    assert [mark.level for mark in document.marks if mark.kind == "page"] == list(range(1, 24))
    assert "in the neighbourhood of the magnet an electric field with a certain definite energy" in text
    assert "These two principles we define as follows:—" in text
    assert "the customary view draws a sharp distinction between the two cases in which" in text
    assert "the two clocks synchronize" in text
    headings = {mark.label: mark.level for mark in document.marks if mark.kind == "heading"}
    assert headings["I. KINEMATICAL PART"] < headings["§ 1. Definition of Simultaneity"]
    sections = [int(label.split()[1].strip(".")) for label in headings if label.startswith("§")]
    assert sections == list(range(1, 11))
    assert not re.search(r"^\d+$\n*\Z", text, re.MULTILINE)
    assert "\x02" not in text
    assert "\r" not in text
