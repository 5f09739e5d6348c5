"""How sure a library is of its answers, and from where on it should give them.

Judged is the decision to answer, by balanced accuracy: the mean of how often a
question with an answer gets one and how often one without gets none. So it
does not matter how many of each there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.types import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.lab.tuning_questions import Asked, Parts
    from openbook.library import Library

FEWEST_WITHOUT: Final = 3
"""Questions without an answer in each part."""


def enough(asked: Sequence[Asked], parts: Parts) -> bool:
    """Whether there are questions without an answer in every part to learn from."""
    return all(
        sum(not asked[int(position)].answerable for position in part) >= FEWEST_WITHOUT
        for part in (parts.train, parts.validation, parts.test)
    )


def confidences(
    library: Library, asked: Sequence[Asked], progress: Callable[[Progress], None]
) -> NDArray[np.float64]:
    """The library's confidence in its own quotes, for each question."""
    found = []
    for number, one in enumerate(asked, start=1):
        found.append(library.ask(one.text, history=one.history, model="none").confidence)
        progress(Progress("answering", number, len(asked)))
    return np.array(found, dtype=np.float64)


def thresholds(current: float) -> list[float]:
    """The thresholds that are tried."""
    return sorted({current, *(number / 100 for number in range(20, 85, 5))})


def balanced(
    sure: NDArray[np.float64], answerable: NDArray[np.bool_], threshold: float
) -> NDArray[np.float64]:
    """A value for each question whose mean is the balanced accuracy of answering from `threshold` on."""
    right = (sure >= threshold) == answerable
    sizes = np.where(answerable, answerable.sum(), (~answerable).sum())
    values: NDArray[np.float64] = right * len(right) / (2 * sizes)
    return values
