"""Fits a library's settings to questions, and adopts only what a test part confirms.

    train        each setting alone, and all together, takes the value that ranks best here
    validation   of these configurations one is chosen, or none
    test         looked at once for the decision: a gain counts if its 95 % interval lies above 0
                 and a paired randomisation test gives p < .05 (corrected where several decide)

The other configurations' gains on the test part are shown beside it and decide nothing.

Ranking settings come first, cheapest first: the weights of cosines and titles and the
number of candidates need no other vectors, the surroundings need vectors that
follow from the stored ones, the size of chunks needs everything embedded again
(in a temporary copy, only where it is asked for). Three things are judged by measures of their
own, on questions that know them: the threshold of confidence below which nothing is answered and
the map from signals to that confidence (questions with and without an answer), and how far
below the best sentence another is still quoted (questions with gold quotes).

Refused: adopting the best of the test part (with a dozen configurations the luckiest
one always gains), and an optimiser over all settings at once: with some dozens
of questions it finds what is peculiar to them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from openbook.lab.tuning_answering import Answering, Measured
from openbook.lab.tuning_chunks import other_chunks
from openbook.lab.tuning_questions import groups_of, split
from openbook.lab.tuning_scores import Configuration, Scores
from openbook.lab.tuning_trials import Part, Trial, corrected, decided, with_choice
from openbook.tuned import CALIBRATION
from openbook.types import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbook.calibrating import FittedCalibration
    from openbook.lab.tuning_questions import Asked
    from openbook.library import Library

    Floats = NDArray[np.float64]
    Positions = NDArray[np.int64]

Watcher = Callable[[Progress], None]

COSINE_WEIGHTS: Final = (0.0, 0.2, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
SURROUNDINGS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
CANDIDATES: Final = (50, 100, 200, 400)
TITLES: Final = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
NOT_FROM_WORDS: Final = ("cosine_weight", "candidates", "title_weight", "sentence_distance")
"""What questions made of the documents' own words say nothing about: they favour these words."""
TOGETHER: Final = "together"
RANKING: Final = "nDCG@10"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a tuning found. `parts` counts questions; `levels` are the measures before, on the test part.

    `adopted` holds the settings that were changed; it is empty where nothing
    convinced, and on a dry run, where `convincing` tells what would have been.
    `calibration` is the map to confidence that the test part confirmed, and
    `calibrated` says that it was adopted.
    """

    parts: Mapping[str, int]
    levels: Mapping[str, float]
    trials: tuple[Trial, ...]
    adopted: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    calibrated: bool = False

    @property
    def convincing(self) -> dict[str, float]:
        """The settings that the test part confirmed."""
        return {
            name: value
            for one in self.trials
            if one.convincing and one.calibration is None
            for name, value in one.after.items()
        }

    @property
    def calibration(self) -> FittedCalibration | None:
        """The calibration that the test part confirmed."""
        return next((one.calibration for one in self.trials if one.convincing and one.calibration), None)


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
    ranking = Part.of(parts, groups, [bool(one.grades or one.needs) for one in asked])
    trials = list(_ranking_trials(scores, ranking, fixed, progress))
    if chunks:
        trials += _chunk_trials(library, scores, ranking, progress)
    trials = with_choice(trials)
    levels = {RANKING: float(scores.values(scores.current(), ranking.test).mean())}
    answering = Answering(library, asked, parts, groups, fixed=fixed, progress=progress)
    trials = _with_answering(trials, levels, answering)
    tuned = Tuned(ranking.counts(), levels, corrected(trials), notes=answering.notes)
    if dry_run or not (tuned.convincing or tuned.calibration):
        return tuned
    changes: dict[str, float | FittedCalibration] = dict(tuned.convincing)
    if tuned.calibration is not None:
        changes[CALIBRATION] = tuned.calibration
    library.adopt(changes, measured=_measured(tuned), progress=progress)
    return replace(tuned, adopted=tuned.convincing, calibrated=tuned.calibration is not None)


def _with_answering(trials: list[Trial], levels: dict[str, float], answering: Answering) -> list[Trial]:
    """The trials and those about answering, whose levels are put to the others.

    The calibration is decided before the threshold is fitted: a threshold means something only
    with the confidence that it will be compared with.
    """

    def taken(measured: Measured | None) -> None:
        nonlocal trials
        if measured is not None:
            trials = trials + with_choice([measured.trial])
            levels[measured.trial.measure] = measured.level

    taken(answering.calibration())
    taken(answering.sentences())
    trials = decided(trials, "calibration", more=int(answering.decides))
    fitted = next((one.calibration for one in trials if one.convincing and one.calibration), None)
    taken(answering.threshold(fitted))
    return trials


def _ranking_trials(scores: Scores, part: Part, fixed: Collection[str], progress: Watcher) -> Iterator[Trial]:
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
    title_weights = values_of("title_weight", TITLES)
    around = [replace(current, surroundings_weight=s) for s in values_of("surroundings_weight", SURROUNDINGS)]
    weight = best("cosine_weight", [replace(current, cosine_weight=w) for w in weights])
    number = best("candidates", [replace(current, candidates=n) for n in numbers])
    titles = best("title_weight", [replace(current, title_weight=t) for t in title_weights])
    surroundings = best("surroundings_weight", around)
    grid = [
        replace(one, cosine_weight=w, candidates=number.candidates, title_weight=t)
        for one in around
        for w in weights
        for t in sorted({current.title_weight, titles.title_weight})
    ]
    together = best("all together", [current, *grid])
    for name, chosen in (
        ("cosine_weight", weight),
        ("candidates", number),
        ("title_weight", titles),
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
        + abs(one.title_weight - current.title_weight)
        + abs(one.candidates - current.candidates) / 1000
    )


def _changes(current: Configuration, chosen: Configuration) -> tuple[dict[str, float], dict[str, float]]:
    """What differs: names with the values before, and with the values after."""
    names = ("cosine_weight", "candidates", "title_weight", "surroundings_weight")
    changed = [name for name in names if getattr(current, name) != getattr(chosen, name)]
    return {n: getattr(current, n) for n in changed}, {n: getattr(chosen, n) for n in changed}


def _chunk_trials(library: Library, scores: Scores, part: Part, progress: Watcher) -> list[Trial]:
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
