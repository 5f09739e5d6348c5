"""The trials that are about answering: when to answer, how sure to be, and which sentences to quote.

Each is judged by a measure of its own, on the questions that know it. Where too few do, the
setting stays and the notes say why; where none of them can be tried, nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.answer.confidence import CALIBRATION as SHIPPED
from openbook.lab.significance import paired_difference, significant
from openbook.lab.tuning_answers import (
    DISTANCES,
    FEWEST_QUOTED,
    FEWEST_WITHOUT,
    Answers,
    balanced,
    enough,
    thresholds,
    weighed,
)
from openbook.lab.tuning_calibration import (
    COIN,
    FEWEST_TO_FIT,
    Examples,
    described,
    probabilities,
    refitted,
    sureness,
)
from openbook.lab.tuning_trials import Part, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.calibrating import FittedCalibration
    from openbook.lab.tuning_questions import Asked, Parts
    from openbook.library import Library
    from openbook.types import Progress

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]

DECISIONS: Final = "balanced accuracy of answering"
SURENESS: Final = "1 - Brier score of confidence"
QUOTES: Final = "F1 of quotes"


@dataclass(frozen=True, slots=True)
class Measured:
    """A trial, and its measure as the library is, on the test part."""

    trial: Trial
    level: float


class Answering:
    """The answering side of one tuning. `notes` say what stays and why; they grow with the trials."""

    def __init__(
        self,
        library: Library,
        asked: Sequence[Asked],
        parts: Parts,
        groups: Sequence[int],
        *,
        fixed: Collection[str],
        progress: Callable[[Progress], None],
    ) -> None:
        """Ask every question that any of the trials needs."""
        self._library = library
        self._asked = asked
        self._groups = groups
        self._answerable = np.array([one.answerable for one in asked])
        self._everything = Part.of(parts, groups, [True] * len(asked))
        self._quoted = Part.of(parts, groups, [bool(one.golds()) and one.answerable for one in asked])
        self.decides = enough(asked, parts)
        """Whether the threshold can be judged."""
        self._calibrates = enough(asked, parts, fewest=FEWEST_TO_FIT)
        quoted = self._quoted.counts()
        self._quotes = sum(quoted.values()) >= FEWEST_QUOTED and min(quoted.values()) > 0
        self._quotes = self._quotes and "sentence_distance" not in fixed
        self.notes = self._what_stays()
        wanted = self._everything if self.decides else self._quoted
        positions = np.concatenate([wanted.train, wanted.validation, wanted.test])
        needed = positions if self.decides or self._quotes else positions[:0]
        self._answers = Answers(library, asked, needed, progress)

    def _what_stays(self) -> tuple[str, ...]:
        notes = []
        if not self.decides:
            notes.append(
                f"answer_threshold stays: each part needs {FEWEST_WITHOUT} questions without an answer, "
                "or more."
            )
        if not self._calibrates:
            notes.append(
                f"The calibration stays: each part needs {FEWEST_TO_FIT} questions without an answer, "
                "or more."
            )
        if not self._quotes:
            notes.append(
                f"sentence_distance stays: it needs {FEWEST_QUOTED} questions, or more, that people asked "
                "and that a quote is known for."
            )
        return tuple(notes)

    def threshold(self, fitted: FittedCalibration | None) -> Measured | None:
        """The threshold of confidence that divides questions with an answer best from those without.

        With `fitted`, of the confidence that this calibration gives.
        """
        if not self.decides:
            return None
        part, current = self._everything, self._library.settings.answer_threshold

        def values(threshold: float, positions: Positions) -> Floats:
            sure = self._answers.confidences(positions)
            if fitted is not None:
                sure = probabilities(self._examples(positions), fitted.calibration)
            return balanced(sure, self._answerable[positions], threshold)

        best = max(
            thresholds(current),
            key=lambda one: (round(float(values(one, part.train).mean()), 9), -abs(one - current)),
        )
        settings = ({"answer_threshold": current}, {"answer_threshold": best})
        trial = part.trial(
            "answer_threshold", DECISIONS, settings, lambda p: (values(best, p), values(current, p))
        )
        if fitted is not None:
            self.notes = (*self.notes, "answer_threshold was judged with the new calibration.")
        present = balanced(self._answers.confidences(part.test), self._answerable[part.test], current)
        return Measured(trial, float(present.mean()))

    def sentences(self) -> Measured | None:
        """The distance from the best sentence whose quotes fit the gold quotes best."""
        if not self._quotes:
            return None
        part, current = self._quoted, self._library.settings.sentence_distance
        values = self._answers.quote_f1
        best = max(
            sorted({*DISTANCES, current}),
            key=lambda one: (round(float(values(one, part.train).mean()), 9), -abs(one - current)),
        )
        settings = ({"sentence_distance": current}, {"sentence_distance": best})
        trial = part.trial(
            "sentence_distance", QUOTES, settings, lambda p: (values(best, p), values(current, p))
        )
        return Measured(trial, float(values(current, part.test).mean()))

    def calibration(self) -> Measured | None:
        """The map from signals to confidence, drawn to the shipped one."""
        embedder = self._library.embedder()
        if not self._calibrates or embedder is None:
            return None
        part = self._everything
        present = self._answers.calibration or SHIPPED
        fitted = refitted(self._examples(part.train), present, embedder.fingerprint)
        after = present if fitted is None else fitted.calibration

        def sure(positions: Positions) -> tuple[Floats, Floats]:
            examples = self._examples(positions)
            return probabilities(examples, after), probabilities(examples, present)

        def values(positions: Positions) -> tuple[Floats, Floats]:
            new, old = sure(positions)
            truth = self._answerable[positions]
            return sureness(new, truth), sureness(old, truth)

        trial = part.trial("calibration", SURENESS, (described(present), described(after)), values)
        veto = "" if fitted is None else self._veto(*sure(part.test), part.test)
        if veto and trial.validation > 0 and trial.test.low > 0:
            self.notes = (*self.notes, f"The calibration stays: {veto}.")
        trial = replace(trial, calibration=fitted, harmful=bool(veto))
        return Measured(trial, float(values(part.test)[1].mean()))

    def _examples(self, positions: Positions) -> Examples:
        groups = [self._groups[int(position)] for position in positions]
        return Examples.of(self._answers.signals(positions), self._answerable[positions], groups)

    def _veto(self, new: Floats, old: Floats, positions: Positions) -> str:
        """Why a calibration must not be adopted on the test part, however right it is on average."""
        truth, threshold = self._answerable[positions], self._library.settings.answer_threshold
        groups = [self._groups[int(position)] for position in positions]
        coin = weighed(np.full(len(truth), COIN), truth)
        known = paired_difference(sureness(new, truth).tolist(), coin.tolist(), groups=groups)
        if not (significant(known) and known.low > 0):
            return "on the test part it is not surely better than a coin"
        if balanced(new, truth, threshold).mean() < balanced(old, truth, threshold).mean() - 1e-9:
            return f"with answer_threshold {threshold:g} it would decide worse what to answer"
        return ""
