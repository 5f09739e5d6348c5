"""When a question needs its conversation, and what is searched for then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.embed import HashEmbedder
from openbook.follow_up import (
    DECAY,
    MOST,
    NOTED,
    USUAL_GAIN,
    FollowUp,
    blend,
    follow_up,
    mixed,
    ranking_embed,
    refers,
    weight,
)
from openbook.index.analysis import analysis_of
from openbook.types import Exchange

if TYPE_CHECKING:
    from openbook.types import FloatMatrix

EMBEDDER = HashEmbedder(64)
TEXTS = st.text("abcdefg äß ", min_size=1, max_size=30)


def content_words(text: str) -> list[str]:
    return analysis_of("en").content_terms(text)


def embed(texts: Sequence[str]) -> FloatMatrix:
    return EMBEDDER.embed(texts, "query")


def asked(question: str, *earlier: str) -> FollowUp:
    found = follow_up(question, [Exchange(text) for text in earlier], content_words)
    assert found is not None
    return found


def nowhere(vector: np.typing.NDArray[np.float32]) -> None:
    """A library without vectors."""
    assert len(vector) == EMBEDDER.dimension


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "What if it's missing?"),
        ("en", "How is this calculated?"),
        ("en", "Those gurus average return?"),
        ("de", "Und wie teuer ist diese Lösung?"),
        ("fr", "Combien coûte celle de gauche ?"),
        ("es", "¿Y cuánto cuesta eso?"),
        ("ru", "Сколько это стоит?"),
    ],
)
def test_a_pronoun_that_stands_for_something_said_before(language: str, question: str) -> None:
    assert refers(question, analysis_of(language).content_terms)


@pytest.mark.parametrize(
    "question",
    [
        "How do I open a spreadsheet file and read it?",
        "What is a worker node?",
        "How do companies hire employees?",
        "",
        "1. 2. 3.",
    ],
)
def test_no_pronoun_or_one_that_stands_for_a_word_of_the_question(question: str) -> None:
    assert not refers(question, content_words)


def test_nothing_asked_before_is_no_follow_up() -> None:
    assert follow_up("why?", (), content_words) is None
    assert follow_up("why?", [Exchange("  ")], content_words) is None


def test_the_context_is_the_first_question_the_one_before_and_the_question() -> None:
    found = asked("why?", "first", "second", "third")
    assert found.in_context == "first third why?"
    assert found.earlier == ("third", "second", "first")
    assert asked("why?", "first").in_context == "first why?"


def test_an_earlier_question_counts_as_it_was_meant_and_at_a_sensible_length() -> None:
    found = follow_up("why?", [Exchange("colums", "columns"), Exchange("x" * 9000)], content_words)
    assert found is not None
    assert found.earlier[1] == "columns"
    assert len(found.in_context) < 500


@given(st.floats(-2, 2), st.floats(-2, 2), st.booleans())
def test_the_weight_is_bounded_and_grows_with_the_gain(one: float, other: float, reference: bool) -> None:
    question = FollowUp("q", "p q", ("p",), reference)
    low, high = sorted((one, other))
    assert 0.0 <= weight(question, low) <= weight(question, high) <= MOST


def test_a_reference_adds_weight() -> None:
    assert weight(FollowUp("q", "", (), True), 0.0) > weight(FollowUp("q", "", (), False), 0.0)


def test_a_question_that_loses_by_its_context_stands_alone() -> None:
    question = asked("how to hire employees?", "flights that are late")
    alone = embed([question.question])[0]

    def nearest(vector: np.typing.NDArray[np.float32]) -> float:
        return 0.9 if np.array_equal(vector, alone) else 0.4

    found = blend(question, embed, nearest)
    assert found.weight == 0.0
    assert found.words == ()
    assert found.notes == ()
    assert found.vector is not None
    assert np.array_equal(found.vector, alone)


def test_a_question_that_gains_by_its_context_is_moved_towards_it_and_says_so() -> None:
    question = asked("and if missing?", "flights that are late", "columns of flights")
    alone = embed([question.question])[0]

    def nearest(vector: np.typing.NDArray[np.float32]) -> float:
        return 0.3 if np.array_equal(vector, alone) else 0.6

    found = blend(question, embed, nearest)
    together = embed([question.in_context])[0]
    assert found.vector is not None
    assert found.vector @ together > alone @ together
    assert found.words == (
        ("columns of flights", found.weight),
        ("flights that are late", found.weight * DECAY),
    )
    assert found.notes == ("Understood as a follow-up to “columns of flights”.",)


def test_without_vectors_the_words_alone_are_blended() -> None:
    question = asked("and if missing?", "flights that are late")
    found = blend(question, None, nowhere)
    assert found.vector is None
    assert found.weight == weight(question, USUAL_GAIN) >= NOTED


def test_all_texts_are_embedded_in_one_call() -> None:
    calls: list[list[str]] = []

    def counted(texts: Sequence[str]) -> FloatMatrix:
        calls.append(list(texts))
        return embed(texts)

    blend(asked("why?", "first", "second"), counted, nowhere)
    assert calls == [["why?", "first second why?"]]


@given(TEXTS, TEXTS, st.floats(0, MOST))
def test_a_mixture_is_a_unit_vector_nearer_to_both_than_they_may_be_to_each_other(
    one: str, other: str, share: float
) -> None:
    alone, together = embed([one, other])
    vector = mixed(alone, together, share)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert vector @ together >= alone @ together - 1e-5


def test_vectors_that_cancel_out_leave_the_question_its_own() -> None:
    alone = embed(["a"])[0]
    assert np.array_equal(mixed(alone, -alone, 0.5), alone)
    assert np.array_equal(mixed(alone, embed(["b"])[0], 0.0), alone)


def test_sentences_are_ranked_by_the_vector_of_the_search() -> None:
    history = [Exchange("flights that are late")]
    ranked = ranking_embed(EMBEDDER.embed, "and why?", history, 0.4)
    alone, together, other = embed(["and why?", "flights that are late and why?", "other"])
    assert np.allclose(ranked(["and why?"], "query")[0], mixed(alone, together, 0.4))
    assert np.array_equal(ranked(["other"], "query")[0], other)
    assert np.array_equal(ranked(["and why?"], "document")[0], alone)


def test_a_question_that_stands_alone_is_ranked_by_its_own_vector() -> None:
    assert ranking_embed(EMBEDDER.embed, "why?", [Exchange("late flights")], 0.0) == EMBEDDER.embed
    assert ranking_embed(EMBEDDER.embed, "why?", [], 0.5) == EMBEDDER.embed
