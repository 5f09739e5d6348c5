"""Answers: claims at their offsets, a button for every citation, and the text as it is where that fails."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from openbook.serve.view.answers import answer_html
from openbook.types import Answer, Citation, Claim, Evidence
from tests.view.browsing import Seen

EVIDENCE = tuple(Evidence(number, "a.md", 1, 0, 9, None, "", "text", 1.0) for number in (1, 2, 3))
PARTS = (
    "It costs **48 euros** a year", " [1]", ".", "\n\n", "\n", "- one item",
    "| a | b |\n| --- | --- |\n| c | d |\n",
    "`x[1]`", " [2][3]", "# Fees\n", "[a page](https://example.org)", " <b>bold</b>", "1. first ",
    "“Quoted.” ",
)  # fmt: skip
SUPPORTED, UNSUPPORTED = "ob-claim ob-claim--supported", "ob-claim ob-claim--unsupported"


def written(text: str, claims: Sequence[Claim] = (), citations: Sequence[Citation] = ()) -> Answer:
    return Answer("?", text, "answered", 0.9, tuple(citations), EVIDENCE, claims=tuple(claims))


def claim(text: str, words: str, *, supported: bool = True, reasons: tuple[str, ...] = ()) -> Claim:
    start = text.index(words)
    return Claim(start, start + len(words), (1,), 0.9, supported, reasons)


def test_claims_are_told_apart_and_say_why() -> None:
    text = "Members pay **48 euros** a year [1]. It costs 99 a month."
    claims = [
        claim(text, "Members pay **48 euros** a year"),
        claim(text, "It costs 99 a month.", supported=False, reasons=('"99" is not in [1]',)),
    ]
    html = answer_html(written(text, claims))
    seen = Seen(html)
    assert seen.spans[SUPPORTED] == "Members pay 48 euros a year"
    assert seen.spans[UNSUPPORTED] == "It costs 99 a month."
    assert seen.spans["ob-unsupported"] == "not supported"
    assert "<strong>" in html
    assert 'title="Not supported by its source: &quot;99&quot; is not in [1]"' in html


def test_a_marker_is_a_button_that_knows_its_citation() -> None:
    text = "One [2]. Two [1]. Three [2]."
    citations = [
        Citation(0, 3, 2, "one", True),
        Citation(9, 12, 1, "two", True),
        Citation(18, 23, 2, "three", True),
    ]
    html = answer_html(
        written(text, [claim(text, "One"), claim(text, "Two"), claim(text, "Three")], citations)
    )
    buttons = [piece.split(">")[0] for piece in html.split("<button")[1:]]
    assert [piece.split('data-number="')[1][0] for piece in buttons] == ["2", "1", "2"]
    assert [piece.split('data-citation="')[1][0] for piece in buttons] == ["0", "1", "2"]
    assert "[2]" not in Seen(html).text


def test_a_citation_without_a_marker_gets_a_button() -> None:
    text = "The fee is due in January."
    html = answer_html(written(text, citations=[Citation(0, len(text), 3, text, True)]))
    assert Seen(html).text == f"{text} 3"
    assert Seen(html).spans["ob-quote"] == text
    assert 'data-number="3" data-citation="0"' in html


def test_brackets_that_cite_nothing_stay() -> None:
    text = "See `x[1]` and a[9], says [1]."
    seen = Seen(answer_html(written(text, [claim(text, "See")])))
    assert seen.text.strip() == "See x[1] and a[9], says 1."


def test_a_reference_cannot_turn_a_citation_into_a_link() -> None:
    text = "It is so [1].\n\n[1]: https://evil.example"
    seen = Seen(answer_html(written(text, [claim(text, "It is so")])))
    assert seen.links == []
    assert seen.tags.count("button") == 2


def test_rows_without_a_table_are_shown_as_rows() -> None:
    text = "| Stem on the handlebar | 5 Nm | crosswise |\n| Stem on the steerer | 6 Nm | | [1]"
    end = text.index(" [1]")
    seen = Seen(answer_html(written(text, citations=[Citation(0, end, 1, text[:end], True)])))
    assert seen.tags.count("div") == 1 + 2 + 2
    assert seen.text == text.replace("[1]", "1")


def test_text_that_is_still_arriving_has_its_buttons() -> None:
    seen = Seen(answer_html("A **bold** word [1] and [12] and [1"))
    assert seen.tags.count("button") == 2
    assert seen.text.strip() == "A bold word 1 and 12 and [1"
    assert Seen(answer_html("So it is. [not supported]")).spans["ob-unsupported"] == "not supported"


def test_a_claim_in_the_middle_of_markup_is_shown_in_the_text_as_it_is() -> None:
    text = "See [the page](https://example.org/fees) for fees."
    place = text.index("example")
    seen = Seen(answer_html(written(text, [Claim(place, place + 11, (1,), 0.9, True)])))
    assert seen.text == text
    assert seen.spans[SUPPORTED] == "example.org"


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.data())
def test_claims_hold_their_own_letters_only(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    claims = [Claim(low, high, (1,), 0.9, True) for low, high in zip(places[::2], places[1::2], strict=False)]
    seen = Seen(answer_html(written(text, claims)))
    wanted = iter("".join(text[one.start : one.end] for one in claims))
    assert all(
        letter in wanted
        for letter in seen.spans.get(SUPPORTED, "")
        if letter.isalnum() and not letter.isdigit()
    )
