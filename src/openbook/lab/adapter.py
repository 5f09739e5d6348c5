"""Learns a linear map of the questions' side from questions and the chunks that answer them.

Each question has positives, the chunks that answer it, and hard negatives,
chunks that the search ranks high and that do not. Two ways to learn W:

    closed form   W = I + a · D Qᵀ (Q Qᵀ + b I)⁻¹, ridge regression of the steps D from
                  what is wrongly near to what is right on the questions Q, shrunk to the
                  identity by a small a and a large b
    gradient      Adam (Kingma and Ba 2015) on the contrastive loss InfoNCE (van den Oord, Li
                  and Vinyals 2018) over the negatives and other questions' positives, with a
                  penalty on the distance to the identity, stopped early

Questions made from the documents (`openbook.lab.made_questions`) may be learned from
too. They choose and confirm nothing: they are alike in ways that people's are not.

Validation chooses the strengths, the step to stop at and the better of the two, by
nDCG@10 of the whole search, words included. It is crossed: questions that are not
of the test part are divided into folds, and each fold is ranked by what was learned
from the others. The best is then learned from all of them, and the test part decides
once whether it is adopted.

Refused: PyTorch (a square matrix needs a page of numpy), and adapting the
chunks' side (everything would have to be embedded again), and a fixed validation
part: of a hundred questions it leaves forty to choose by, and sixty to learn from.
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
RIDGES: Final = (0.3, 1.0)
"""`a` and `b` of the closed form. The mean eigenvalue of Q Qᵀ is questions / dimension, below 1 mostly."""
PENALTIES: Final = (0.03,)
STEPS: Final = 60
LOOK_EVERY: Final = 15
"""Steps of the gradient at which it may be stopped."""
RATE: Final = 0.0005
TEMPERATURE: Final = 0.05
NEGATIVES: Final = 30
POSITIVES: Final = 4
FOLDS: Final = 4
FEWEST_PAIRS: Final = 8
_STRANGERS: Final = 100
"""Other questions' answers that a question is told from, at most."""
_SAME: Final = 0.95
"""Cosine above which a stranger's answer is taken for an answer."""
CLOSED: Final = "closed form"
GRADIENT: Final = "gradient"


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A question's unit vector, shape (dimension,), and the unit rows of what is right and wrongly near."""

    question: Matrix
    right: Matrix
    wrong: Matrix


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned from how many `pairs`, its gain in validation by way, and its gain on the test part.

    `way` is the better way with its strengths. `adapter` is None where no map
    was better than none in validation; `test` is then None too. `before` is
    nDCG@10 on the test part. `adopted` tells whether the library uses it now.
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
    made: Sequence[Asked] = (),
    seed: int = 0,
    dry_run: bool = False,
    progress: Watcher = lambda _: None,
) -> Learned:
    """Learn an adapter and adopt it if the test part confirms it. An adapter in use is replaced, not refined.

    `made` are questions made from the documents, to learn from besides. Raises
    UsageError for too few questions, and for a library without vectors.
    """
    answerable = [one for one in asked if one.answerable]
    parts = split(answerable, seed=seed)
    groups = groups_of(answerable)
    scores = Scores(library, answerable, progress=progress)
    known = np.concatenate([parts.train, parts.validation])
    pairs = {int(i): pair for i in known if (pair := _pair(scores, int(i))) is not None}
    if len(pairs) < FEWEST_PAIRS:
        raise UsageError(
            f"Only {len(pairs)} questions have an answer with a vector to learn from; expected "
            f"{FEWEST_PAIRS} at least."
        )
    more = _made_pairs(library, made, progress)
    gains = _validated(scores, pairs, more, (_folds(known, groups), progress))
    best = {
        way: max((k for k in gains if k.startswith(way)), key=gains.__getitem__) for way in (CLOSED, GRADIENT)
    }
    way = max(best.values(), key=gains.__getitem__)
    old = scores.values(scores.current(), parts.test)
    found = Learned(
        {"learning": len(known), "test": len(parts.test)},
        len(pairs) + len(more),
        {name: gains[key] for name, key in best.items()},
        way,
        float(old.mean()),
        None,
        None,
    )
    if gains[way] <= 0:
        return found
    adapter = adapter_of(dict(_learned([*pairs.values()], more))[way], scores.fingerprint)
    new = scores.values(replace(scores.current(), adapter=adapter), parts.test)
    drawn = [groups[i] for i in parts.test.tolist()]
    difference = paired_difference(new.tolist(), old.tolist(), groups=drawn)
    found = replace(found, test=difference, adapter=adapter)
    if dry_run or not found.convincing:
        return found
    measured = {"questions": len(parts.test), "gain": difference.mean}
    measured |= {"low": difference.low, "high": difference.high, "p": difference.p}
    library.adopt({}, adapter=adapter, measured=measured)
    return replace(found, adopted=True)


def _folds(positions: NDArray[np.int64], groups: Sequence[int]) -> list[NDArray[np.int64]]:
    """The positions in folds of about equal size, whole groups each, the largest groups first."""
    members: dict[int, list[int]] = {}
    for position in positions.tolist():
        members.setdefault(groups[position], []).append(position)
    folds: list[list[int]] = [[] for _ in range(FOLDS)]
    for group in sorted(members.values(), key=lambda one: (-len(one), one)):
        min(folds, key=len).extend(group)
    return [np.array(sorted(fold), dtype=np.int64) for fold in folds if fold]


def _made_pairs(library: Library, made: Sequence[Asked], progress: Watcher) -> list[Pair]:
    if not made:
        return []
    scores = Scores(library, made, progress=progress)
    return [pair for number in range(len(made)) if (pair := _pair(scores, number)) is not None]


def _validated(
    scores: Scores,
    pairs: Mapping[int, Pair],
    more: Sequence[Pair],
    how: tuple[Sequence[NDArray[np.int64]], Watcher],
) -> dict[str, float]:
    """What each way to learn gains, of questions that it did not learn from."""
    folds, progress = how
    plain = replace(scores.current(), adapter=None)
    gains: dict[str, float] = {}
    for number, fold in enumerate(folds, start=1):
        inside = set(fold.tolist())
        others = [pair for position, pair in pairs.items() if position not in inside]
        bar = scores.values(plain, fold).sum()
        for key, matrix in _learned(others, more) if others else ():
            adapter = adapter_of(matrix, scores.fingerprint)
            values = scores.values(replace(plain, adapter=adapter), fold)
            gains[key] = gains.get(key, 0.0) + float(values.sum() - bar)
        progress(Progress("learning", number, len(folds)))
    total = sum(map(len, folds))
    return {key: round(gain / total, 9) for key, gain in gains.items()}


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


def _learned(pairs: Sequence[Pair], more: Sequence[Pair]) -> Iterator[tuple[str, Matrix]]:
    """Yield (way with its strengths, matrix): both ways, all strengths, without and with made questions."""
    for learned_from, added in ((pairs, ""), ([*pairs, *more], ", with made questions")):
        if added and not more:
            return
        for ridge in RIDGES:
            for strength in STRENGTHS:
                matrix = closed_form(learned_from, strength, ridge)
                yield f"{CLOSED}, {strength:g} of a step, ridge {ridge:g}{added}", matrix
        for penalty in PENALTIES:
            for step, matrix in gradient(learned_from, penalty):
                yield f"{GRADIENT}, {step} steps, penalty {penalty:g}{added}", matrix


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


def gradient(pairs: Sequence[Pair], penalty: float) -> Iterator[tuple[int, Matrix]]:
    """Yield (step, matrix) every few steps down the contrastive loss, from the identity."""
    choices = choices_of(pairs)
    identity = np.eye(len(pairs[0].question), dtype=np.float32)
    matrix = identity
    mean: Matrix = np.zeros_like(matrix)
    square: Matrix = np.zeros_like(matrix)
    for step in range(1, STEPS + 1):
        slope = slope_of(choices, matrix) + 2 * np.float32(penalty) * (matrix - identity)
        mean = mean + np.float32(0.1) * (slope - mean)
        square = square + np.float32(0.001) * (slope**2 - square)
        evened = np.sqrt(square / np.float32(1 - 0.999**step)) + np.float32(1e-8)
        matrix = matrix - np.float32(RATE) * (mean / np.float32(1 - 0.9**step)) / evened
        if step % LOOK_EVERY == 0:
            yield step, matrix


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A question's vector and all rows that it chooses among, the `right` first ones being right."""

    question: Matrix
    rows: Matrix
    right: int


def choices_of(pairs: Sequence[Pair]) -> list[Choice]:
    """Each question with its own rows and the first right one of every other question."""
    firsts = np.concatenate([pair.right[:1] for pair in pairs])
    choices = []
    for number, pair in enumerate(pairs):
        # Another question's answer may answer this one too; as a negative it would teach the wrong thing.
        strange = (firsts @ pair.right.T).max(axis=1) <= _SAME
        strange[number] = False
        strange[np.flatnonzero(strange)[_STRANGERS:]] = False
        rows = np.concatenate([pair.right, pair.wrong, firsts[strange]])
        choices.append(Choice(pair.question, rows, len(pair.right)))
    return choices


def loss_of(choices: Sequence[Choice], matrix: Matrix) -> float:
    """The mean contrastive loss: how little probability falls on what is right (InfoNCE)."""
    total = 0.0
    for one in choices:
        mapped = matrix @ one.question
        logits = one.rows @ (mapped / np.linalg.norm(mapped)) / TEMPERATURE
        total += float(_log_sum(logits) - _log_sum(logits[: one.right]))
    return total / len(choices)


def slope_of(choices: Sequence[Choice], matrix: Matrix) -> Matrix:
    """The derivative of `loss_of` by the matrix."""
    questions = np.stack([one.question for one in choices])
    by_mapped = np.empty_like(questions)
    mapped = questions @ matrix.T
    for number, one in enumerate(choices):
        length = np.linalg.norm(mapped[number])
        unit = mapped[number] / length
        logits = one.rows @ unit / TEMPERATURE
        weights = np.exp(logits - _log_sum(logits))
        weights[: one.right] -= np.exp(logits[: one.right] - _log_sum(logits[: one.right]))
        by_unit = one.rows.T @ weights / TEMPERATURE
        by_mapped[number] = (by_unit - unit * float(unit @ by_unit)) / length
    slope: Matrix = by_mapped.T @ questions / np.float32(len(choices))
    return slope


def _log_sum(logits: Matrix) -> np.float32:
    top = logits.max()
    total: np.float32 = top + np.log(np.exp(logits - top).sum())
    return total
