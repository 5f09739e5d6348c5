"""The exact text: every character once and in order, and highlights on exactly their characters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.read import read_bytes
from openbook.serve.view.highlight import Highlight
from openbook.serve.view.text import text_view, window_around, window_at
from openbook.types import Document, Mark, MarkKind
from tests.view.browsing import Seen

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "documents"
KINDS: tuple[MarkKind, ...] = ("heading", "page", "slide", "sheet", "cell", "table", "row", "code")
LABELS = ("", "x", '"><img src=x>', "| a | b |")
PIECES = (
    "word ", "one two three four five six seven eight nine ten eleven twelve", "\n", "\n\n", "| a | b |\n",
    "| --- | --- |\n", "- item\n", "> quote\n", "# head\n", "```\n", "a,b,c\n", '"q\n""r"",",x\n', "\t",
    "<script>alert(1)</script>", "&amp;", "\r", "\x0b", "é", "𝔘", "\\|", "  ", "====\n", "*",
    "`", "](x)", "\x00",
)  # fmt: skip


def expected(text: str) -> str:
    return text.replace("\0", "\ufffd")


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = "".join(draw(st.lists(st.sampled_from(PIECES), max_size=40)))
    places = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(st.sampled_from(KINDS), places, places, st.integers(0, 9)), max_size=8))
    marks = [
        Mark(kind, min(a, b), max(a, b), draw(st.sampled_from(LABELS)), level)
        for kind, a, b, level in spans
        if a != b
    ]
    media = draw(st.sampled_from(["text/plain", "text/markdown", "text/csv", "application/pdf"]))
    return Document(
        "a.txt", text, media, marks=tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end)))
    )


@st.composite
def marked_documents(draw: st.DrawFn) -> tuple[Document, list[Highlight]]:
    document = draw(documents())
    places = st.integers(-2, len(document.text) + 2)
    spans = draw(st.lists(st.tuples(places, places), max_size=5))
    return document, [Highlight(a, b, number) for number, (a, b) in enumerate(spans, 1)]


@given(marked_documents())
def test_every_character_is_there_once_and_exactly_the_highlighted_ones_are_marked(
    drawn: tuple[Document, list[Highlight]],
) -> None:
    document, highlights = drawn
    seen = Seen(text_view(document, highlights))
    assert seen.text == expected(document.text)
    wanted = {
        one.number: list(range(max(one.start, 0), min(one.end, len(document.text)))) for one in highlights
    }
    assert seen.marked == {number: places for number, places in wanted.items() if places}
    assert sorted(seen.ids) == sorted(f"cite-{number}" for number in seen.marked)


@given(documents(), st.integers(0, 300), st.integers(0, 300))
def test_a_part_shows_exactly_its_characters(document: Document, start: int, length: int) -> None:
    seen = Seen(text_view(document, [Highlight(0, 10_000, 7)], start=start, end=start + length))
    part = expected(document.text)[start : start + length]
    assert seen.text == part
    assert len(seen.marked.get(7, [])) == len(part)


@given(documents(), st.integers(1, 60))
def test_windows_one_after_the_other_are_the_whole_text(document: Document, size: int) -> None:
    window = window_at(document, 0, size=size)
    text = Seen(text_view(document, [], start=window.start, end=window.end)).text
    while window.after is not None:
        following = window_at(document, window.after, size=size)
        assert following.start == window.end < following.end
        text += Seen(text_view(document, [], start=following.start, end=following.end)).text
        window = following
    assert text == expected(document.text)


@given(documents(), st.integers(0, 200), st.integers(1, 30), st.integers(30, 90))
def test_a_window_holds_the_start_of_what_it_is_around(
    document: Document, start: int, length: int, size: int
) -> None:
    start = min(start, max(len(document.text) - 1, 0))
    window = window_around(document, start, start + length, size=size)
    assert window.start <= start < max(window.end, 1)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_examples_are_shown_whole(path: Path) -> None:
    document = read_bytes(path.read_bytes(), path.name)
    middle = len(document.text) // 2
    seen = Seen(text_view(document, [Highlight(middle, middle + 30, 1)]))
    assert seen.text == document.text
    assert seen.marked[1] == list(range(middle, middle + 30))
    assert seen.tags.count("section") == len(
        [mark for mark in document.marks if mark.kind in ("page", "slide", "sheet", "cell")]
    )


def test_a_sheet_is_a_grid_with_the_cited_cell_marked() -> None:
    document = read_bytes((EXAMPLES / "prices-and-stock.xlsx").read_bytes(), "prices-and-stock.xlsx")
    start = document.text.index("warranty three months")
    html = text_view(document, [Highlight(start, start + 21, 2)])
    assert 'data-label="Sheet Services"' in html
    cell = '<span class="ob-doc-cell" role="cell"><span class="ob-doc-bar">| </span>'
    mark = '<mark class="ob-mark ob-mark--cited" id="cite-2" data-number="2">warranty three months</mark>'
    assert cell + mark in html
    number = '<span class="ob-doc-cell ob-doc-number ob-doc-short" role="cell">'
    assert f'{number}<span class="ob-doc-bar">| </span>12<' in html
    assert html.count('role="columnheader"') == 4 + 6 + 3


def test_a_row_of_a_delimited_file_is_cut_at_its_delimiters() -> None:
    text = 'name,note\n"Ann, B.","says ""hi""\nthere"\nBob,\n'
    document = read_bytes(text.encode(), "people.csv")
    html = text_view(document, [])
    assert Seen(html).text == text
    assert html.count('role="row"') == 3
    assert html.count('role="cell"') == 4
    assert '<span class="ob-doc-bar">&quot;</span>Ann, B.<span class="ob-doc-bar">&quot;,</span>' in html


def test_two_quotes_of_one_source_have_ids_of_their_own() -> None:
    document = Document("a.txt", "one two three", "text/plain")
    seen = Seen(text_view(document, [Highlight(0, 3, 4), Highlight(8, 13, 4), Highlight(2, 9, 5)]))
    assert seen.ids == ["cite-4", "cite-5", "cite-4-2"]


def test_a_large_sheet_is_shown_in_part_and_quickly() -> None:
    row = "| part 4711 | a remark of some length about nothing | 12.50 |\n"
    head = "| Part | Remark | Price |\n| --- | --- | --- |\n"
    text = (head + row * 90_000).rstrip("\n")
    assert len(text) > 5_000_000
    document = Document("big.xlsx", text, "x/sheet", marks=(Mark("table", 0, len(text), head[:25]),))
    start = len(head) + len(row) * 45_000
    window = window_around(document, start, start + 20)
    html = text_view(document, [Highlight(start, start + 20)], start=window.start, end=window.end)
    seen = Seen(html)
    assert window.start <= start < window.end
    assert text[window.start - 1] == "\n"
    assert seen.text == text[window.start : window.end]
    assert [place + window.start for place in seen.marked[1]] == list(range(start, start + 20))
    assert len(html) < 500_000
    assert window.before is not None
    assert window.after == window.end
