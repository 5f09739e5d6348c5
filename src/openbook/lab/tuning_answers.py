"""Every question of a tuning asked once, and what other thresholds, calibrations and distances would answer.

Reading the evidence and embedding its sentences is what an answer costs. That is done once a question;
how sure the library is under another calibration, and what it would quote with another distance of
sentences, follows from what is kept.

The decision to answer is judged by balanced accuracy: the mean of how often a
question with an answer gets one and how often one without gets none. So it
does not matter how many of each there are. Quotes are judged by the F1 of their words against
the gold quotes (`openbook.lab.answer_judging`). A question that is not answered counts 0, and so does one
of whose quotes none shares half of its words with a gold quote: any two sentences of a language share
some, and the shorter of two wrong answers would otherwise be the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.answering import Grounds, Manner
from openbook.asking import Asker, Limits, wish_of
from openbook.lab.answer_judging import judge
from openbook.tuned import calibration_in_use
from openbook.types import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.answer.calibration import Calibration
    from openbook.answer.confidence import Features
    from openbook.answering import Found, Looked
    from openbook.lab.tuning_questions import Asked, Parts
    from openbook.library import Library

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]

FEWEST_WITHOUT: Final = 3
"""Questions without an answer in each part."""
FEWEST_QUOTED: Final = 20
"""Questions with gold quotes, in all parts together."""
DISTANCES: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)


class Answers:
    """What a library says to questions, without a language model."""

    def __init__(
        self,
        library: Library,
        asked: Sequence[Asked],
        positions: Positions,
        progress: Callable[[Progress], None],
    ) -> None:
        """Ask the questions at these positions."""
        self._asked = asked
        settings = library.settings
        searcher = library.searcher()
        calibration, _ = calibration_in_use(searcher.ledger, searcher.ledger.settings(), searcher.embedder)
        self.calibration: Calibration | None = calibration
        """The library's own, where it keeps one."""
        asker = Asker(
            Grounds(searcher.ledger, searcher.indexes.lexical, searcher.embedder, calibration),
            search=library.search,
            model=None,
            manner=Manner(threshold=settings.answer_threshold, sentence_distance=settings.sentence_distance),
            limits=Limits(settings.agent_steps, settings.agent_tokens, settings.agent_seconds),
            evidence_tokens=settings.evidence_tokens,
        )
        self._answerer = asker.answerer()
        self._known: dict[int, tuple[Found, Looked]] = {}
        for number, position in enumerate(positions.tolist(), start=1):
            one = asked[position]
            found = asker.found(wish_of(one.text, {"history": one.history}))
            self._known[position] = found, self._answerer.look(found)
            progress(Progress("answering", number, len(positions)))

    def confidences(self, positions: Positions) -> Floats:
        """How sure the library is of its answers, as it is."""
        return np.array([self._known[i][1].confidence for i in positions.tolist()], dtype=np.float64)

    def signals(self, positions: Positions) -> list[Features]:
        """What the confidence is made of."""
        return [self._known[i][1].signals for i in positions.tolist()]

    def quote_f1(self, distance: float, positions: Positions) -> Floats:
        """How well what is quoted with this distance fits the gold quotes; 0 where it misses them."""
        answerer = replace(self._answerer, sentence_distance=distance)
        found = []
        for position in positions.tolist():
            answer = answerer.answer(*self._known[position])
            measures = judge(answer, golds=self._asked[position].golds())
            found.append(measures["quote_f1"] if measures.get("citations_on_gold") else 0.0)
        return np.array(found, dtype=np.float64)


def enough(asked: Sequence[Asked], parts: Parts, *, fewest: int = FEWEST_WITHOUT) -> bool:
    """Whether there are questions without an answer in every part to learn from."""
    return all(
        sum(not asked[int(position)].answerable for position in part) >= fewest
        for part in (parts.train, parts.validation, parts.test)
    )


def thresholds(current: float) -> list[float]:
    """The thresholds that are tried."""
    return sorted({current, *(number / 100 for number in range(20, 85, 5))})


def balanced(sure: Floats, answerable: NDArray[np.bool_], threshold: float) -> Floats:
    """A value for each question whose mean is the balanced accuracy of answering from `threshold` on."""
    return weighed((sure >= threshold) == answerable, answerable)


def weighed(values: NDArray[np.bool_] | Floats, answerable: NDArray[np.bool_]) -> Floats:
    """Values whose mean is the mean of both kinds' means: each kind of question counts half."""
    sizes = np.where(answerable, answerable.sum(), (~answerable).sum())
    found: Floats = values * len(values) / (2 * sizes)
    return found
