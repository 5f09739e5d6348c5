"""The composer's law: whatever is added, in whatever order, every mark points at exactly its own words."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from openbook.read.composing import Composer, clean, table_lines

WORDS = st.text(st.characters(codec="utf-8"), max_size=40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("heading"), WORDS),
        st.tuples(st.just("paragraph"), WORDS),
        st.tuples(st.just("item"), WORDS),
        st.tuples(st.just("code"), WORDS),
        st.tuples(st.just("table"), st.lists(st.lists(WORDS, max_size=3), max_size=3)),
        st.tuples(st.just("place"), WORDS),
    ),
    max_size=12,
)


@given(STEPS)
def test_marks_point_at_their_own_words(steps: list[tuple[str, str | list[list[str]]]]) -> None:
    composer = Composer()
    for number, (kind, content) in enumerate(steps, 1):
        if isinstance(content, list):
            composer.table(content)
        elif kind == "heading":
            composer.heading(content, number)
        elif kind == "place":
            composer.begin_place("page", content, number)
        else:
            getattr(composer, kind)(content)
    marks, text = composer.marks(), composer.text
    assert list(marks) == sorted(marks, key=lambda mark: (mark.start, -mark.end))
    assert text == text.strip("\n")
    for mark in marks:
        assert 0 <= mark.start < mark.end <= len(text)
        span = text[mark.start : mark.end]
        if mark.kind == "heading":
            assert span == mark.label
        if mark.kind == "table":
            assert span.split("\n")[0] == mark.label
    pages = [mark for mark in marks if mark.kind == "page"]
    assert all(one.end < other.start for one, other in pairwise(pages))


@given(WORDS)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.lists(st.lists(WORDS, max_size=4), max_size=4))
def test_a_row_of_a_table_is_always_one_line(rows: list[list[str]]) -> None:
    lines = table_lines(rows)
    assert all("\n" not in line for line in lines)
    filled = sum(any(clean(cell) for cell in row) for row in rows)
    assert len(lines) in (filled, filled + 1)
