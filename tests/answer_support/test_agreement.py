"""Numbers, dates, units, names and negations compared exactly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.agreement import Agreement, align, compare, stemmed
from openbook.answer.agreement_tokens import Token, read_tokens
from tests.answer_support.conftest import content_words


def tokens(text: str) -> tuple[Token, ...]:
    return stemmed(read_tokens(text), lambda word: next(iter(content_words(word)), ""))


def agreement(claim: str, near: str, rest: str = "") -> Agreement:
    keys = frozenset().union(*(token.keys for token in tokens(f"{near} {rest}")))
    return compare(tokens(claim), tokens(near), around=frozenset(), anywhere=keys, named="[1]")


def keys_of(text: str) -> set[str]:
    return {key for token in read_tokens(text) for key in token.keys}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000 people", "1000 people"),
        ("one thousand people", "1,000 people"),
        ("twenty-five people", "25 people"),
        ("two hundred people", "200 people"),
        ("5 million people", "5,000,000 people"),
        ("the 2nd of them", "the second of them"),
        ("3.5 litres", "3,5 litres"),
        ("1.234.567 people", "1,234,567 people"),
        ("12 percent", "12%"),
        ("20 MB", "20MB"),
        ("on June 19, 2009", "on 19 June 2009"),
        ("on June 19, 2009", "on 2009-06-19"),
        ("on 19.06.2009", "on 2009-06-19"),
        ("on 06/19/2009", "on Jun 19th, 2009"),
        ("am 3. März 2011", "on March 3, 2011"),
        ("about 41 million rows", "41,389,465 rows"),
        ("Use cumsum() here", "Use cumsum here"),
        ("the Canadian mountain", "the mountain of Canada"),
        ("in Zurich today", "in Zürich today"),
        ("at Walmart today", "at Wal - Mart today"),
        ("version 4.2.0", "version 4.2.0"),
    ],
)
def test_the_same_thing_written_otherwise_agrees(one: str, other: str) -> None:
    found = agreement(one, other)
    assert (found.numbers_absent, found.names_absent, found.swapped, found.units) == (0, 0, 0, 0), (
        found.reasons
    )


@pytest.mark.parametrize(
    ("claim", "near", "reason"),
    [
        ("It has 42 rows.", "It has 40 rows.", "42 is not in [1]"),
        ("It opened on 19 June 2009.", "It opened on 19 July 2009.", "June is not in [1]"),
        ("It opened on 2009-06-19.", "It opened on 2009-06-18.", "2009-06-19 is not in [1]"),
        ("It needs version 4.2.0.", "It needs version 4.1.0.", "4.2.0 is not in [1]"),
        ("It was made by Billy Flynn.", "It was made by Casey Deidrick.", "Billy Flynn is not in [1]"),
        ("Sort with fct_infreq().", "Sort with fct_reorder().", "fct_infreq() is not in [1]"),
        ("Run it in the 1980s.", "Run it in the 1990s.", "1980s is not in [1]"),
    ],
)
def test_what_is_nowhere_is_named(claim: str, near: str, reason: str) -> None:
    found = agreement(claim, near)
    assert reason in found.reasons
    assert found.numbers_absent + found.names_absent > 0
    assert found.swapped > 0


def test_another_unit_is_noticed() -> None:
    assert agreement("It is 5 km long.", "It is 5 miles long.").units == 1
    assert agreement("It is 5 km long.", "It is 5 kilometres long.").units == 0
    assert agreement("It is 5 km long.", "It is 5 long.").units == 0


@pytest.mark.parametrize(
    ("claim", "near"),
    [
        ("Cats are not able to swim.", "Cats are able to swim."),
        ("Cats are able to swim.", "Cats are not able to swim."),
        ("Cats can't swim well.", "Cats can swim well."),
        ("Cats swim well.", "Cats never swim well."),
        ("Cats swim without help.", "Cats swim with help."),
        ("The feature is supported.", "The feature is unsupported."),
        ("Katzen schwimmen nicht gern.", "Katzen schwimmen gern."),
    ],
)
def test_a_negation_on_one_side_is_noticed(claim: str, near: str) -> None:
    assert agreement(claim, near).negated > 0


@pytest.mark.parametrize(
    ("claim", "near"),
    [
        ("Cats do not swim well.", "Cats don't swim well."),
        ("Cats never swim well.", "Cats do n't swim well."),
        ("Cats are unable to swim.", "Cats are not able to swim."),
        ("The No. 3 is old.", "The No. 3 is old."),
    ],
)
def test_the_same_negation_in_other_words_agrees(claim: str, near: str) -> None:
    assert agreement(claim, near).negated == 0


def test_opposites_in_the_same_place_are_noticed() -> None:
    assert agreement("It rose after the war.", "It rose before the war.").opposed == 1
    assert agreement("It rose after the war.", "It rose after the war, and before it too.").opposed == 0


def test_a_name_from_the_next_sentence_is_in_another_connection() -> None:
    near = "The role was created by Casey Deidrick in 2009. Billy Flynn plays the role now."
    assert agreement("Casey Deidrick plays the role now.", near).loose > 0.4
    assert agreement("Billy Flynn plays the role now.", near).loose == 0


def test_a_pronoun_in_the_place_of_a_name_is_no_swap() -> None:
    found = agreement(
        "Banting found it in 1921.", "He found it in 1921.", rest="Frederick Banting was a doctor."
    )
    assert (found.swapped, found.names_absent) == (0, 0)


def test_one_of_them_is_no_number() -> None:
    assert agreement("It is one of the oldest.", "It is among the oldest.").numbers_absent == 0


def test_an_alignment_is_in_order_on_both_sides() -> None:
    pairs = align(tokens("red cats chase small mice"), tokens("small mice fear red cats that chase them"))
    assert pairs == sorted(pairs)
    assert all(first[1] < second[1] for first, second in pairwise(pairs))
    assert len(pairs) == 3


@given(st.text(max_size=200))
def test_any_text_can_be_read_and_agrees_with_itself(text: str) -> None:
    own = tokens(text)
    for token in own:
        assert text[token.start : token.end]
    found = compare(own, own, around=frozenset(), anywhere=frozenset())
    assert (found.numbers_absent, found.names_absent, found.swapped, found.units) == (0, 0, 0, 0)
    assert found.order == pytest.approx(1.0) or not own


def test_a_comma_before_three_digits_separates_thousands() -> None:
    assert "#1234" in keys_of("1,234")
    assert "#1.234" not in keys_of("1,234")
    assert {"#1.234", "#1234"} <= keys_of("1.234")
