"""Fits the numbers of `openbook.answer.confidence`, and says how far to trust them.

    python scripts/fit_confidence.py ../shared/data

reads the labelled questions of `clapnq/` and `r4ds-questions.jsonl`, asks them
of libraries built from their documents, and prints every signal's own area
under the ROC curve, the cross-validated area of the fitted model, and its area
on one set when it was fitted on the other. The last lines are the numbers to
put into `confidence.py`.

Both sets weigh the same, and within a set both kinds of questions, so that a
probability of one half means "as likely as not" whatever was asked more often.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from openbook.answer.confidence import (
    CALIBRATION,
    EARLY,
    EARLY_WORDS_ONLY,
    WORDS_ONLY,
    Features,
    features,
)
from openbook.answer.evidence import gather_evidence
from openbook.answer.ranking import SentenceRanker
from openbook.embed import Embedder
from openbook.embedders import open_embedder
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.lab.labelled_sets import read_beir, read_questions
from openbook.lab.measures import auroc
from openbook.library import Library
from openbook.retrieve import Request, Retriever
from openbook.settings import Settings, load_settings
from openbook.types import Hit

Vector: TypeAlias = NDArray[np.float64]
Asked: TypeAlias = list[tuple[str, bool]]
Measured: TypeAlias = Mapping[str, tuple[list[Features], Vector]]

PENALTY = 5.0
"""Weight of the squared coefficients (of standardised features) in the fit."""
FOLDS, REPEATS = 5, 10


def main() -> int:
    """Build the libraries, ask, fit, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with clapnq/, r4ds/ and r4ds-questions.jsonl")
    parser.add_argument("--libraries", type=Path, help="where to keep the libraries between runs")
    arguments = parser.parse_args()
    settings = load_settings()
    if open_embedder(settings) is None:
        sys.exit("The embedding model is not installed. Run: openbook model install")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.libraries or Path(scratch)
        sets = {
            "book": _book(arguments.data, folder, settings),
            "wikipedia": _wikipedia(arguments.data, folder, settings),
        }
        for title, names, words_only in (
            ("CALIBRATION", tuple(CALIBRATION.weights), False),
            ("EARLY", tuple(EARLY.weights), False),
            ("WORDS_ONLY", tuple(WORDS_ONLY.weights), True),
            ("EARLY_WORDS_ONLY", tuple(EARLY_WORDS_ONLY.weights), True),
        ):
            measured = {name: _measure(*asked, settings, words_only) for name, asked in sets.items()}
            _report(title, names, measured)
    return 0


def _book(data: Path, folder: Path, settings: Settings) -> tuple[Path, Asked]:
    with Library(folder / "book", settings=settings) as library:
        library.add(data / "r4ds")
    questions = read_questions(data / "r4ds-questions.jsonl")
    kinds = {"answerable": True, "unanswerable": False}
    return folder / "book", [(q.text, kinds[q.kind]) for q in questions if q.kind in kinds]


def _wikipedia(data: Path, folder: Path, settings: Settings) -> tuple[Path, Asked]:
    labelled = read_beir(data / "clapnq")
    with Library(folder / "wikipedia", settings=settings) as library:
        library.add_documents(labelled.documents(), source="clapnq")
    return folder / "wikipedia", [(answer.question, answer.answerable) for answer in labelled.answers]


def _measure(path: Path, asked: Asked, settings: Settings, words_only: bool) -> tuple[list[Features], Vector]:
    """The features of every question, as `Library.ask` would see them, and its label (1 or 0)."""
    embedder = None if words_only else open_embedder(settings)
    with Library(path, settings=settings) as library, Ledger(path / LEDGER_NAME, read_only=True) as ledger:
        lexical = LexicalIndex(path / "lexical", library_id=ledger.library_id)
        found = []
        for question, _ in asked:
            if embedder is None:
                hits = Retriever(ledger, lexical, None).search(Request(question, k=settings.k), None)
            else:
                hits = list(library.search(question))
            found.append(_signals(question, hits, ledger, lexical, embedder, settings))
    return found, np.array([float(answerable) for _, answerable in asked])


def _signals(
    question: str,
    hits: Sequence[Hit],
    ledger: Ledger,
    lexical: LexicalIndex,
    embedder: Embedder | None,
    settings: Settings,
) -> Features:
    counter = embedder or open_embedder(settings)
    if counter is None:
        raise RuntimeError("The embedding model was uninstalled during the run.")
    evidence, _ = gather_evidence(
        hits,
        budget_tokens=settings.evidence_tokens,
        count_tokens=counter.count_tokens,
        read_text=ledger.text,
    )
    ranker = SentenceRanker(
        content_words=lambda text: lexical.content_words(text, "en"),
        embed=None if embedder is None else embedder.embed,
        frequencies=lexical.frequencies,
        chunk_count=lexical.count,
        language="en",
    )
    return features(ranker, ranker.rank(question, evidence), evidence, hits)


def _report(title: str, names: Sequence[str], measured: Measured) -> None:
    print(f"\n{title}: areas under the ROC curve")
    every = tuple(asdict(Features()))
    for name in every:
        alone = {key: _area(_matrix(found, [name])[:, 0], y) for key, (found, y) in measured.items()}
        print(f"  {name:10} {_shown(alone)}")
    for chosen, label in ((names, "shipped features"), (every, "all features")):
        data = {key: (_matrix(found, chosen), y) for key, (found, y) in measured.items()}
        print(
            f"  {label}, {FOLDS}-fold cross-validation, mean of {REPEATS}: {_shown(_cross_validated(data))}"
        )
        print(f"  {label}, fitted on the other set: {_shown(_transferred(data))}")
    bias, weights = _fit({key: (_matrix(found, names), y) for key, (found, y) in measured.items()})
    numbers = ", ".join(f'"{name}": {weight:.3f}' for name, weight in zip(names, weights, strict=True))
    print(f"{title}: Final = Calibration(bias={bias:.3f}, weights={{{numbers}}})")


def _matrix(found: Sequence[Features], names: Sequence[str]) -> Vector:
    return np.array([[getattr(one, name) for name in names] for one in found], dtype=np.float64)


def _area(scores: Vector, y: Vector) -> float:
    return auroc(scores[y == 1].tolist(), scores[y == 0].tolist()) or float("nan")


def _shown(areas: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {area:.3f}" for name, area in areas.items())


def _fit(data: Mapping[str, tuple[Vector, Vector]]) -> tuple[float, Vector]:
    """Bias and weights (for raw features) of the penalised logistic regression over all sets."""
    x = np.concatenate([features for features, _ in data.values()])
    y = np.concatenate([labels for _, labels in data.values()])
    shares = np.concatenate([_balance(labels) for _, labels in data.values()])
    centre, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    design = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    penalty = np.full(design.shape[1], PENALTY)
    penalty[-1] = 1e-6
    coefficients = np.zeros(design.shape[1])
    # Newton's method; the problem is convex, so a handful of steps reach the one minimum.
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ coefficients))
        gradient = design.T @ (shares * (p - y)) + penalty * coefficients
        curvature = (design * (shares * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        coefficients -= step
        if float(np.abs(step).max()) < 1e-10:
            break
    weights = coefficients[:-1] / spread
    return float(coefficients[-1] - weights @ centre), weights


def _balance(y: Vector) -> Vector:
    """Weights that give each kind of question half of its set, and each set 150."""
    share = np.where(y == 1, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
    return np.asarray(share * 150.0, dtype=np.float64)


def _cross_validated(data: Mapping[str, tuple[Vector, Vector]]) -> dict[str, float]:
    """Mean area, each question judged by a model fitted without its fold; both sets in every fit."""
    random = np.random.default_rng(0)
    areas: dict[str, list[float]] = {name: [] for name in data}
    for _ in range(REPEATS):
        folds = {name: _folds(y, random) for name, (_, y) in data.items()}
        scores = {name: np.zeros(len(y)) for name, (_, y) in data.items()}
        for fold in range(FOLDS):
            kept = {name: (x[folds[name] != fold], y[folds[name] != fold]) for name, (x, y) in data.items()}
            bias, weights = _fit(kept)
            for name, (x, _) in data.items():
                held_out = folds[name] == fold
                scores[name][held_out] = x[held_out] @ weights + bias
        for name, (_, y) in data.items():
            areas[name].append(_area(scores[name], y))
    return {name: float(np.mean(values)) for name, values in areas.items()}


def _folds(y: Vector, random: np.random.Generator) -> NDArray[np.int64]:
    fold = np.zeros(len(y), dtype=np.int64)
    for kind in (0, 1):
        members = random.permutation(np.flatnonzero(y == kind))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def _transferred(data: Mapping[str, tuple[Vector, Vector]]) -> dict[str, float]:
    areas = {}
    for name, (x, y) in data.items():
        _, weights = _fit({other: values for other, values in data.items() if other != name})
        areas[name] = _area(x @ weights, y)
    return areas


if __name__ == "__main__":
    sys.exit(main())
