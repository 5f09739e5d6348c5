"""How probable it is that the evidence answers the question.

A logistic regression over a few signals that a person could check: how near
the best sentences are, how many of the question's words are there at all,
whether words and meaning agree on the place. The weights are numbers below,
fitted by `scripts/fit_confidence.py` on questions whose answers are known;
the same script reports how well they do on questions that they were not
fitted on.

Refused: a threshold on one cosine (it knows nothing of the words), features
that only tell the style of a question (its length separates the two kinds in
one test set and misleads in the other), and a language model as a judge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from openbook.answer.ranking import Ranking, SentenceRanker, worded
from openbook.types import Evidence, Hit

NEAR = 5


@dataclass(frozen=True, slots=True)
class Features:
    """What the confidence is judged by. Shares are 0 to 1; cosines 0 without an embedder.

    sentence       cosine of the best-ranked sentence under its heading
    pair           best cosine of a sentence together with the one before it
    chunk          cosine of the nearest hit
    lead           by how much the nearest hit leads the mean of the next few
    sentence_lead  the same for the scores of sentences
    coverage       share of the question's words, weighted by rarity, in the
                   piece of evidence that holds most of them
    together       the same, in all evidence
    in_sentence    the same, in the best-ranked sentence
    unknown        share of the question's words that occur nowhere
    words          BM25 of the best hit, per unit of the question's rarity
    agreement      how well the two legs agree on the best hit: 1 if both put it first
    """

    sentence: float = 0.0
    pair: float = 0.0
    chunk: float = 0.0
    lead: float = 0.0
    sentence_lead: float = 0.0
    coverage: float = 0.0
    together: float = 0.0
    in_sentence: float = 0.0
    unknown: float = 0.0
    words: float = 0.0
    agreement: float = 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of a logistic regression: probability = 1 / (1 + exp(-(bias + Σ weight · feature)))."""

    bias: float
    weights: Mapping[str, float]

    def probability(self, features: Features) -> float:
        """Probability (0 to 1) that the evidence answers the question."""
        known = {field.name: getattr(features, field.name) for field in fields(features)}
        total = self.bias + sum(weight * known[name] for name, weight in self.weights.items())
        # Both forms of the logistic function, so that exp() never overflows.
        return 1 / (1 + math.exp(-total)) if total >= 0 else math.exp(total) / (1 + math.exp(total))


def features(
    ranker: SentenceRanker, ranking: Ranking, evidence: Sequence[Evidence], hits: Sequence[Hit]
) -> Features:
    """The features of an answer to be. `hits` are those that the evidence came from, best first."""
    if not hits or not evidence:
        return Features()
    cosines = sorted((hit.scores.vector or 0.0 for hit in hits), reverse=True)
    texts = [worded(piece) for piece in evidence]
    scores = [sentence.score for sentence in ranking.sentences]
    best = ranking.sentences[0] if ranking.sentences else None
    rarity = sum(ranking.weights.values())
    return Features(
        sentence=(best.cosine or 0.0) if best is not None else 0.0,
        pair=ranking.pair_cosine or 0.0,
        chunk=cosines[0],
        lead=_lead(cosines),
        sentence_lead=_lead(scores),
        coverage=max(ranker.coverage(ranking, text) for text in texts),
        together=ranker.coverage(ranking, " ".join(texts)),
        in_sentence=best.overlap if best is not None else 0.0,
        unknown=len(ranking.unknown) / len(ranking.weights) if ranking.weights else 0.0,
        words=max(hit.scores.lexical or 0.0 for hit in hits) / rarity if rarity else 0.0,
        agreement=1 / max(_rank(hits[0].ranks.lexical), _rank(hits[0].ranks.vector)),
    )


def probability(features: Features, *, words_only: bool = False) -> float:
    """The shipped calibration. `words_only` where there is no embedder, so that no cosine counts."""
    return (WORDS_ONLY if words_only else CALIBRATION).probability(features)


def _lead(descending: Sequence[float]) -> float:
    following = descending[1 : 1 + NEAR]
    return descending[0] - sum(following) / len(following) if following else 0.0


def _rank(rank: int | None) -> int:
    return 1000 if rank is None else rank


CALIBRATION: Final = Calibration(
    bias=-4.0,
    weights={"sentence": 2.0, "pair": 4.0, "coverage": 1.5, "unknown": -1.0},
)
WORDS_ONLY: Final = Calibration(bias=-2.0, weights={"coverage": 3.0})
