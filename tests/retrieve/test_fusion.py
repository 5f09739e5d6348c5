"""Laws of fusion: what must hold for any scores."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from openbook.retrieve import Candidates, fuse
from openbook.types import Legs

IDS = st.integers(1, 40)
WORDS = st.dictionaries(IDS, st.floats(0.01, 30), max_size=20)
COSINES = st.dictionaries(IDS, st.floats(-1, 1), max_size=20)
NO_RANKS: Legs[dict[int, int]] = Legs({}, {})


@given(WORDS, COSINES, st.floats(0, 1))
def test_every_candidate_of_either_leg_is_ranked_once_and_best_first(
    words: dict[int, float], cosines: dict[int, float], weight: float
) -> None:
    ranking = fuse(Candidates(words, cosines, max(words.values(), default=0), NO_RANKS), weight=weight)
    assert sorted(candidate.chunk_id for candidate in ranking) == sorted(words.keys() | cosines.keys())
    assert all(a.score >= b.score for a, b in itertools.pairwise(ranking))


@given(WORDS, COSINES, st.floats(0, 1))
def test_the_order_of_the_arguments_does_not_matter(
    words: dict[int, float], cosines: dict[int, float], weight: float
) -> None:
    best = max(words.values(), default=0)
    reversed_words, reversed_cosines = dict(reversed(words.items())), dict(reversed(cosines.items()))
    backward = fuse(Candidates(reversed_words, reversed_cosines, best, NO_RANKS), weight=weight)
    assert fuse(Candidates(words, cosines, best, NO_RANKS), weight=weight) == backward


@given(st.dictionaries(IDS, st.tuples(st.floats(0.01, 30), st.floats(-1, 1)), min_size=1, max_size=20))
def test_the_score_is_the_stated_convex_combination(scores: dict[int, tuple[float, float]]) -> None:
    words = {key: bm25 for key, (bm25, _) in scores.items()}
    cosines = {key: cosine for key, (_, cosine) in scores.items()}
    best = max(words.values())
    for candidate in fuse(Candidates(words, cosines, best, NO_RANKS), weight=0.8):
        expected = 0.8 * cosines[candidate.chunk_id] + 0.2 * words[candidate.chunk_id] / best
        assert abs(candidate.score - expected) < 1e-9
        assert abs(candidate.from_cosine + candidate.from_words - candidate.score) < 1e-9


@given(WORDS)
def test_without_vectors_the_order_is_that_of_the_words(words: dict[int, float]) -> None:
    ranking = fuse(Candidates(words, None, max(words.values(), default=0), NO_RANKS), weight=0.8)
    expected = sorted(words, key=lambda key: (-words[key], key))
    assert [words[candidate.chunk_id] for candidate in ranking] == [words[key] for key in expected]


@given(WORDS, COSINES)
def test_a_chunk_without_a_vector_counts_as_the_least_similar(
    words: dict[int, float], cosines: dict[int, float]
) -> None:
    best = max(words.values(), default=0)
    ranking = fuse(Candidates(words, cosines, best, NO_RANKS), weight=0.8)
    floor = min(cosines.values(), default=0.0)
    for candidate in ranking:
        if candidate.chunk_id not in cosines:
            assert candidate.scores.vector is None
            assert candidate.from_cosine == 0.8 * floor or not cosines


@given(WORDS, COSINES, st.integers(0, 10))
def test_a_limit_cuts_and_changes_nothing(
    words: dict[int, float], cosines: dict[int, float], limit: int
) -> None:
    candidates = Candidates(words, cosines, max(words.values(), default=0), NO_RANKS)
    assert fuse(candidates, weight=0.8, limit=limit) == fuse(candidates, weight=0.8)[:limit]
