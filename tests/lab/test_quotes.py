"""When a stretch of a document contains a quote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openbook.lab.quotes import NormalisedText, covers, normalise

TEXT = "Every join involves\n  a pair of keys:\n\na primary key and a foreign key. Keys  may be compound."
QUOTE = "a pair of keys: a primary key and a foreign key."


def test_a_quote_is_found_over_line_ends() -> None:
    (span,) = NormalisedText(TEXT).places(QUOTE)
    assert NormalisedText(TEXT).text[slice(*span)] == QUOTE


def test_the_whole_text_covers_the_quote_and_nothing_covers_it_not() -> None:
    normalised = NormalisedText(TEXT)
    assert covers(normalised, 0, len(TEXT), QUOTE)
    assert not covers(normalised, 0, 0, QUOTE)
    assert not covers(normalised, TEXT.index("Keys"), len(TEXT), QUOTE)


def test_exactly_half_of_the_characters_is_enough() -> None:
    normalised = NormalisedText("0123456789")
    assert covers(normalised, 0, 5, "0123456789")
    assert not covers(normalised, 0, 4, "0123456789")


def test_any_place_of_a_repeated_quote_will_do() -> None:
    text = "one two. other words here. one two."
    assert covers(NormalisedText(text), text.rindex("one"), len(text), "one two.")


def test_a_quote_that_is_not_there_is_never_covered() -> None:
    assert not covers(NormalisedText(TEXT), 0, len(TEXT), "a pair of socks")
    assert not covers(NormalisedText(TEXT), 0, len(TEXT), "")


@given(st.text(alphabet="ab \n\t", max_size=60), st.data())
def test_offsets_of_the_normalised_text_lead_back(text: str, data: st.DataObject) -> None:
    normalised = NormalisedText(text)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    first, last = normalised.span(start, end)
    assert normalise(normalised.text[first:last]) == normalise(text[start:end])
    assert normalise(normalised.text) == normalise(text)
