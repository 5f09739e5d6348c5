"""What chunks look like for the kinds of documents that people have."""

from __future__ import annotations

import re
import tracemalloc

import pytest

from openbook.chunk import chunk_document
from openbook.errors import UsageError
from openbook.types import Chunk, Document, Mark, MarkKind

SENTENCE = "A sentence of exactly eight words stands here. "


def marked(text: str, *, title: str = "", media_type: str = "text/markdown") -> Document:
    """A document whose marks come from Markdown's simplest signs: headings, fences, pipe tables."""
    marks = [
        Mark("heading", match.start(), match.end(), match[2], len(match[1]))
        for match in re.finditer(r"(?m)^(#+) (.*)$", text)
    ]
    marks += [
        Mark("code", match.start(), match.end(), match[1])
        for match in re.finditer(r"(?ms)^```(\w*)\n.*?^```$", text)
    ]
    marks += [
        Mark("table", match.start(), match.end(), match.group().split("\n")[0])
        for match in re.finditer(r"(?m)(?:^\|.*\|$\n?)+", text)
    ]
    marks.sort(key=lambda mark: (mark.start, -mark.end))
    return Document("d.md", text, media_type, title, marks=tuple(marks))


def contained(*texts: str, kind: MarkKind, labels: list[str]) -> Document:
    """A document of pages, slides or sheets."""
    marks, text = [], ""
    for number, (part, label) in enumerate(zip(texts, labels, strict=True), start=1):
        marks.append(Mark(kind, len(text), len(text) + len(part), label, number))
        text += part + "\n\n"
    return Document("d", text, "application/octet-stream", "Title", marks=tuple(marks))


def texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


def test_an_empty_document_has_no_chunks() -> None:
    assert chunk_document(Document("d.txt", "", "text/plain")) == []
    assert chunk_document(Document("d.txt", " \n\t\n", "text/plain")) == []


def test_a_short_document_is_one_chunk_and_keeps_its_headings() -> None:
    text = "# Title\n\nIntro.\n\n## Part\n\nWords.\n"
    (chunk,) = chunk_document(marked(text, title="Title"))
    assert chunk.text == text.rstrip()
    assert (chunk.context, chunk.heading, chunk.place) == ("Title", "Title", "Title")


def test_long_sections_start_chunks_and_carry_their_path() -> None:
    text = "".join(f"# Chapter {n}\n\n## Part {n}\n\n{SENTENCE * 10}\n\n" for n in (1, 2))
    chunks = chunk_document(marked(text, title="Book"))
    assert [chunk.text.split("\n")[0] for chunk in chunks] == ["# Chapter 1", "# Chapter 2"]
    assert [chunk.heading for chunk in chunks] == ["Chapter 1", "Chapter 2"]
    text = f"# Chapter\n\n## Part\n\n{SENTENCE * 60}"
    chunks = chunk_document(marked(text, title="Book"))
    assert {chunk.heading for chunk in chunks[1:]} == {"Chapter > Part"}
    assert {chunk.context for chunk in chunks[1:]} == {"Book > Chapter > Part"}
    assert {chunk.place for chunk in chunks[1:]} == {"Part"}


def test_a_tiny_section_joins_its_neighbour_and_a_long_one_is_cut_evenly() -> None:
    text = f"## One\n\n{SENTENCE * 14}\n\n## Two\n\nTiny.\n\n## Three\n\n{SENTENCE * 24}"
    chunks = chunk_document(marked(text))
    tiny = [chunk for chunk in chunks if "Tiny." in chunk.text]
    assert len(tiny) == 1
    assert len(tiny[0].text) > 200
    tail = [chunk for chunk in chunks if chunk.heading == "Three"]
    assert min(len(chunk.text) for chunk in tail) > 0.6 * max(len(chunk.text) for chunk in tail)


def test_a_long_context_is_cut_from_outside() -> None:
    text = f"# {'Outer words ' * 20}\n\n## Inner heading\n\n{SENTENCE * 60}"
    chunks = chunk_document(marked(text, title="The title"))
    assert chunks[-1].context == "Inner heading"
    text = f"# {'Only words ' * 60}\n\n{SENTENCE * 60}"
    assert 20 < len(chunk_document(marked(text))[-1].context) < 300


def test_table_rows_stay_whole_and_take_their_header_along() -> None:
    rows = [f"| item {n} | {n * 11} | some words about it |" for n in range(60)]
    text = (
        "Before the table.\n\n| name | price | remark |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nAfter it.\n"
    )
    chunks = chunk_document(marked(text, title="Prices"))
    assert len(chunks) > 3
    lines = [line for chunk in chunks for line in chunk.text.split("\n") if line.startswith("| item")]
    assert lines == rows
    for chunk in chunks:
        if chunk.text.startswith("| item"):
            assert chunk.context == "Prices\n| name | price | remark |"


def test_rows_of_several_lines_are_never_torn() -> None:
    rows = [f'{n},"first line\nsecond line {n}",end\n' for n in range(80)]
    text = "id,remark,last\n" + "".join(rows)
    marks, position = [Mark("table", 0, len(text), "id,remark,last")], len("id,remark,last\n")
    for row in rows:
        marks.append(Mark("row", position, position + len(row)))
        position += len(row)
    chunks = chunk_document(Document("d.csv", text, "text/csv", "d", marks=tuple(marks)))
    assert len(chunks) > 3
    assert all(chunk.text.endswith(",end") for chunk in chunks)
    assert all(chunk.context == "d\nid,remark,last" for chunk in chunks[1:])


def test_a_row_that_no_chunk_can_hold_is_split() -> None:
    row = "| " + " | ".join(f"cell {n} with words" for n in range(300)) + " |"
    chunks = chunk_document(marked(f"| a | b |\n|---|---|\n{row}\n"))
    assert len(chunks) > 3
    assert " ".join(texts(chunks)).split() == f"| a | b | |---|---| {row}".split()


def test_code_stays_whole_with_the_line_that_announces_it() -> None:
    code = "```r\n" + "\n\n".join(f"value_{n} <- function_{n}(x)" for n in range(6)) + "\n```"
    prose = "\n".join([SENTENCE.strip()] * 10)
    text = f"{prose}\n\nLike this:\n\n{code}\n\n{prose}"
    (holding,) = (chunk for chunk in chunk_document(marked(text)) if "value_0" in chunk.text)
    assert f"Like this:\n\n{code}" in holding.text


def test_pages_sheets_and_slides_are_named() -> None:
    pages = chunk_document(contained("One.", "Two.", kind="page", labels=["iv", "5"]))
    assert [(chunk.text, chunk.page, chunk.place) for chunk in pages] == [
        ("One.", 1, "p. iv"),
        ("Two.", 2, "p. 5"),
    ]
    sheets = chunk_document(contained("a", "b", kind="sheet", labels=["Prices", ""]))
    assert [(chunk.place, chunk.context) for chunk in sheets] == [
        ("sheet 1 (Prices)", "Title > Prices"),
        ("sheet 2", "Title"),
    ]
    slides = chunk_document(contained("a", "b", kind="slide", labels=["1", "2"]))
    assert [(chunk.place, chunk.page) for chunk in slides] == [("slide 1", 1), ("slide 2", 2)]


def test_a_heading_holds_on_the_next_page_but_not_on_the_next_slide() -> None:
    def paged(kind: MarkKind) -> Document:
        text = "Results\nWords.\nMore words."
        marks = (Mark(kind, 0, 14, "1", 1), Mark("heading", 0, 7, "Results", 1), Mark(kind, 15, 26, "2", 2))
        return Document("d.pdf", text, "application/pdf", marks=marks)

    assert [chunk.place for chunk in chunk_document(paged("page"))] == ["p. 1, Results", "p. 2, Results"]
    assert [chunk.heading for chunk in chunk_document(paged("slide"))] == ["Results", ""]


def test_text_without_any_marks_is_placed_by_lines() -> None:
    chunks = chunk_document(
        Document("d.txt", "\n".join(f"line {n} has words" for n in range(1, 201)), "text/plain")
    )
    assert chunks[0].place.startswith("lines 1–")
    assert chunks[-1].place.endswith("–200")
    assert chunk_document(Document("d.txt", "\n\nonly", "text/plain"))[0].place == "line 3"


def test_front_matter_of_settings_is_left_out_and_prose_in_it_is_not() -> None:
    body = "# Heading\n\nText.\n"
    settings = "---\ntitle: A long title of many more than eight words to see\nfreeze: true\n---\n"
    title = "A long title of many more than eight words to see"
    assert texts(chunk_document(marked(settings + body, title=title))) == [body.rstrip()]
    prose = "---\nabstract: Here stands what nobody would find if it were left out\n---\n"
    assert "nobody would find" in chunk_document(marked(prose + body))[0].text
    plain = Document("d.txt", settings + body, "text/plain")
    assert chunk_document(plain)[0].text.startswith("---")


def test_code_is_cut_between_its_parts() -> None:
    functions = "\n\n".join(
        f"def function_{n}(value):\n    first = value + {n}\n\n    second = first * 2\n    return second"
        for n in range(40)
    )
    chunks = chunk_document(Document("d.py", functions, "text/x-python", "d"))
    assert len(chunks) >= 5
    starts = [chunk.text.startswith("def ") for chunk in chunks]
    assert sum(starts) >= 0.9 * len(starts)


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="max_tokens is 0"):
        chunk_document(Document("d.txt", "text", "text/plain"), max_tokens=0)


def test_one_endless_word_is_cut() -> None:
    chunks = chunk_document(Document("d.txt", "QUJD" * 5_000, "text/plain"))
    assert len(chunks) > 10
    assert "".join(texts(chunks)) == "QUJD" * 5_000


def test_memory_does_not_grow_with_one_long_section() -> None:
    """Beside the chunks themselves, only one batch of sections is in memory."""

    def peak(repeats: int) -> int:
        document = Document("d.log", (SENTENCE + "\n") * repeats, "text/plain")
        tracemalloc.start()
        chunks = chunk_document(document)
        size, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert chunks
        return most - size

    assert peak(18_000) < 2 * peak(6_000)
