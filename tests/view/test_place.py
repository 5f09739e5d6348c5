"""Where a range is, in words."""

from __future__ import annotations

from pathlib import Path

from openbook.read import read_bytes
from openbook.serve.view.place import Place, place_of
from openbook.types import Document, Mark

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "documents"


def place(name: str, words: str) -> Place:
    document = read_bytes((EXAMPLES / name).read_bytes(), name)
    start = document.text.index(words)
    return place_of(document, start, start + len(words))


def test_pages_sheets_and_cells_are_named_with_the_heading_above() -> None:
    found = place("repair-handbook.pdf", "A wheel is true when")
    assert found == Place("page", (2,), "Page 2", "Wheels > Truing", "Page 2, Truing")
    assert place("prices-and-stock.xlsx", "warranty three months").words == "Sheet Services, Services"
    assert place("visitors-2023.ipynb", '"Wednesday": 231').label == "Cell 2, code"
    assert place("welcome.md", "quiet session").words == "Welcome to Spoke & Chain > Opening hours"


def test_a_range_over_two_pages_has_both() -> None:
    marks = (Mark("page", 0, 10, "i", 1), Mark("page", 12, 20, "ii", 2))
    document = Document("a.pdf", "x" * 20, "application/pdf", marks=marks)
    assert place_of(document, 5, 15) == Place("page", (1, 2), "Page i to ii", "", "Page i to ii")
    assert place_of(document, 10, 12) == Place("", (), "", "", "")
