"""Looking words up late, for the few that they might lift, changes no hit and no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from openbook import Document, Library, Settings
from openbook.retrieve import Candidates, LateWords, Request, Retriever, fuse
from openbook.types import Legs

LISTED = st.dictionaries(st.integers(1, 40), st.floats(5, 30), min_size=1, max_size=20)
UNLISTED = st.dictionaries(st.integers(1, 60), st.floats(0, 5), max_size=40)
COSINES = st.dictionaries(st.integers(1, 60), st.floats(-1, 1), max_size=40)


class Looked:
    """BM25 of chunks that the words did not list, and which of them were asked for."""

    def __init__(self, words: Mapping[int, float]) -> None:
        self.words = words
        self.asked: list[int] = []

    def of(self, chunk_ids: Sequence[int]) -> dict[int, float]:
        self.asked += chunk_ids
        return {i: self.words[i] for i in chunk_ids if i in self.words}


@given(LISTED, UNLISTED, COSINES, st.floats(0, 1), st.integers(1, 30) | st.none())
def test_late_words_rank_as_words_that_were_known_at_once(
    listed: dict[int, float],
    unlisted: dict[int, float],
    cosines: dict[int, float],
    weight: float,
    limit: int | None,
) -> None:
    rest = {i: bm25 for i, bm25 in unlisted.items() if i in cosines and i not in listed}
    ranks = Legs(dict.fromkeys(listed, 1), dict.fromkeys(cosines, 1))
    at_once = Candidates({**listed, **rest}, cosines, max(listed.values()), ranks)
    looked = Looked(rest)
    late = replace(at_once, words=listed, late=LateWords(min(listed.values()), looked.of))
    assert fuse(late, weight=weight, limit=limit) == fuse(at_once, weight=weight)[:limit]
    assert set(looked.asked) <= cosines.keys() - listed.keys()


def test_chunks_that_cannot_come_among_the_best_are_not_looked_up() -> None:
    looked = Looked({})
    candidates = Candidates(
        {1: 30.0, 2: 10.0},
        {1: 0.9, 2: 0.8, 3: 0.81, 4: 0.2},
        30.0,
        Legs({}, {}),
        late=LateWords(10.0, looked.of),
    )
    assert [one.chunk_id for one in fuse(candidates, weight=0.8, limit=2)] == [1, 2]
    assert looked.asked == [3]
    assert [one.chunk_id for one in fuse(candidates, weight=0.8)] == [1, 2, 3, 4]


def test_a_search_finds_what_it_would_find_with_all_words_known(tmp_path: Path) -> None:
    words = "heron duck swift water flight count note river stone reed".split()
    texts = [" ".join(words[(n * m) % 10] for m in range(1, 3 + n % 5)) + f" number {n}" for n in range(90)]
    documents = [Document(f"{n}.txt", text, "text/plain", language="en") for n, text in enumerate(texts)]
    with Library(tmp_path / "library", settings=Settings(embedder="hash:64", candidates=10)) as library:
        library.add_documents(documents, source="made")
        searcher = library.searcher()
        embedder = searcher.embedder
        assert embedder is not None
        retriever = Retriever(searcher.ledger, searcher.indexes.lexical, searcher.indexes.vectors)
        for question in ("herons on the river", "which stone", "count the ducks in flight over water"):
            for weight in (0.0, 0.2, 0.8, 1.0):
                request = Request(question, k=5, candidates=10, cosine_weight=weight, explain=True)
                found = retriever.search(request, lambda texts: embedder.embed(texts, "query"))
                candidates = retriever._candidates(request, lambda texts: embedder.embed(texts, "query"))
                assert candidates.late is not None
                every = fuse(candidates, weight=weight)  # looks everything up
                scores = {one.chunk_id: (one.score, one.scores, one.ranks) for one in every}
                assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
                assert all((hit.score, hit.scores, hit.ranks) == scores[hit.chunk_id] for hit in found)
                assert {hit.chunk_id for hit in found} <= {one.chunk_id for one in every}


def test_where_all_chunks_with_the_words_are_listed_nothing_is_looked_up(tmp_path: Path) -> None:
    documents = [Document("one.txt", "a heron", "text/plain", language="en")]
    with Library(tmp_path / "library", settings=Settings(embedder="hash:64")) as library:
        library.add_documents(documents, source="made")
        searcher = library.searcher()
        retriever = Retriever(searcher.ledger, searcher.indexes.lexical, searcher.indexes.vectors)
        assert retriever._candidates(Request("heron"), None).late is None
