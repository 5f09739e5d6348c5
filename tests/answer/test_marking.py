"""What a person reads of an answer: a marker behind what is cited, a warning behind what is not supported."""

from __future__ import annotations

from openbook.answer.marking import UNSUPPORTED, marked_text
from openbook.types import Answer, Citation, Claim

TEXT = "Paris is the capital [1]. It has 9 million people [2][3]. It is old."


def answer(
    *, citations: tuple[Citation, ...] = (), claims: tuple[Claim, ...] = (), text: str = TEXT
) -> Answer:
    return Answer("?", text, "answered", 0.9, citations=citations, claims=claims)


def cited(part: str, number: int, text: str = TEXT, field: str = "") -> Citation:
    start = text.index(part)
    return Citation(start, start + len(part), number, "quote", True, field=field)


def claimed(part: str, *, supported: bool) -> Claim:
    start = TEXT.index(part)
    return Claim(start, start + len(part), (1,), 0.1, supported)


def test_a_marker_that_is_there_is_not_written_twice() -> None:
    assert marked_text(answer(citations=(cited("Paris is the capital [1].", 1),))) == TEXT
    assert marked_text(answer(citations=(cited("Paris is the capital", 1),))) == TEXT
    assert marked_text(answer(citations=(cited("It has 9 million people", 3),))) == TEXT


def test_a_missing_marker_stands_behind_what_is_cited() -> None:
    marked = marked_text(answer(citations=(cited("It is old.", 2), cited("It is old.", 1))))
    assert marked == f"{TEXT} [1][2]"


def test_a_claim_without_support_is_marked_behind_its_own_markers() -> None:
    marked = marked_text(answer(claims=(claimed("It has 9 million people", supported=False),)))
    assert marked == f"Paris is the capital [1]. It has 9 million people [2][3] {UNSUPPORTED}. It is old."
    assert marked_text(answer(claims=(claimed("It is old.", supported=True),))) == TEXT


def test_citations_and_marks_at_one_place_keep_their_order() -> None:
    marked = marked_text(
        answer(citations=(cited("It is old.", 2),), claims=(claimed("It is old.", supported=False),))
    )
    assert marked == f"{TEXT} [2] {UNSUPPORTED}"


def test_values_of_a_structure_get_no_markers_inside_their_json() -> None:
    text = '{\n  "price": 9\n}'
    assert marked_text(answer(text=text, citations=(cited("9", 1, text, field="/price"),))) == text


def test_a_marker_that_was_cut_off_ends_the_search_for_markers() -> None:
    text = "Paris is the capital. [12"
    assert marked_text(answer(text=text, citations=(cited("Paris is the capital.", 1, text),))) == (
        "Paris is the capital. [1] [12"
    )


def test_a_marker_that_opens_the_line_is_not_written_again_behind_it() -> None:
    for opening in ("[1] ", "- [1] ", "2. [3][1]: ", "> - **[1]** "):
        text = f"It is so.\n{opening}Paris is the capital."
        assert marked_text(answer(text=text, citations=(cited("Paris is the capital.", 1, text),))) == text
    text = "It is old [1]. Paris is the capital."
    marked = marked_text(answer(text=text, citations=(cited("Paris is the capital.", 1, text),)))
    assert marked == f"{text} [1]"
