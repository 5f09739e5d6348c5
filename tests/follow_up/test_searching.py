"""Follow-up questions asked of a real library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook import Document, Library, Settings
from openbook.embed import HashEmbedder
from openbook.types import Exchange

TEXTS = {
    "gears.md": "# Gears\n\nA worn chain skips over the gears. Replace the chain after 3000 kilometres.\n",
    "brakes.md": "# Brakes\n\nWorn brake pads squeal. Replace the pads when one millimetre is left.\n",
    "tyres.md": "# Tyres\n\nWorn tyres puncture often. Replace the tyres when their threads show.\n",
    "holidays.md": "# Holidays\n\nEverybody has 28 days of paid holiday. Sick days are no holiday.\n",
}
WORDS = ["chain", "brake", "tyres", "holiday", "worn", "replace", "paid", "why", "when", "it"]


@pytest.fixture(scope="module", params=["vectors", "words"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library with vectors, or with words alone."""
    embedder = HashEmbedder(384) if request.param == "vectors" else None
    settings = Settings(embedder="onnx:there-is-no-such-model")
    path = tmp_path_factory.mktemp("library")
    with Library(path, settings=settings, embedder=embedder) as opened:
        documents = [Document(name, text, "text/markdown", language="en") for name, text in TEXTS.items()]
        opened.add_documents(documents, source="test")
        yield opened


def test_a_follow_up_finds_what_the_conversation_is_about(library: Library) -> None:
    history = [Exchange("My brake squeals, are the pads to blame?")]
    assert library.search("When do I replace it?", history=history)[0].path == "brakes.md"
    history = [Exchange("Does a chain that skips over the gears matter?")]
    assert library.search("When do I replace it?", history=history)[0].path == "gears.md"


def test_the_person_is_told_and_the_question_stays_as_typed(library: Library) -> None:
    hits = library.search("When do I replace it?", history=[Exchange("My brake squeals")])
    assert hits.meant == hits.question == "When do I replace it?"
    assert "Understood as a follow-up to “My brake squeals”." in hits.notes
    assert hits.context > 0


def test_a_change_of_subject_finds_what_it_asks_for(library: Library) -> None:
    history = [Exchange("Does a chain that skips over the gears matter?"), Exchange("Worn brake pads")]
    hits = library.search("How many days of paid holiday has everybody?", history=history)
    assert hits[0].path == "holidays.md"


def test_conditions_hold_for_follow_ups_too(library: Library) -> None:
    hits = library.search("When do I replace it?", history=[Exchange("brake pads")], where=["path=t*"])
    assert [hit.path for hit in hits] == ["tyres.md"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join))
def test_no_history_changes_nothing(library: Library, question: str) -> None:
    assert library.search(question, history=()) == library.search(question)
    assert library.search(question, history=[Exchange(" ")]) == library.search(question)


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
)
def test_earlier_words_never_take_score_away(library: Library, question: str, earlier: str) -> None:
    lexical = library._indexes.lexical
    plain = dict(lexical.search(question, limit=10))
    more = dict(lexical.search(question, limit=10, earlier=[(earlier, 0.5)]))
    assert plain.keys() <= more.keys()
    assert all(more[chunk] >= score - 1e-3 for chunk, score in plain.items())
    ids = sorted(more)
    assert lexical.scores(question, ids, earlier=[(earlier, 0.5)]) == pytest.approx(more, abs=2e-3)


def test_earlier_words_count_as_much_as_their_weight(library: Library) -> None:
    lexical = library._indexes.lexical
    whole = dict(lexical.search("holiday", limit=10))
    half = dict(lexical.search("zeppelin", limit=10, earlier=[("holiday", 0.5), ("holiday", 0.25)]))
    assert half == pytest.approx({chunk: score / 2 for chunk, score in whole.items()}, abs=1e-3)
    assert lexical.search("holiday", limit=10, earlier=[("holiday", 0.5)]) == list(whole.items())
    assert lexical.search("zeppelin", limit=10, earlier=[("holiday", 0.0)]) == []


def test_a_long_conversation_does_not_crowd_out_the_question(library: Library) -> None:
    history = [Exchange(" ".join(f"word{i}x{j}" for j in range(60))) for i in range(30)]
    assert library.search("worn chain", history=history)[0].path == "gears.md"


def test_the_nearest_cosine_is_that_of_the_best_hit(tmp_path: Path) -> None:
    with Library(tmp_path, settings=Settings(), embedder=HashEmbedder(384)) as opened:
        documents = [Document(name, text, "text/markdown", language="en") for name, text in TEXTS.items()]
        opened.add_documents(documents, source="test")
        vectors = opened._indexes.vectors
    assert vectors is not None
    vectors.reload()
    query = HashEmbedder(384).embed(["worn brake pads"], "query")[0]
    assert vectors.nearest(query) == vectors.search(query, limit=1)[0][1]
    some = np.array([vectors.search(query, limit=4)[2][0]], dtype=np.int64)
    assert vectors.nearest(query, within=some) == vectors.search(query, limit=1, within=some)[0][1]
    assert vectors.nearest(query, within=np.array([10**6], dtype=np.int64)) is None


def test_answers_to_follow_ups_are_quoted_from_where_the_conversation_is(tmp_path: Path) -> None:
    with Library(tmp_path, settings=Settings(), embedder=HashEmbedder(384)) as opened:
        documents = [Document(name, text, "text/markdown", language="en") for name, text in TEXTS.items()]
        opened.add_documents(documents, source="test")
        answer = opened.ask("When do I replace it?", history=[Exchange("brake pads that squeal")])
        assert answer.evidence[0].path == "brakes.md"
        assert any("follow-up" in note for note in answer.notes)
