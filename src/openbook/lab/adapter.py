"""Learns a linear map of the questions' side from questions and the chunks that answer them.

Each question has positives, the chunks that answer it, and hard negatives,
chunks that the search ranks high and that do not. Two ways to learn W:

    closed form   W = I + a · D Qᵀ (Q Qᵀ + b I)⁻¹, ridge regression of the steps D from
                  what is wrongly near to what is right on the questions Q, shrunk to the
                  identity by a small a and a large b
    gradient      Adam (Kingma and Ba 2015) on the contrastive loss InfoNCE (van den Oord, Li
                  and Vinyals 2018) over the negatives and other questions' positives, with a
                  penalty on the distance to the identity, stopped early

The validation part chooses the strengths and the better of the two, by nDCG@10
of the whole search, words included; the test part decides once whether it is adopted.

Refused: PyTorch (a square matrix needs a page of numpy), and adapting the
chunks' side (everything would have to be embedded again).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.adapting import Adapter, adapter_of
from openbook.errors import UsageError
from openbook.lab.significance import Difference, paired_difference, significant
from openbook.lab.tuning_questions import groups_of, split
from openbook.lab.tuning_scores import Scores
from openbook.types import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from openbook.lab.tuning_questions import Asked
    from openbook.library import Library

    Matrix = NDArray[np.float32]

Watcher = Callable[[Progress], None]

STRENGTHS: Final = (0.1, 0.2, 0.4, 0.8)
RIDGES: Final = (0.3, 1.0, 3.0, 10.0, 30.0)
"""`a` and `b` of the closed form. The mean eigenvalue of Q Qᵀ is questions / dimension, below 1 mostly."""
PENALTIES: Final = (0.01, 0.1)
NEGATIVES: Final = 30
POSITIVES: Final = 4
STEPS: Final = 200
LOOK_EVERY: Final = 10
PATIENCE: Final = 4
"""Looks at the validation part without a better value before the gradient stops."""
RATE: Final = 0.002
TEMPERATURE: Final = 0.05
FEWEST_PAIRS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A question's unit vector, shape (dimension,), and the unit rows of what is right and wrongly near."""

    question: Matrix
    right: Matrix
    wrong: Matrix


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned: the better way, what each way gained on validation, and the gain on the test part.

    `adapter` is None where no map was better than none on the validation part;
    `test` is then None too. `adopted` tells whether the library uses it now.
    """

    parts: Mapping[str, int]
    pairs: int
    validation: Mapping[str, float]
    way: str
    before: float
    test: Difference | None
    adapter: Adapter | None
    adopted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def convincing(self) -> bool:
        """Whether the test part confirms it."""
        return self.test is not None and significant(self.test) and self.test.p < 0.05 and self.test.low > 0


def learn_adapter(
    library: Library,
    asked: Sequence[Asked],
    *,
    seed: int = 0,
    dry_run: bool = False,
    progress: Watcher = lambda _: None,
) -> Learned:
    """Learn an adapter and adopt it if the test part confirms it. An adapter in use is replaced, not refined.

    Raises UsageError for too few questions, and for a library without vectors.
    """
    answerable = [one for one in asked if one.answerable]
    parts = split(answerable, seed=seed)
    scores = Scores(library, answerable, progress=progress)
    plain = replace(scores.current(), adapter=None)
    pairs = [pair for i in parts.train.tolist() if (pair := _pair(scores, int(i))) is not None]
    if len(pairs) < FEWEST_PAIRS:
        raise UsageError(
            f"Only {len(pairs)} questions of the training part have vectors to learn from; expected "
            f"{FEWEST_PAIRS} at least."
        )
    bar = float(scores.values(plain, parts.validation).mean())

    def gain(adapter: Adapter) -> float:
        return float(scores.values(replace(plain, adapter=adapter), parts.validation).mean()) - bar

    best: dict[str, tuple[float, Adapter | None]] = {"closed form": (0.0, None), "gradient": (0.0, None)}
    for way, learned in _learned(pairs, scores.fingerprint, gain, progress):
        value = gain(learned)
        if round(value, 9) > round(best[way][0], 9):
            best[way] = (value, learned)
    way = max(best, key=lambda name: best[name][0])
    adapter = best[way][1]
    current = scores.current()
    old = scores.values(current, parts.test)
    found = Learned(
        {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)},
        len(pairs),
        {name: value for name, (value, _) in best.items()},
        way if adapter is not None else "",
        float(old.mean()),
        None,
        adapter,
    )
    if adapter is None:
        return found
    groups = groups_of(answerable)
    new = scores.values(replace(plain, adapter=adapter), parts.test)
    difference = paired_difference(
        new.tolist(), old.tolist(), groups=[groups[i] for i in parts.test.tolist()]
    )
    found = replace(found, test=difference)
    if dry_run or not found.convincing:
        return found
    measured = {"questions": len(parts.test), "gain": difference.mean}
    measured |= {"low": difference.low, "high": difference.high, "p": difference.p}
    library.adopt({}, adapter=adapter, measured=measured)
    return replace(found, adopted=True)


def _pair(scores: Scores, number: int) -> Pair | None:
    """What there is to learn from a question; None if its answer has no vector or nothing is near it."""
    question = scores.vectors[number]
    answers = scores.vectors_of(scores.answers(number))
    ordered = sorted(answers, key=lambda chunk: -float(answers[chunk] @ question))[:POSITIVES]
    ranked = scores.ranking(replace(scores.current(), adapter=None), number, NEGATIVES)
    near = [group[0] for group in ranked if group[0] not in answers and not scores.right(number, group)]
    negatives = scores.vectors_of(near)
    if not ordered or not negatives:
        return None
    return Pair(
        question,
        np.stack([answers[chunk] for chunk in ordered]),
        np.stack([negatives[chunk] for chunk in near if chunk in negatives]),
    )


def _learned(
    pairs: Sequence[Pair], fingerprint: str, gain: Callable[[Adapter], float], progress: Watcher
) -> Iterator[tuple[str, Adapter]]:
    """Yield (way, adapter) for every strength of both ways."""
    total = len(STRENGTHS) * len(RIDGES) + len(PENALTIES)
    done = 0
    for ridge in RIDGES:
        for strength in STRENGTHS:
            yield "closed form", adapter_of(closed_form(pairs, strength, ridge), fingerprint)
            done += 1
            progress(Progress("learning", done, total))
    for penalty in PENALTIES:
        matrix = gradient(pairs, penalty, lambda one: gain(adapter_of(one, fingerprint)))
        yield "gradient", adapter_of(matrix, fingerprint)
        done += 1
        progress(Progress("learning", done, total))


def closed_form(pairs: Sequence[Pair], strength: float, ridge: float) -> Matrix:
    """I + strength · D Qᵀ (Q Qᵀ + ridge I)⁻¹, shape (dimension, dimension).

    The columns of Q are questions; those of D lead from the mean of the
    negatives to the mean of the positives.
    """
    questions = np.stack([pair.question for pair in pairs]).astype(np.float64).T
    steps = np.stack([pair.right.mean(axis=0) - pair.wrong.mean(axis=0) for pair in pairs]).T
    # (Q Qᵀ + b I)⁻¹ Q = Q (Qᵀ Q + b I)⁻¹, a smaller system where questions are fewer than dimensions.
    small = questions.T @ questions + ridge * np.eye(questions.shape[1])
    change = strength * steps @ np.linalg.solve(small, questions.T)
    matrix: Matrix = (np.eye(len(questions)) + change).astype(np.float32)
    return matrix


def gradient(pairs: Sequence[Pair], penalty: float, value: Callable[[Matrix], float]) -> Matrix:
    """The best matrix, by `value`, that was met on the way down the contrastive loss.

    Looks every few steps and stops when several looks have found nothing better.
    """
    dimension = len(pairs[0].question)
    identity = np.eye(dimension, dtype=np.float32)
    matrix, best = identity.copy(), (0.0, identity)
    mean: Matrix = np.zeros_like(matrix)
    square: Matrix = np.zeros_like(matrix)
    waited = 0
    for step in range(1, STEPS + 1):
        slope = slope_of(pairs, matrix) + 2 * np.float32(penalty) * (matrix - identity)
        mean += np.float32(0.1) * (slope - mean)
        square += np.float32(0.001) * (slope**2 - square)
        matrix = matrix - RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        if step % LOOK_EVERY:
            continue
        found = value(matrix)
        waited = 0 if found > best[0] else waited + 1
        best = max(best, (found, matrix.copy()), key=lambda pair: pair[0])
        if waited == PATIENCE:
            break
    return best[1]


def loss_of(pairs: Sequence[Pair], matrix: Matrix) -> float:
    """The mean contrastive loss: how little probability falls on what is right (InfoNCE)."""
    total = 0.0
    for number, pair in enumerate(pairs):
        rows, right = _compared(pairs, number)
        mapped = matrix @ pair.question
        logits = rows @ (mapped / np.linalg.norm(mapped)) / TEMPERATURE
        total += float(_log_sum(logits) - _log_sum(logits[:right]))
    return total / len(pairs)


def slope_of(pairs: Sequence[Pair], matrix: Matrix) -> Matrix:
    """The derivative of `loss_of` by the matrix."""
    slope = np.zeros_like(matrix)
    for number, pair in enumerate(pairs):
        rows, right = _compared(pairs, number)
        mapped = matrix @ pair.question
        length = np.linalg.norm(mapped)
        unit = mapped / length
        logits = rows @ unit / TEMPERATURE
        weights = np.exp(logits - _log_sum(logits))
        weights[:right] -= np.exp(logits[:right] - _log_sum(logits[:right]))
        by_unit = rows.T @ weights / TEMPERATURE
        by_mapped = (by_unit - unit * float(unit @ by_unit)) / length
        slope += np.outer(by_mapped, pair.question).astype(np.float32)
    return slope / np.float32(len(pairs))


def _compared(pairs: Sequence[Pair], number: int) -> tuple[Matrix, int]:
    """All rows that a question chooses among, the right ones first, and how many those are."""
    own = pairs[number]
    others = [pair.right[:1] for place, pair in enumerate(pairs) if place != number]
    # Another question's answer may answer this one too; as a negative it would teach the wrong thing.
    strangers = [row for row in others if not np.any(own.right @ row[0] > 0.95)]
    return np.concatenate([own.right, own.wrong, *strangers]), len(own.right)


def _log_sum(logits: Matrix) -> np.float32:
    top = logits.max()
    total: np.float32 = top + np.log(np.exp(logits - top).sum())
    return total
