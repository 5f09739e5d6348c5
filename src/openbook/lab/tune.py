"""Fits a library's settings to questions, and adopts only what a test part confirms.

    train        each setting alone, and all together, takes the value that ranks best here
    validation   of these configurations one is chosen, or none
    test         looked at once for the decision: a gain counts if its 95 % interval lies above 0
                 and a paired randomisation test gives p < .05 (Holm's correction where two decide)

The other configurations' gains on the test part are shown beside it and decide nothing.

Ranking settings come first, cheapest first: the weight of cosines and the
number of candidates need no other vectors, the surroundings need vectors that
follow from the stored ones, the size of chunks needs everything embedded again
(in a temporary copy, only where it is asked for). The threshold of confidence
below which nothing is answered is judged by itself, on questions with and without an answer.

Refused: adopting the best of the test part (with a dozen configurations the luckiest
one always gains), and an optimiser over all settings at once: with some dozens
of questions it finds what is peculiar to them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.lab.significance import Difference, holm, paired_difference, significant
from openbook.lab.tuning_chunks import other_chunks
from openbook.lab.tuning_questions import groups_of, split
from openbook.lab.tuning_scores import Configuration, Scores
from openbook.lab.tuning_threshold import balanced, confidences, enough, thresholds
from openbook.types import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.lab.tuning_questions import Asked, Parts
    from openbook.library import Library

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]

Watcher = Callable[[Progress], None]

COSINE_WEIGHTS: Final = (0.0, 0.2, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
SURROUNDINGS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
CANDIDATES: Final = (50, 100, 200, 400)
NOT_FROM_WORDS: Final = ("cosine_weight", "candidates")
"""What questions made of the documents' own words say nothing about: they favour search by words."""
TOGETHER: Final = "together"
RANKING: Final = "nDCG@10"
DECISIONS: Final = "balanced accuracy of answering"


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that were fitted, and by how much `measure` rises with them on each part.

    `chosen` marks what validation chose, the only one that may be adopted;
    `p` is its p-value, corrected where several decide.
    """

    name: str
    measure: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    train: float
    validation: float
    test: Difference
    chosen: bool = False
    p: float | None = None

    @property
    def convincing(self) -> bool:
        """Whether it may be adopted."""
        return (
            self.chosen
            and self.p is not None
            and self.p < 0.05
            and significant(self.test)
            and self.test.low > 0
        )


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning found. `parts` counts questions; `levels` are the measures before, on the test part.

    `adopted` holds the settings that were changed; it is empty where nothing
    convinced, and on a dry run, where `convincing` tells what would have been.
    """

    parts: Mapping[str, int]
    levels: Mapping[str, float]
    trials: tuple[Trial, ...]
    adopted: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def convincing(self) -> dict[str, float]:
        """The settings that the test part confirmed."""
        return {name: value for one in self.trials if one.convincing for name, value in one.after.items()}


def tune(
    library: Library,
    asked: Sequence[Asked],
    *,
    seed: int = 0,
    chunks: bool = False,
    fixed: Collection[str] = (),
    dry_run: bool = False,
    progress: Watcher = lambda _: None,
) -> Tuned:
    """Fit the library's settings to questions and adopt what convinces (see the module's description).

    `fixed` names settings that stay: `NOT_FROM_WORDS` for questions that were made of the
    documents' own words. `chunks` tries other sizes of chunks as well, which embeds a copy of the
    library for each. Raises UsageError for too few questions, and for a
    library that is searched by words alone.
    """
    parts = split(asked, seed=seed)
    groups = groups_of(asked)
    scores = Scores(library, asked, progress=progress)
    ranking = _Part.of(asked, parts, groups, answerable_only=True)
    trials = list(_ranking_trials(scores, ranking, fixed, progress))
    if chunks:
        trials += _chunk_trials(library, scores, ranking, progress)
    trials = _with_choice(trials)
    everything = _Part.of(asked, parts, groups, answerable_only=False)
    notes: tuple[str, ...] = ()
    levels = {RANKING: float(scores.values(scores.current(), ranking.test).mean())}
    if enough(asked, parts):
        found = _threshold_trial(library, asked, everything, progress)
        trials += _with_choice([found.trial])
        levels[DECISIONS] = found.level
    else:
        notes = ("answer_threshold stays: each part needs three questions without an answer, or more.",)
    tuned = Tuned(ranking.counts(), levels, _corrected(trials), notes=notes)
    if dry_run or not tuned.convincing:
        return tuned
    library.adopt(tuned.convincing, measured=_measured(tuned), progress=progress)
    return replace(tuned, adopted=tuned.convincing)


@dataclass(frozen=True, slots=True)
class _Part:
    """Positions of the questions of each part that count for a measure, and every question's group."""

    train: Positions
    validation: Positions
    test: Positions
    groups: Sequence[int]

    @classmethod
    def of(
        cls, asked: Sequence[Asked], parts: Parts, groups: Sequence[int], *, answerable_only: bool
    ) -> _Part:
        wanted = np.array([one.answerable or not answerable_only for one in asked])
        train, validation, test = (part[wanted[part]] for part in (parts.train, parts.validation, parts.test))
        return cls(train, validation, test, groups)

    def counts(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    def trial(
        self,
        name: str,
        measure: str,
        settings: tuple[Mapping[str, float], Mapping[str, float]],
        values: Callable[[Positions], tuple[Floats, Floats]],
    ) -> Trial:
        """Compare settings (before, after); `values` gives each question's value after and before."""
        gains = []
        for part in (self.train, self.validation):
            new, old = values(part)
            gains.append(float(new.mean() - old.mean()))
        new, old = values(self.test)
        groups = [self.groups[int(position)] for position in self.test]
        difference = paired_difference(new.tolist(), old.tolist(), groups=groups)
        return Trial(name, measure, settings[0], settings[1], gains[0], gains[1], difference)


def _ranking_trials(
    scores: Scores, part: _Part, fixed: Collection[str], progress: Watcher
) -> Iterator[Trial]:
    current = scores.current()

    def values_of(name: str, values: Sequence[float]) -> list[float]:
        own = getattr(current, name)
        return [own] if name in fixed else sorted({*values, own})

    def trained(configuration: Configuration) -> float:
        return float(scores.values(configuration, part.train).mean())

    def best(name: str, configurations: Sequence[Configuration]) -> Configuration:
        """The best on the training part; the current one, or the nearest to it, where several are."""
        progress(Progress(f"trying {name}", 0, 0))
        return max(configurations, key=lambda one: (round(trained(one), 9), -_distance(one, current)))

    weights = values_of("cosine_weight", COSINE_WEIGHTS)
    numbers = [int(number) for number in values_of("candidates", CANDIDATES)]
    around = [replace(current, surroundings_weight=s) for s in values_of("surroundings_weight", SURROUNDINGS)]
    weight = best("cosine_weight", [replace(current, cosine_weight=w) for w in weights])
    number = best("candidates", [replace(current, candidates=n) for n in numbers])
    surroundings = best("surroundings_weight", around)
    grid = [replace(one, cosine_weight=w, candidates=number.candidates) for one in around for w in weights]
    together = best("all together", [current, *grid])
    for name, chosen in (
        ("cosine_weight", weight),
        ("candidates", number),
        ("surroundings_weight", surroundings),
        (TOGETHER, together),
    ):

        def values(positions: Positions, chosen: Configuration = chosen) -> tuple[Floats, Floats]:
            return scores.values(chosen, positions), scores.values(current, positions)

        yield part.trial(name, RANKING, _changes(current, chosen), values)


def _distance(one: Configuration, current: Configuration) -> float:
    return (
        abs(one.cosine_weight - current.cosine_weight)
        + abs(one.surroundings_weight - current.surroundings_weight)
        + abs(one.candidates - current.candidates) / 1000
    )


def _changes(current: Configuration, chosen: Configuration) -> tuple[dict[str, float], dict[str, float]]:
    """What differs: names with the values before, and with the values after."""
    names = ("cosine_weight", "candidates", "surroundings_weight")
    changed = [name for name in names if getattr(current, name) != getattr(chosen, name)]
    return {n: getattr(current, n) for n in changed}, {n: getattr(chosen, n) for n in changed}


def _chunk_trials(library: Library, scores: Scores, part: _Part, progress: Watcher) -> list[Trial]:
    """Chunks of another size, the one that ranks best on the training part; other settings as they are."""
    everyone = np.concatenate([part.train, part.validation, part.test])
    known = dict(zip(everyone.tolist(), scores.values(scores.current(), everyone), strict=True))
    sizes: dict[int, dict[int, float]] = {}
    for size, other in other_chunks(library, scores.asked, progress):
        sizes[size] = dict(zip(everyone.tolist(), other.values(scores.current(), everyone), strict=True))
    if not sizes:
        return []

    def of(values: Mapping[int, float], positions: Positions) -> Floats:
        return np.array([values[int(position)] for position in positions])

    size = max(sizes, key=lambda one: float(of(sizes[one], part.train).mean()))
    settings = ({"chunk_tokens": library.settings.chunk_tokens}, {"chunk_tokens": size})
    return [part.trial("chunk_tokens", RANKING, settings, lambda p: (of(sizes[size], p), of(known, p)))]


@dataclass(frozen=True, slots=True)
class _Threshold:
    trial: Trial
    level: float


def _threshold_trial(library: Library, asked: Sequence[Asked], part: _Part, progress: Watcher) -> _Threshold:
    """The threshold of confidence that divides questions with an answer best from those without."""
    sure = confidences(library, asked, progress)
    answerable = np.array([one.answerable for one in asked])
    current = library.settings.answer_threshold

    def values(threshold: float, positions: Positions) -> Floats:
        return balanced(sure[positions], answerable[positions], threshold)

    best = max(
        thresholds(current),
        key=lambda one: (round(float(values(one, part.train).mean()), 9), -abs(one - current)),
    )
    settings = ({"answer_threshold": current}, {"answer_threshold": best})
    trial = part.trial(
        "answer_threshold", DECISIONS, settings, lambda p: (values(best, p), values(current, p))
    )
    return _Threshold(trial, float(values(current, part.test).mean()))


def _with_choice(trials: Sequence[Trial]) -> list[Trial]:
    """Mark the one that gains most on the validation part, if any gains and changes anything."""
    able = [one for one in trials if one.before != one.after and one.validation > 0]
    if not able:
        return list(trials)
    # Of equals the one that changes less.
    best = max(able, key=lambda one: (round(one.validation, 9), -len(one.after)))
    return [replace(one, chosen=one is best) for one in trials]


def _corrected(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    corrected = iter(holm([one.test.p for one in trials if one.chosen]))
    return tuple(replace(one, p=next(corrected)) if one.chosen else one for one in trials)


def _measured(tuned: Tuned) -> dict[str, float]:
    measured: dict[str, float] = {"questions": tuned.parts["test"]}
    for one in tuned.trials:
        if one.convincing:
            measured |= {
                f"{one.name} gain": one.test.mean,
                f"{one.name} low": one.test.low,
                f"{one.name} high": one.test.high,
                f"{one.name} p": one.test.p,
            }
    return measured
