"""Signals are measured as documented; the calibration behaves as a probability."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook.answer.calibration import Calibration
from openbook.answer.confidence import CALIBRATION, WORDS_ONLY, Features, features, probability
from openbook.answer.ranking import SentenceRanker
from openbook.embed import HashEmbedder
from openbook.types import Evidence, Hit

from .conftest import content_words

MakeEvidence = Callable[..., Evidence]
MakeHit = Callable[..., Hit]
shares = st.floats(0, 1)


def test_features_of_an_answer_that_is_there(
    ranker: SentenceRanker, make_evidence: MakeEvidence, make_hit: MakeHit
) -> None:
    question = "what joins two tables"
    evidence = [make_evidence(1, "A key joins two tables."), make_evidence(2, "Rain fell.", document_id=2)]
    hits = [make_hit("A key joins two tables."), make_hit("Rain fell.", document_id=2)]
    ranking = ranker.rank(question, evidence)
    found = features(ranker, ranking, evidence, hits)
    assert found.coverage == found.best == 1.0
    assert found.unknown == 0.0
    assert found.chunk == 0.6
    assert found.agreement == 0.5
    assert found.lead == pytest.approx(0.0)
    assert found.words == pytest.approx(4.0 / sum(ranking.weights.values()))
    assert 0 < found.sentence <= 1
    assert 0 < found.pair <= 1


def test_an_answer_that_is_there_is_more_probable(
    ranker: SentenceRanker, make_evidence: MakeEvidence, make_hit: MakeHit
) -> None:
    evidence = [make_evidence(1, "A key joins two tables.")]
    hits = [make_hit("A key joins two tables.")]

    def judged(question: str) -> float:
        return probability(features(ranker, ranker.rank(question, evidence), evidence, hits))

    assert judged("a key joins two tables") > judged("where did the rain fall")


def test_no_evidence_no_features(ranker: SentenceRanker) -> None:
    assert features(ranker, ranker.rank("anything", []), [], []) == Features()


def test_rarity_comes_from_the_library_where_it_is_known(make_evidence: MakeEvidence) -> None:
    counts = {"rare": 1, "common": 90}
    ranker = SentenceRanker(
        content_words=content_words,
        embed=HashEmbedder(64).embed,
        frequencies=lambda words: [counts.get(word, 0) for word in words],
        chunk_count=100,
    )
    ranking = ranker.rank("rare common missing", [make_evidence(1, "A rare thing.")])
    assert ranking.unknown == {"missing"}
    assert ranking.weights["missing"] > ranking.weights["rare"] > ranking.weights["common"] > 0
    assert ranking.weights["rare"] == pytest.approx(math.log(1 + 99.5 / 1.5))
    assert ranker.coverage(ranking, "rare") < ranker.coverage(ranking, "rare common") < 1


def test_a_ranking_is_made_once(make_evidence: MakeEvidence) -> None:
    calls: list[int] = []
    embedder = HashEmbedder(64)

    def counted(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return [0] * len(texts)

    ranker = SentenceRanker(
        content_words=content_words, embed=embedder.embed, frequencies=counted, chunk_count=1
    )
    evidence = [make_evidence(1, "One. Two.")]
    assert ranker.rank("one two", evidence) is ranker.rank("one two", evidence)
    assert calls == [2]


@given(shares, shares, shares)
def test_more_of_a_good_sign_is_never_less_probable(one: float, other: float, third: float) -> None:
    for calibration in (CALIBRATION, WORDS_ONLY):
        for name in calibration.weights:
            values = dict.fromkeys(calibration.weights, third)
            low, high = sorted((one, other))
            less = calibration.probability(Features(**{**values, name: low}))
            assert 0.0 <= less <= calibration.probability(Features(**{**values, name: high})) <= 1.0


def test_extreme_sums_do_not_overflow() -> None:
    assert Calibration(1e6, {}).probability(Features()) == 1.0
    assert Calibration(-1e6, {}).probability(Features()) == 0.0


def test_the_shipped_numbers_tell_something_from_nothing() -> None:
    assert probability(Features()) < 0.05
    assert probability(Features(pair=0.9, coverage=1.0)) > 0.9
    assert probability(Features(), words_only=True) < 0.2
    assert probability(Features(coverage=1.0, best=1.0, words=1.0), words_only=True) > 0.7
