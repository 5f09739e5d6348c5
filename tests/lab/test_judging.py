"""Places that answer: files, pages, sections, and quotes that may stand anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openbook import Document, Library, Settings
from openbook.lab.evaluate import evaluate_questions
from openbook.lab.labelled_sets import Gold, Question
from openbook.types import Mark

PAGES = "Oil the chain every month.\n\nThe brake wants a new pad.\n\nCharge the lamp overnight."


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    pages = [(0, 26), (28, 54), (56, len(PAGES))]
    marks = tuple(Mark("page", start, end, str(n + 7), n + 1) for n, (start, end) in enumerate(pages))
    handbook = (
        "# Bicycle\n\nAll about it.\n\n## Chain\n\nOil it every month.\n\n### Tools\n\nA rag and oil.\n\n"
        "## Lamp  care\n\nCharge it overnight.\n"
    )
    headings = tuple(
        Mark("heading", handbook.index(line), handbook.index(line) + len(line), line.lstrip("# "), level)
        for line, level in (("# Bicycle", 1), ("## Chain", 2), ("### Tools", 3), ("## Lamp  care", 2))
    )
    with Library(tmp_path / "library", settings=Settings(embedder="hash:384")) as opened:
        opened.add_documents(
            [
                Document("manual.pdf", PAGES, "application/pdf", language="en", marks=marks),
                Document("docs/handbook.md", handbook, "text/markdown", language="en", marks=headings),
            ],
            source="test",
        )
        yield opened


def found(library: Library, text: str, *golds: Gold) -> float | None:
    evaluation = evaluate_questions(library, [Question("q", "answerable", text, (golds,))])
    return evaluation.measures["recall@100"]


def test_a_document(library: Library) -> None:
    assert found(library, "charge the lamp", Gold("manual.pdf")) == 1.0
    assert found(library, "charge the lamp", Gold("handbook.md")) == 1.0
    assert found(library, "charge the lamp", Gold("book.md")) == 0.0


def test_a_page_is_counted_from_1_whatever_is_printed_on_it(library: Library) -> None:
    assert found(library, "charge the lamp", Gold("manual.pdf", page=3)) == 1.0
    assert found(library, "charge the lamp", Gold("manual.pdf", page=9)) == 0.0


def test_a_section_ends_at_the_next_heading_of_its_level(library: Library) -> None:
    assert found(library, "a rag and oil", Gold("handbook.md", heading="chain")) == 1.0
    assert found(library, "charge it overnight", Gold("handbook.md", heading="Lamp care")) == 1.0
    assert found(library, "charge it overnight", Gold("handbook.md", heading="Wheels")) == 0.0


def test_a_quote_without_a_document_may_stand_in_any(library: Library) -> None:
    assert found(library, "brake", Gold("", "The brake wants  a\nnew pad.")) == 1.0
    assert found(library, "brake", Gold("", "The brake wants an old pad.")) == 0.0


@pytest.mark.parametrize(
    ("gold", "note"),
    [
        (Gold("book.md"), "There is no document 'book.md'."),
        (
            Gold("book.md", "words"),
            "There is no document 'book.md', so that nothing holds the gold quote 'words'.",
        ),
        (Gold("manual.pdf", page=9), "manual.pdf has no page 9."),
        (Gold("handbook.md", heading="Wheels"), "handbook.md has no heading 'Wheels'."),
        (Gold("handbook.md", "wheels"), "handbook.md does not hold the gold quote 'wheels'."),
        (Gold("", "wheels"), "No document holds the gold quote 'wheels'."),
    ],
)
def test_a_place_that_is_not_there_is_told(library: Library, gold: Gold, note: str) -> None:
    questions = [Question("q", "answerable", "charge the lamp", ((gold,),))]
    assert evaluate_questions(library, questions).notes == (note,)
