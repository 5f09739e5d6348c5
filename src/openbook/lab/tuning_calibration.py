"""The confidence of answers fitted to a library's own questions, with and without an answer.

A logistic regression over the signals of the shipped calibration. Its numbers are drawn towards
the shipped ones by a penalty, whose strength crossed validation on the training part chooses;
the present calibration is among the choices, and stays where nothing is clearly better. Both
kinds of questions weigh the same, so that a confidence of one half goes on meaning "as likely as not".

    Σ share · log loss + strength / 2 · (Σ (change of weight · spread of signal)² + change of mean² / 10)

Judged is 1 - the Brier score (Brier 1950), which rewards a confidence that
is right and punishes one that is sure and wrong. A confidence that says one half to everything
reaches .75; what is not surely better than that on the test part is not adopted, however wrong the
present one is, and neither is what answers worse at the library's threshold.

Refused: isotonic regression and weights for all nine signals, for which a few dozen questions are
too few; and Platt's scaling alone, which cannot tell which of the signals misleads here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.answer.calibration import Calibration
from openbook.answer.confidence import CALIBRATION
from openbook.calibrating import FittedCalibration
from openbook.lab.tuning_answers import weighed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.answer.confidence import Features

    Floats = NDArray[np.float64]
    Truth = NDArray[np.bool_]

FEWEST_TO_FIT: Final = 4
"""Questions without an answer in each part: three numbers are fitted to those of the training part."""
STRENGTHS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
COIN: Final = 0.75
"""1 - the Brier score of a confidence that is always one half."""
_FOLDS: Final = 5
_BIAS_PENALTY: Final = 0.1
"""How much less a change of the confidence as a whole costs than one of a signal's weight."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Signals of questions, shape (questions, signals), and whether each has an answer."""

    rows: Floats
    answerable: Truth
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, signals: Sequence[Features], answerable: Truth, groups: Sequence[int]) -> Examples:
        """The signals that the shipped calibration weighs."""
        names = tuple(CALIBRATION.weights)
        rows = np.array([[getattr(one, name) for name in names] for one in signals], dtype=np.float64)
        return cls(rows.reshape(-1, len(names)), answerable, np.array(groups, dtype=np.int64))

    def only(self, wanted: Truth) -> Examples:
        """Some of them."""
        return Examples(self.rows[wanted], self.answerable[wanted], self.groups[wanted])


def refitted(examples: Examples, present: Calibration, fingerprint: str) -> FittedCalibration | None:
    """The calibration that crossed validation chooses; None where that is the present one.

    Of those that are within one standard error of the best it is the one that moves least
    (Breiman, Friedman, Olshen and Stone 1984), and the present one moves nothing.
    """
    choices: list[tuple[float | None, Floats]] = [(None, probabilities(examples, present))]
    choices += [(strength, _crossed(examples, strength)) for strength in sorted(STRENGTHS, reverse=True)]
    values = [(strength, sureness(found, examples.answerable)) for strength, found in choices]
    best = max((found for _, found in values), key=lambda found: float(found.mean()))
    strength = next(strength for strength, found in values if _as_good(found, best))
    if strength is None:
        return None
    numbers = _fit(examples, strength).round(4).tolist()
    return FittedCalibration(
        fingerprint, numbers[0], dict(zip(CALIBRATION.weights, numbers[1:], strict=True))
    )


def probabilities(examples: Examples, calibration: Calibration) -> Floats:
    """The confidence of each question under a calibration of the same signals."""
    weights = np.array([calibration.weights.get(name, 0.0) for name in CALIBRATION.weights])
    return _logistic(examples.rows @ weights + calibration.bias)


def sureness(confidences: Floats, answerable: Truth) -> Floats:
    """A value for each question whose mean is 1 - the Brier score, both kinds of questions alike."""
    return weighed(1.0 - (confidences - answerable) ** 2, answerable)


def described(calibration: Calibration) -> dict[str, float]:
    """The numbers of a calibration by name."""
    return {"bias": calibration.bias, **calibration.weights}


def _as_good(found: Floats, best: Floats) -> bool:
    """Whether the mean of these values is within one standard error of the best one's."""
    behind = best - found
    return bool(behind.mean() <= behind.std() / len(behind) ** 0.5 + 1e-12)


def _crossed(examples: Examples, strength: float) -> Floats:
    """The confidence of each question under a calibration that was fitted without its fold."""
    folds = _folds(examples)
    found = np.zeros(len(examples.rows))
    for fold in np.unique(folds):
        held = folds == fold
        numbers = _fit(examples.only(~held), strength)
        found[held] = _logistic(examples.rows[held] @ numbers[1:] + numbers[0])
    return found


def _folds(examples: Examples) -> NDArray[np.int64]:
    """A fold for each question: whole groups, those with unanswerable questions dealt out first."""
    chance = np.random.default_rng(0)
    without = set(examples.groups[~examples.answerable].tolist())
    order = chance.permutation(np.unique(examples.groups)).tolist()
    order.sort(key=lambda group: group not in without)
    number = max(2, min(_FOLDS, len(without)))
    fold_of = {group: place % number for place, group in enumerate(order)}
    return np.array([fold_of[group] for group in examples.groups.tolist()], dtype=np.int64)


def _fit(examples: Examples, strength: float) -> Floats:
    """Bias and weights that minimise the loss above, by Newton's method; the problem is convex."""
    truth = examples.answerable.astype(np.float64)
    shares = weighed(np.ones(len(truth)), examples.answerable)
    centre, spread = examples.rows.mean(axis=0), examples.rows.std(axis=0) + 1e-6
    design = np.column_stack([np.ones(len(truth)), (examples.rows - centre) / spread])
    shipped = np.array([CALIBRATION.weights[name] for name in CALIBRATION.weights])
    start = np.array([CALIBRATION.bias + shipped @ centre, *(shipped * spread)])
    penalty = strength * np.array([_BIAS_PENALTY, *np.ones(len(shipped))])
    numbers = start.copy()
    for _ in range(100):
        guess = _logistic(design @ numbers)
        slope = design.T @ (shares * (guess - truth)) + penalty * (numbers - start)
        curve = (design.T * (shares * guess * (1 - guess))) @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        numbers -= step
        if float(np.abs(step).max()) < 1e-10:
            break
    weights = numbers[1:] / spread
    return np.array([numbers[0] - weights @ centre, *weights])


def _logistic(totals: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(totals, -50, 50)))
    return found
