"""How probable it is that the evidence answers the question.

A logistic regression over signals that a person could check. Its numbers stand
below, fitted by `scripts/fit_confidence.py` on questions whose answers are
known; the same script reports how well they do on questions, and on a kind of
documents, that they were not fitted on.

Refused, with the figures of that script: giving a weight to all nine signals.
In cross-validation the two that carry the shipped calibration reach an area
under the ROC curve of .81 on a book's questions and .89 on Wikipedia's, all
nine .77 and .87; fitted on the one set and asked of the other, two reach .81
and .89, nine .79 and .89. (The nearest chunk's cosine alone: .67 and .86.)
Those figures flatter a little: the two were chosen among many signals by
looking at them, and the book has only 20 questions without an answer. The
weights belong to the default model in int8; fit them again for another.

Refused too: the length of the question (in one set of questions the
unanswerable ones happen to be the shorter), and a language model as a judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from openbook.answer.calibration import Calibration
from openbook.answer.ranking import Ranking, SentenceRanker, worded
from openbook.types import Evidence, Hit

_FOLLOWING = 5
_UNRANKED = 1000


@dataclass(frozen=True, slots=True)
class Features:
    """The signals. Cosines are 0 without an embedder; shares, ranks and leads 0 to 1.

    pair       best cosine of the question with two neighbouring sentences:
               half of an answer often stands in each
    sentence   cosine of the best-ranked sentence under its heading
    chunk      cosine of the nearest hit
    lead       by how much it leads the mean of the next five hits
    coverage   share of the question's words, weighted by rarity, that stand in
               the first piece of evidence or its headings
    best       the same, in the piece that holds most of them
    unknown    share of the question's words that occur nowhere in the library
    words      BM25 of the best hit, per unit of the question's rarity
    agreement  1 over the worse of the two legs' ranks of the first hit
    """

    pair: float = 0.0
    sentence: float = 0.0
    chunk: float = 0.0
    lead: float = 0.0
    coverage: float = 0.0
    best: float = 0.0
    unknown: float = 0.0
    words: float = 0.0
    agreement: float = 0.0


def features(
    ranker: SentenceRanker, ranking: Ranking, evidence: Sequence[Evidence], hits: Sequence[Hit]
) -> Features:
    """The features of an answer to be. `hits` are those that the evidence came from, best first."""
    if not evidence or not hits:
        return Features()
    coverages = [ranker.coverage(ranking, worded(piece)) for piece in evidence]
    rarity = sum(ranking.weights.values())
    top = ranking.sentences[0] if ranking.sentences else None
    cosines = sorted((hit.scores.vector or 0.0 for hit in hits), reverse=True)
    following = cosines[1 : 1 + _FOLLOWING]
    return Features(
        pair=ranking.pair_cosine or 0.0,
        sentence=(top.cosine or 0.0) if top is not None else 0.0,
        chunk=cosines[0],
        lead=cosines[0] - sum(following) / len(following) if following else 0.0,
        coverage=coverages[0],
        best=max(coverages),
        unknown=len(ranking.unknown) / len(ranking.weights) if ranking.weights else 0.0,
        words=max(hit.scores.lexical or 0.0 for hit in hits) / rarity if rarity else 0.0,
        agreement=1 / max(hits[0].ranks.lexical or _UNRANKED, hits[0].ranks.vector or _UNRANKED),
    )


def early_features(
    ranker: SentenceRanker, question: str, evidence: Sequence[Evidence], hits: Sequence[Hit]
) -> Features:
    """The two features that are known before any sentence is looked at, `chunk` and `coverage`."""
    if not evidence or not hits:
        return Features()
    return Features(
        chunk=max(hit.scores.vector or 0.0 for hit in hits),
        coverage=ranker.coverage(ranker.weigh(question, evidence), worded(evidence[0])),
    )


def early_probability(features: Features, *, words_only: bool = False) -> float:
    """How probable it is, as far as `early_features` know: enough to leave a hopeless question alone."""
    return (EARLY_WORDS_ONLY if words_only else EARLY).probability(features)


def probability(features: Features, *, words_only: bool = False) -> float:
    """The shipped calibration. `words_only` where there is no embedder, so that no cosine counts."""
    return (WORDS_ONLY if words_only else CALIBRATION).probability(features)


CALIBRATION: Final = Calibration(bias=-4.859, weights={"pair": 6.608, "coverage": 2.494})
WORDS_ONLY: Final = Calibration(bias=-2.153, weights={"coverage": 1.070, "best": 1.116, "words": 1.196})
EARLY: Final = Calibration(bias=-3.367, weights={"chunk": 3.681, "coverage": 2.792})
"""In cross-validation .75 on the book's questions and .86 on Wikipedia's."""
EARLY_WORDS_ONLY: Final = Calibration(bias=-1.995, weights={"coverage": 3.633})
