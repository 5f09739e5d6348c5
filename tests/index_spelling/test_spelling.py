"""Slips are put right; names, rare words and words that only the embedder knows are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.index.spelling import corrected, corrections

HELD = {
    "first": 20, "letter": 8, "string": 30, "column": 12, "name": 40,
    "dog": 9, "rest": 5, "once": 1, "lahman": 3, "wish": 4,
}  # fmt: skip
STOP_WORDS = set("which the a is of it to how what does do use who in".split())
OTHERS = set("letters names columns puppy rent resting strings".split())
KNOWN = (HELD.keys() - {"lahman"}) | STOP_WORDS | OTHERS


def terms(text: str) -> list[str]:
    return [word.removesuffix("s") for word in text.split() if word not in STOP_WORDS]


def frequencies(words: Sequence[str]) -> list[int]:
    return [HELD.get(word, 0) for word in words]


def put_right(question: str) -> str:
    found = corrections(question, terms=terms, frequencies=frequencies, is_word=KNOWN.__contains__)
    return corrected(question, found)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("how to get the frist leters", "how to get the first letters"),
        ("the nmaes of the colums", "the names of the columns"),
        ("a strng", "a string"),
        ("a layman", "a layman"),  # near a name of the documents, which is no word of the embedder
        ("wich string", "wich string"),  # a slip for a stop word
        ("is it a puppy", "is it a puppy"),  # the embedder knows it
        ("renting a flat", "renting a flat"),  # an ending on a known word, not a slip for "resting"
        ("what does strng() do", "what does strng() do"),  # code
        ("who is Strng", "who is Strng"),  # a name
        ("use my.strng", "use my.strng"),
        ("onec", "onec"),  # "once" occurs in one chunk alone
    ],
)
def test_what_is_put_right(typed: str, meant: str) -> None:
    assert put_right(typed) == meant


@given(st.lists(st.sampled_from(sorted(HELD)), max_size=8))
def test_questions_of_known_words_stay_as_they_are(words: list[str]) -> None:
    question = " ".join(words)
    assert put_right(question) == question


@given(st.text(max_size=60))
def test_any_text_is_fine(question: str) -> None:
    assert isinstance(put_right(question), str)
