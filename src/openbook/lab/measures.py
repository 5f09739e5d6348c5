"""Measures of ranking, of refusing to answer, and of time.

Ranking measures come from ir-measures, which many published results were
computed with. AUROC and F1 of "not found" are not among them; they are ten
lines here. Refused: our own nDCG.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from openbook.errors import MissingExtra

if TYPE_CHECKING:
    from ir_measures.measures import Measure

RANKING: Final = (
    "ndcg@10", "recall@10", "recall@100", "mrr", "hit@1", "hit@3", "hit@5", "hit@10",
)  # fmt: skip
"""Names of the ranking measures, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class BestF1:
    """The best F1 of "not found" over all thresholds, and the confidence below which it is reached."""

    f1: float
    threshold: float


def ranking_measures(
    grades: Mapping[str, Mapping[str, int]], runs: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """Return the mean of every ranking measure over the queries of `grades`.

    See `ranking_values`, which gives them for each query.
    """
    return means(ranking_values(grades, runs))


def ranking_values(
    grades: Mapping[str, Mapping[str, int]], runs: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Return measure → query → value, for every query of `grades`, in their order.

    `grades` maps query → document → grade; `runs` maps query → documents, best
    first, none twice. A query without a run counts as finding nothing. "hit@k"
    is 1 with a relevant document among the first k, "mrr" 1/rank of the first.
    Raises MissingExtra without ir-measures.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("Measuring", extra="eval") from error
    measures = _measures()
    names = {measure: name for name, measure in measures.items()}
    qrels = [
        ir_measures.Qrel(query, document, grade)
        for query, judged in grades.items()
        for document, grade in judged.items()
    ]
    run = [
        ir_measures.ScoredDoc(query, document, float(-rank))
        for query, documents in runs.items()
        if query in grades
        for rank, document in enumerate(documents)
    ]
    values = {name: dict.fromkeys(grades, 0.0) for name in measures}
    for found in ir_measures.iter_calc(list(measures.values()), qrels, run):
        values[names[found.measure]][found.query_id] = float(found.value)
    return values


def means(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each measure over its questions; not a number (nan) where there are none."""
    return {name: math.fsum(of.values()) / len(of) if of else math.nan for name, of in values.items()}


def _measures() -> dict[str, Measure]:
    from ir_measures import RR, R, Success, nDCG

    values = (nDCG @ 10, R @ 10, R @ 100, RR, Success @ 1, Success @ 3, Success @ 5, Success @ 10)
    return dict(zip(RANKING, values, strict=True))


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float | None:
    """Return how often a positive scores above a negative; a tie counts half.

    This is the area under the ROC curve (Mann and Whitney, 1947): 0.5 is
    guessing, 1 is perfect. None where either side is empty.
    """
    if not positives or not negatives:
        return None
    ordered = sorted([(score, 1) for score in positives] + [(score, 0) for score in negatives])
    ranks, start = 0.0, 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end][0] != ordered[start][0]:
            ranks += (start + end + 1) / 2 * sum(kind for _, kind in ordered[start:end])
            start = end
    wins = ranks - len(positives) * (len(positives) + 1) / 2
    return wins / (len(positives) * len(negatives))


def best_f1(answerable: Sequence[float], unanswerable: Sequence[float]) -> BestF1 | None:
    """Return the best F1 of calling a question "not found" when its confidence is below a threshold.

    Thresholds lie between neighbouring confidences, and beyond the last.
    """
    if not answerable or not unanswerable:
        return None
    values = sorted({*answerable, *unanswerable})
    thresholds = [(low + high) / 2 for low, high in pairwise(values)] + [values[-1] + 1e-9]
    return max(
        (BestF1(not_found_f1(answerable, unanswerable, threshold), threshold) for threshold in thresholds),
        key=lambda best: (best.f1, -best.threshold),
    )


def not_found_f1(answerable: Sequence[float], unanswerable: Sequence[float], threshold: float) -> float:
    """Return the F1 of "not found" (confidence below `threshold`) for unanswerable questions."""
    right = sum(score < threshold for score in unanswerable)
    wrong = sum(score < threshold for score in answerable)
    return 2 * right / (len(unanswerable) + right + wrong) if right else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that at least `share` (0 to 1) of them do not exceed."""
    ordered = sorted(values)
    position = math.ceil(share * len(ordered)) - 1
    return ordered[min(max(position, 0), len(ordered) - 1)]
