"""What titles and headings count besides: nothing by default, what was asked for otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook import Document, Library, Settings
from openbook.errors import UsageError
from openbook.retrieve import Candidates, Request, fuse
from openbook.titles import title_shares, with_titles
from openbook.types import Exchange, Legs

SETTINGS = Settings(embedder="hash:64")
QUESTION = "how are herons counted"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """A short document whose title is asked for, and a long one that says the words more often."""
    texts = {
        "herons.md": ("Counted herons", "They stand in the shallow water and somebody notes them down."),
        "counting.md": ("Notes", "How things are counted: herons are counted, ducks are counted. " * 3),
        "other.md": ("Swifts", "They drink raindrops in flight."),
    }
    documents = [
        Document(path, text, "text/markdown", title=title, language="en")
        for path, (title, text) in texts.items()
    ]
    with Library(tmp_path / "library", settings=SETTINGS) as opened:
        opened.add_documents(documents, source="made")
        yield opened


def test_by_default_titles_are_not_looked_at(library: Library) -> None:
    library.search(QUESTION)
    with patch("openbook.index.ledger.Ledger.titles_of_chunks", side_effect=AssertionError("was looked at")):
        hits = library.search(QUESTION, explain=True)
    assert all(hit.explanation.keys() == {"cosine", "words"} for hit in hits)


def test_a_weight_of_nothing_ranks_exactly_as_before(library: Library) -> None:
    before = library.search(QUESTION, explain=True).hits
    library.adopt({"title_weight": 0.0})
    assert library.search(QUESTION, explain=True).hits == before
    library.adopt({"title_weight": 0.6})
    assert library.search(QUESTION, explain=True).hits != before
    library.undo_tuning()
    library.undo_tuning()
    assert library.search(QUESTION, explain=True).hits == before


def test_a_weight_raises_what_is_asked_for_in_the_title_and_explains_it(library: Library) -> None:
    assert library.search(QUESTION, k=1)[0].path == "counting.md"
    library.adopt({"title_weight": 0.6})
    hits = library.search(QUESTION, explain=True)
    assert hits[0].path == "herons.md"
    assert hits[0].explanation["title"] == pytest.approx(0.6)
    assert all(sum(hit.explanation.values()) == pytest.approx(hit.score) for hit in hits)


def test_the_share_is_that_of_the_rarity_of_the_words_that_the_library_has(library: Library) -> None:
    searcher = library.searcher()
    chunks = {hit.path: hit.chunk_id for hit in library.search(QUESTION)}
    ids = list(chunks.values())

    def shares(request: Request) -> dict[int, float]:
        return title_shares(searcher.ledger, searcher.indexes.lexical, request, ids)

    assert shares(Request("herons counted zzyzx")) == {chunks["herons.md"]: pytest.approx(1.0)}
    part = shares(Request("herons raindrops"))[chunks["herons.md"]]
    assert 0 < part < 1
    earlier = shares(Request("raindrops", earlier=(("herons", 0.5),)))[chunks["herons.md"]]
    assert 0 < earlier < part
    assert shares(Request("zzyzx")) == {}
    assert searcher.ledger.titles_of_chunks([10**9]) == {}


def test_earlier_questions_and_conditions_go_along(library: Library) -> None:
    library.adopt({"title_weight": 0.6})
    found = library.search("and when is it?", history=[Exchange(QUESTION)], explain=True)
    assert found.context > 0
    assert any(hit.explanation.get("title") for hit in found if hit.path == "herons.md")
    assert {hit.path for hit in library.search(QUESTION, where=["path=other*"])} <= {"other.md"}


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_weight_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="title_weight"):
        Settings(title_weight=value)


IDS = st.integers(1, 30)


@given(
    st.dictionaries(IDS, st.floats(0.01, 30), min_size=1, max_size=20),
    st.dictionaries(IDS, st.floats(0, 1), max_size=20),
    st.floats(0, 1),
)
def test_the_score_is_the_stated_mixture(
    words: dict[int, float], titles: dict[int, float], weight: float
) -> None:
    fused = fuse(Candidates(words, None, max(words.values()), Legs({}, {})), weight=0.8)
    before = {one.chunk_id: one.score for one in fused}
    ranking = with_titles(fused, titles, weight)
    assert sorted(one.chunk_id for one in ranking) == sorted(before)
    assert with_titles(fused, titles, weight, limit=3) == ranking[:3]
    assert all((-a.score, a.chunk_id) < (-b.score, b.chunk_id) for a, b in itertools.pairwise(ranking))
    for one in ranking:
        assert one.score == pytest.approx(
            (1 - weight) * before[one.chunk_id] + weight * titles.get(one.chunk_id, 0.0)
        )
        assert one.from_cosine + one.from_words + one.from_title == pytest.approx(one.score)
