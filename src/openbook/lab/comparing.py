"""Several configurations of a library measured on the same questions, and what the differences are worth.

A configuration is a few settings, such as "cosine_weight=0.7,candidates=400".
Those that only searching and answering depend on are changed in the open library, in
memory. Those that its indexes depend on (chunk_tokens, surroundings_weight,
embedder, precision) are measured on a temporary copy, made from the ledger, in
which only texts that were never seen are embedded; the library stays as it is.

Each configuration is compared with the first, question by question. The p-values
of one measure are corrected for the number of configurations (Holm), not for
the number of measures: decide beforehand which measure counts.

Refused: comparing means without their questions (the same gain can be luck or law),
and a grid of all combinations (that is `openbook tune`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from openbook.errors import UsageError
from openbook.lab.significance import (
    Difference,
    Interval,
    bootstrap_interval,
    holm,
    paired_difference,
)

if TYPE_CHECKING:
    from openbook.lab.evaluate import Evaluation, Watcher
    from openbook.library import Library

SEARCHING: Final = (
    "k", "candidates", "cosine_weight", "title_weight", "evidence_tokens", "answer_threshold",
    "sentence_distance", "answer_tokens", "model", "model_threshold", "strategy",
)  # fmt: skip
"""Settings that are tried in the open library."""
INDEXING: Final = ("chunk_tokens", "surroundings_weight", "embedder", "precision")
"""Settings that are tried in a copy."""
DECIDING: Final = ("ndcg@10", "quote_f1", "answer_f1", "abstention_accuracy", "answered")
"""Of these measures the first that there is decides which questions got better or worse."""

Measure = Callable[["Library"], "Evaluation"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Changed settings, or another library, under the name that a person gave it."""

    name: str
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def rebuilt(self) -> bool:
        """Whether it needs indexes of its own."""
        return any(name in INDEXING for name in self.changes)


@dataclass(frozen=True, slots=True)
class Measured:
    """One configuration with what was measured, and the intervals of all means over questions."""

    configuration: Configuration
    evaluation: Evaluation
    intervals: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Contrast:
    """How a measure differs from the first configuration's, over the `questions` that both have.

    `corrected` is the p-value corrected for the number of configurations.
    """

    difference: Difference
    corrected: float
    questions: int


@dataclass(frozen=True, slots=True)
class Change:
    """A question that a configuration made better or worse, with both values of the deciding measure.

    Ranks are those of the first right hit, from 1; None where none was found,
    or where places are not labelled.
    """

    question: str
    before: float
    after: float
    rank_before: int | None
    rank_after: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All configurations, the first of which is the one that the others are compared with.

    `contrasts` and `changes` hold those of each other configuration, in order:
    by measure, and by question, the most improved first.
    """

    measured: tuple[Measured, ...]
    contrasts: tuple[Mapping[str, Contrast], ...] = ()
    changes: tuple[tuple[Change, ...], ...] = ()
    deciding: str = ""


def configuration_of(text: str) -> Configuration:
    """Read "k=20,candidates=400". Raises UsageError for what cannot be tried like this."""
    changes: dict[str, str] = {}
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not value:
            raise UsageError(f"{part!r} in {text!r} is no setting; expected NAME=VALUE[,NAME=VALUE…].")
        if name not in SEARCHING + INDEXING:
            known = ", ".join(SEARCHING + INDEXING)
            raise UsageError(f"The setting {name!r} in {text!r} cannot be compared; expected one of {known}.")
        if name in changes:
            raise UsageError(f"The setting {name!r} stands twice in {text!r}; expected once.")
        changes[name] = value
    return Configuration(text, changes)


def intervals_of(evaluation: Evaluation) -> dict[str, Interval]:
    """The 95 % interval of each measure that has one; the questions of a conversation are drawn together."""
    return {
        **evaluation.intervals,
        **{
            name: bootstrap_interval(list(values.values()), groups=_groups(values, evaluation.clusters))
            for name, values in evaluation.questions.items()
            if values
        },
    }


@contextmanager
def configured(
    library: Library, configuration: Configuration, progress: Watcher = lambda _: None
) -> Iterator[Library]:
    """The library as it would be with this configuration, for a `with` block.

    Nothing of it stays. `library` itself must not be searched by other threads
    meanwhile. Raises UsageError for values that do not fit, and what embedding raises.
    """
    place = f"the configuration {configuration.name!r}"
    wanted = library.settings.updated(configuration.changes, source=place)
    if configuration.rebuilt:
        searching = {name: value for name, value in configuration.changes.items() if name not in INDEXING}
        with (
            TemporaryDirectory(prefix="openbook-compare-") as folder,
            _copied(library, configuration, Path(folder), progress) as copy,
        ):
            copy.settings = copy.settings.updated(searching, source=place)
            yield copy
        return
    before = library.settings
    library.settings = wanted
    try:
        yield library
    finally:
        library.settings = before


def compare(
    library: Library,
    configurations: Sequence[Configuration],
    measure: Measure,
    *,
    against: Mapping[str, Library] | None = None,
    progress: Watcher = lambda _: None,
) -> Comparison:
    """Measure the library as it is, then each configuration, then other libraries by name.

    `measure` evaluates one library. All values are checked before anything is
    measured. Raises what `configured` and `measure` do.
    """
    for configuration in configurations:
        library.settings.updated(configuration.changes, source=f"the configuration {configuration.name!r}")
    found = [_measured(Configuration("as it is"), measure(library))]
    for configuration in configurations:
        with configured(library, configuration, progress) as changed:
            found.append(_measured(configuration, measure(changed)))
    for name, other in (against or {}).items():
        found.append(_measured(Configuration(name), measure(other)))
    return contrasted(found)


def contrasted(measured: Sequence[Measured]) -> Comparison:
    """Compare what was measured with the first of it."""
    first, others = measured[0].evaluation, [one.evaluation for one in measured[1:]]
    names = [name for name in first.questions if any(name in other.questions for other in others)]
    contrasts: list[dict[str, Contrast]] = [{} for _ in others]
    for name in names:
        found = {number: pair for number, other in enumerate(others) if (pair := _paired(name, first, other))}
        corrected = holm([difference.p for difference, _ in found.values()])
        for (number, (difference, count)), p in zip(found.items(), corrected, strict=True):
            contrasts[number][name] = Contrast(difference, p, count)
    deciding = next((name for name in DECIDING if first.questions.get(name)), "")
    changes = tuple(_changes(deciding, first, other) for other in others)
    return Comparison(tuple(measured), tuple(contrasts), changes, deciding)


def _measured(configuration: Configuration, evaluation: Evaluation) -> Measured:
    return Measured(configuration, evaluation, intervals_of(evaluation))


def _paired(name: str, first: Evaluation, other: Evaluation) -> tuple[Difference, int] | None:
    """The difference of one measure over the questions that both have a value for."""
    old, new = first.questions[name], other.questions.get(name, {})
    both = [question for question in old if question in new]
    if not both:
        return None
    groups = [first.clusters.get(question, question) for question in both]
    found = paired_difference([new[q] for q in both], [old[q] for q in both], groups=groups)
    return found, len(both)


def _changes(deciding: str, first: Evaluation, other: Evaluation) -> tuple[Change, ...]:
    old, new = first.questions.get(deciding, {}), other.questions.get(deciding, {})
    changes = [
        Change(question, old[question], new[question], rank_of(first, question), rank_of(other, question))
        for question in old
        if question in new and abs(new[question] - old[question]) > 1e-9
    ]
    return tuple(sorted(changes, key=lambda change: change.before - change.after))


def rank_of(evaluation: Evaluation, question: str) -> int | None:
    """The 1-based rank of the first right hit; None where none was found or no place is labelled."""
    reciprocal = evaluation.questions.get("mrr", {}).get(question, 0.0)
    return round(1 / reciprocal) if reciprocal else None


def _groups(values: Mapping[str, float], clusters: Mapping[str, str]) -> list[str] | None:
    return [clusters.get(question, question) for question in values] if clusters else None


@contextmanager
def _copied(
    library: Library, configuration: Configuration, folder: Path, progress: Watcher
) -> Iterator[Library]:
    """A copy of the library whose indexes are made with this configuration."""
    from openbook.index.ledger import LEDGER_NAME, Ledger
    from openbook.library import Library

    with Ledger(library.path / LEDGER_NAME, read_only=True) as ledger:
        ledger.snapshot(folder / LEDGER_NAME)
    changes = configuration.changes
    another = "embedder" in changes or "precision" in changes
    wanted = {name: changes[name] for name in ("embedder", "precision") if name in changes}
    settings = library.settings.updated(wanted, source=f"the configuration {configuration.name!r}")
    given = library.embedder() if library.embedder_given and not another else None
    with Library(folder, settings=settings, embedder=given) as copy:
        stored: dict[str, float] = {}
        if "surroundings_weight" in changes:
            stored["surroundings_weight"] = float(changes["surroundings_weight"])
        if another or "chunk_tokens" in changes:  # another model's tokens are others: cut and embed again
            stored["chunk_tokens"] = int(changes.get("chunk_tokens", library.settings.chunk_tokens))
        copy.adopt(stored, progress=progress)
        copy.searcher()  # sees the settings just stored, which would else replace those set after this
        yield copy
