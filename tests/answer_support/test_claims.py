"""A model's markers brought into one form, and its text cut into claims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.claims import cut_statements, markers_behind, parse_citations


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("A [1].", "A [1]."),
        ("A.[1]", "A.[1]"),
        ("A [1, 2].", "A [1][2]."),
        ("A [1;3].", "A [1][3]."),
        ("A [1-3].", "A [1][2][3]."),
        ("A [1–2].", "A [1][2]."),
        ("A [1][2].", "A [1][2]."),
        ("A 【1】.", "A [1]."),
        ("A 【2†source】.", "A [2]."),
        ("A [^1][^2].", "A [1][2]."),
        ("A [Source 1].", "A [1]."),
        ("A [source: 2].", "A [2]."),
        ("A [Sources 1 and 2].", "A [1][2]."),
        ("A [Evidence 3, p. 7].", "A [3]."),
        ("A (Source 1).", "A [1]."),
        ("A (see sources 1, 2).", "A [1][2]."),
        ("A [1](#source-1).", "A [1]."),
        ("A [Quelle 2].", "A [2]."),
    ],
)
def test_every_way_of_citing_becomes_one(written: str, read: str) -> None:
    cited = parse_citations(written, {1, 2, 3})
    assert cited.text == read
    assert cited.removed == 0
    assert all(cited.text[m.start : m.end] == f"[{m.number}]" for m in cited.markers)
    assert cited.markers


@pytest.mark.parametrize(
    ("written", "read", "removed"),
    [
        ("A [9].", "A.", 1),
        ("A [1, 9].", "A [1].", 1),
        ("A [2-4].", "A [2][3].", 1),
        ("A 【7】 B.", "A B.", 1),
        ("[9] A.", "A.", 1),
        ("A (Source 8) [8].", "A.", 2),
    ],
)
def test_numbers_never_given_are_removed_and_counted(written: str, read: str, removed: int) -> None:
    cited = parse_citations(written, {1, 2, 3})
    assert (cited.text, cited.removed) == (read, removed)


@pytest.mark.parametrize(
    "text",
    [
        "Take `x[1]` and `` y[2] ``.",
        "```r\nx[1]\n[1] 5 6\n```",
        "~~~\nlist[[2]]\n~~~\n",
        "```\nnever closed [1]",
        "The result is x[1], or my_list[2], or df$col[1] and f(x)[1], and m[1][2].",
        "All values in [0, 1] count, in 1999 [2004] too.",
        "First (1), then (2).",
        "a[[1]] is the first.",
        "A [link](http://a.example/[1]) and a list [x].",
    ],
)
def test_what_is_no_citation_is_left_alone(text: str) -> None:
    known = {1, 2, 3}
    cited = parse_citations(text, known) if "[link]" not in text else parse_citations(text, set())
    if "[link]" in text:
        assert "[link](http://a.example/" in cited.text
        return
    assert cited.text == text
    assert not cited.markers
    assert cited.removed == 0


@given(st.text(alphabet="ab[]()【】^1239, `~\n.-Source:", max_size=120))
def test_nothing_but_markers_is_touched(text: str) -> None:
    cited = parse_citations(text, {1, 2})
    letters = [c for c in text if c in "ab`~"]
    assert [c for c in cited.text if c in "ab`~"] == letters
    for marker in cited.markers:
        assert cited.text[marker.start : marker.end] == f"[{marker.number}]"
        assert marker.number in {1, 2}


@given(st.text(alphabet="abAB[]【】12, .?!:|-#*\n", max_size=160))
def test_claims_are_in_order_apart_and_inside_the_text(text: str) -> None:
    cited = parse_citations(text, {1, 2})
    position = 0
    for statement in cut_statements(cited):
        assert position <= statement.start < statement.end <= len(cited.text)
        assert any(character.isalnum() for character in cited.text[statement.start : statement.end])
        position = statement.end


def claims_of(text: str) -> list[tuple[str, tuple[int, ...]]]:
    cited = parse_citations(text, {1, 2, 3})
    return [(cited.text[s.start : s.end], s.numbers) for s in cut_statements(cited)]


def test_a_marker_belongs_to_the_sentence_that_it_stands_in_or_behind() -> None:
    assert claims_of("Cats sleep a lot [1]. Dogs bark at night. [2] Birds sing.[3]") == [
        ("Cats sleep a lot [1].", (1,)),
        ("Dogs bark at night.", (2,)),
        ("Birds sing.", (3,)),
    ]


def test_a_marker_at_the_beginning_of_a_line_belongs_to_what_follows() -> None:
    assert claims_of("[1] says that cats sleep.\n- [2] Dogs bark.") == [
        ("says that cats sleep.", (1,)),
        ("Dogs bark.", (2,)),
    ]


def test_a_marker_alone_in_its_line_belongs_to_what_stands_before() -> None:
    assert claims_of("Cats sleep a lot.\n[1][2]") == [("Cats sleep a lot.", (1, 2))]


def test_items_and_rows_are_claims_of_their_own() -> None:
    text = "- Cats sleep [1]\n- Dogs bark [2]\n\n| Animal | Sound |\n|---|---|\n| Cat | meow [3] |"
    assert [numbers for _, numbers in claims_of(text)] == [(1,), (2,), (3,)]


def test_headings_questions_code_greetings_and_announcements_claim_nothing() -> None:
    text = (
        "Sure, I can help!\n\n# Cats and dogs\n\nHere is what they do:\n\n**Cats**\n\n"
        "What do cats do?\n\n```\ncats(1)\n```\n\nThe documents do not mention birds.\n\nI hope this helps!"
    )
    assert claims_of(text) == []


def test_the_one_short_line_of_an_answer_is_a_claim() -> None:
    assert claims_of("Paris") == [("Paris", ())]
    assert claims_of("41,389,465 rows") == [("41,389,465 rows", ())]


def test_a_cited_announcement_is_a_claim() -> None:
    assert claims_of("The limit is 5 GB [1]:\n\n- for all users [1]") == [
        ("The limit is 5 GB [1]:", (1,)),
        ("for all users", (1,)),
    ]


def test_a_list_of_sources_claims_nothing() -> None:
    assert claims_of("Cats sleep [1].\n\nSources:\n[1] cats.md\n[2] dogs.md") == [("Cats sleep [1].", (1,))]


def test_uncited_sentences_know_the_next_markers_of_their_paragraph() -> None:
    cited = parse_citations("Cats sleep. Dogs bark [2].\n\nBirds sing.", {1, 2})
    first, second, third = cut_statements(cited)
    assert (first.nearby, second.nearby, third.nearby) == ((2,), (), ())


def test_unknown_languages_are_cut_too() -> None:
    assert [numbers for _, numbers in claims_of("猫はよく眠る[1]。犬は吠える[2]。")] == [(1,), (2,)]
    assert len(claims_of("Кошки спят [1]. Собаки лают.")) == 2


def test_markers_behind_a_claim_are_found() -> None:
    text = "Cats sleep. [1][2] Dogs."
    assert text[: markers_behind(text, 11)] == "Cats sleep. [1][2]"
    assert markers_behind(text, 4) == 4
