"""Fits the numbers of `openbook.answer.support`, and says how far to trust them.

    python scripts/fit_support.py ../shared/data

reads the written answers of `clapnq/`, cuts them into claims, and holds each
against its passage (supported), against a passage of another question, against
the most similar other passage, and against its own passage with one number,
name, negation, opposite or unit changed (all not supported). It prints the
cross-validated area under the ROC curve, questions kept together, for each
kind, with what the shipped threshold lets through and what it alarms about;
the same for claims of `r4ds-questions.jsonl`, a kind of document that nothing
was fitted on; how many quotes are verbatim; and how long a claim takes. The
last lines are the numbers to put into `support.py`.

The gold sentences that the answers rest on are reported too. They are fitted on
with half the weight: a sentence of the source itself is easily recognised.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from openbook.answer.calibration import Calibration
from openbook.answer.sentences import split_sentences
from openbook.answer.support import CALIBRATION, THRESHOLD, WORDS_ONLY, Signals, SupportChecker
from openbook.embed import Embedder
from openbook.embedders import open_embedder
from openbook.index.analysis import analysis_of
from openbook.lab.measures import auroc
from openbook.settings import load_settings
from openbook.types import Evidence

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.changed_claims import (
    change_name,
    change_negation,
    change_number,
    change_opposite,
    change_unit,
    names_of,
)

Vector: TypeAlias = NDArray[np.float64]

SUPPORTED = ("gold", "source")
CHANGED = ("number", "name within", "name foreign", "negation")
SHARES = {
    "gold": 2.0, "source": 1.0, "random": 0.4, "similar": 0.4, "number": 0.7, "name within": 0.4,
    "name foreign": 0.4, "negation": 0.7, "opposite": 0.2, "unit": 0.1,
}  # fmt: skip
"""What each kind of claim weighs in the fit, whatever its number."""
PENALTY = 3.0
"""Weight of the squared coefficients (of standardised signals) in the fit."""
CHOSEN = {"numbers_absent": -5.0}
"""Weights that are not fitted. Of the 434 gold claims none has a number in digits that its passage lacks, so
one that is nowhere shall be enough; the fit gives it less (-1.9), because other signals mostly see it too."""
FOLDS, REPEATS = 5, 5
SEED = 1
SECTION = 1_400
"""Characters of the book around a quote that stand for what a search would find."""


@dataclass(frozen=True, slots=True)
class Case:
    """A claim of a question, and the evidence that it is held against."""

    kind: str
    question: str
    claim: str
    evidence: Evidence


def main() -> int:
    """Build the cases, measure, fit, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with clapnq/, r4ds/ and r4ds-questions.jsonl")
    arguments = parser.parse_args()
    embedder = open_embedder(load_settings())
    if embedder is None:
        sys.exit("The embedding model is not installed. Run: openbook model install")
    cases, passages = _wikipedia(arguments.data / "clapnq", embedder)
    book, sections = _book(arguments.data)
    print("cases:", dict(Counter(case.kind for case in cases)))
    for title, shipped, embed in (
        ("CALIBRATION", CALIBRATION, embedder.embed),
        ("WORDS_ONLY", WORDS_ONLY, None),
    ):
        names = tuple(shipped.weights)
        found = _signals(cases, _checker(passages, embed))
        print(f"\n{title}")
        _report_fit(cases, _matrix(found, names), names)
        _report("  shipped numbers, Wikipedia", cases, _scores(found, shipped))
        _report("  shipped numbers, book", book, _scores(_signals(book, _checker(sections, embed)), shipped))
        bias, weights = _fit(cases, _matrix(found, names), names)
        numbers = ", ".join(f'"{name}": {weight:.3f}' for name, weight in zip(names, weights, strict=True))
        print(f"{title}: Final = Calibration(bias={bias:.3f}, weights={{{numbers}}})")
    _report_quotes(cases, _checker(passages, embedder.embed))
    _report_time(cases, passages, embedder)
    return 0


# -- cases ----------------------------------------------------------------------


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]


def _wikipedia(folder: Path, embedder: Embedder) -> tuple[list[Case], list[Evidence]]:
    passages = {
        row["_id"]: Evidence(
            1, row["_id"], number, 0, len(row["text"]), None, "", row["text"], 0.5, row["title"]
        )
        for number, row in enumerate(_rows(folder / "corpus.jsonl"))
    }
    similar = _most_similar(list(passages.values()), embedder)
    cases = []
    for row in _rows(folder / "answers.jsonl"):
        if row["answerable"]:
            own = passages[row["passage"]]
            written = [claim for answer in row["answers"] for claim in _claims(answer)]
            source = [sentence for group in row["selected"] for sentence in group]
            cases += _cases_of(row["id"], written, own, list(passages.values()), similar[own.document_id])
            cases += [Case("source", row["id"], claim, own) for claim in dict.fromkeys(source)]
    return cases, list(passages.values())


def _book(data: Path) -> tuple[list[Case], list[Evidence]]:
    asked = [row for row in _rows(data / "r4ds-questions.jsonl") if row["kind"] == "answerable"]
    sections = {}
    for number, row in enumerate(asked):
        text = (data / "r4ds" / row["file"]).read_text(encoding="utf-8")
        place = text.index(row["quote"])
        start = text.rfind("\n\n", 0, max(place - SECTION, 0)) + 2 if place > SECTION else 0
        end = text.find("\n\n", place + len(row["quote"]) + SECTION)
        piece = text[start : end if end > 0 else len(text)]
        sections[row["id"]] = Evidence(
            1, row["file"], number, start, start + len(piece), None, row["heading"], piece, 0.5, row["file"]
        )
    cases = []
    for row in asked:
        claims = _claims(row["answer"])
        cases += _cases_of(row["id"], claims, sections[row["id"]], list(sections.values()), None)
        cases.append(Case("source", row["id"], row["quote"], sections[row["id"]]))
    return cases, list(sections.values())


def _claims(answer: str) -> list[str]:
    found = (answer[start:end] for start, end in split_sentences(answer, "en"))
    return list(dict.fromkeys(claim for claim in found if len(claim.split()) >= 4))


def _cases_of(
    question: str, claims: Sequence[str], own: Evidence, others: Sequence[Evidence], similar: Evidence | None
) -> list[Case]:
    chance = random.Random(f"{SEED} {question}")
    elsewhere = [piece for piece in others if piece.text != own.text]
    cases = []
    for claim in dict.fromkeys(claims):
        cases.append(Case("gold", question, claim, own))
        cases.append(Case("random", question, claim, chance.choice(elsewhere)))
        if similar is not None:
            cases.append(Case("similar", question, claim, similar))
        foreign = [
            name
            for piece in chance.sample(elsewhere, min(30, len(elsewhere)))
            for name in names_of(piece.text)
        ]
        changed = {
            "number": change_number(claim, own.text, chance),
            "name within": change_name(claim, own.text, foreign, chance, within=True),
            "name foreign": change_name(claim, own.text, foreign, chance, within=False),
            "negation": change_negation(claim, chance),
            "opposite": change_opposite(claim, chance),
            "unit": change_unit(claim, chance),
        }
        cases += [Case(kind, question, new, own) for kind, new in changed.items() if new and new != claim]
    return cases


def _most_similar(passages: Sequence[Evidence], embedder: Embedder) -> dict[int, Evidence]:
    vectors = embedder.embed([f"{piece.title}\n{piece.text}" for piece in passages], "document")
    near = vectors @ vectors.T
    return {
        piece.document_id: next(
            passages[place]
            for place in np.argsort(-near[number])
            if place != number and passages[place].text != piece.text
        )
        for number, piece in enumerate(passages)
    }


# -- measuring ---------------------------------------------------------------------


def _checker(pieces: Sequence[Evidence], embed: Any) -> SupportChecker:
    content_words = analysis_of("en").content_terms
    counts = Counter(word for piece in pieces for word in set(content_words(f"{piece.title} {piece.text}")))
    return SupportChecker(
        content_words=content_words,
        embed=embed,
        frequencies=lambda words: [counts[word] for word in words],
        chunk_count=len(pieces),
        language="en",
    )


def _signals(cases: Sequence[Case], checker: SupportChecker) -> list[Signals]:
    return checker.signals_all([(case.claim, [case.evidence]) for case in cases])


def _matrix(found: Sequence[Signals], names: Sequence[str]) -> Vector:
    unknown = set(names) - {field.name for field in fields(Signals)}
    if unknown:
        raise ValueError(f"no signals of the names {sorted(unknown)!r}")
    return np.array([[getattr(one, name) for name in names] for one in found], dtype=np.float64)


def _scores(found: Sequence[Signals], calibration: Calibration) -> Vector:
    return np.array([calibration.probability(one) for one in found])


def _report(title: str, cases: Sequence[Case], scores: Vector) -> None:
    kinds = np.array([case.kind for case in cases])
    gold = scores[kinds == "gold"].tolist()
    print(f"{title}: gold {len(gold)}, false alarms {_share(kinds, scores, 'gold', below=True):.3f}, "
          f"of source sentences {_share(kinds, scores, 'source', below=True):.3f}")  # fmt: skip
    for kind in [kind for kind in SHARES if kind not in SUPPORTED and kind in kinds]:
        area = auroc(gold, scores[kinds == kind].tolist())
        let_through = _share(kinds, scores, kind, below=False)
        print(f"    {kind:13} n {(kinds == kind).sum():4}  AUROC {area:.3f}  let through {let_through:.3f}")
    changed = scores[np.isin(kinds, CHANGED)].tolist()
    source = scores[kinds == "source"].tolist()
    print(f"    all changed   n {len(changed):4}  AUROC {auroc(gold, changed):.3f}  "
          f"(source sentences against them {auroc(source, changed):.3f})")  # fmt: skip


def _share(kinds: NDArray[np.str_], scores: Vector, kind: str, *, below: bool) -> float:
    own = scores[kinds == kind]
    return float(((own < THRESHOLD) if below else (own >= THRESHOLD)).mean()) if len(own) else float("nan")


def _report_quotes(cases: Sequence[Case], checker: SupportChecker) -> None:
    judged = checker.judge_pairs([(case.claim, [case.evidence]) for case in cases])
    verbatim = 0
    for one, case in zip(judged, cases, strict=True):
        start, end = one.source_start - case.evidence.start, one.source_end - case.evidence.start
        verbatim += bool(one.quote) and case.evidence.text[start:end] == one.quote
    print(f"\nquotes that are verbatim in the source: {verbatim} of {len(judged)}")


def _report_time(cases: Sequence[Case], passages: Sequence[Evidence], embedder: Embedder) -> None:
    chance = random.Random(SEED)
    long = sorted(passages, key=lambda piece: -len(piece.text))[:40]
    times: Mapping[str, list[float]] = {"one claim": [], "eight claims": []}
    for name, count in (("one claim", 1), ("eight claims", 8)):
        for _ in range(15):
            pieces = chance.sample(long, 8)
            claims = [case.claim for case in chance.sample(cases, count)]
            checker = _checker(passages, embedder.embed)
            started = time.perf_counter()
            checker.judge_all(claims, pieces)
            times[name].append((time.perf_counter() - started) * 1000)
    words = np.mean([len(piece.text.split()) for piece in long])
    shown = ", ".join(f"{name} {np.median(values):.0f} ms" for name, values in times.items())
    print(f"against 8 pieces of about {words:.0f} words (median of 15): {shown}")


# -- fitting -----------------------------------------------------------------------


def _report_fit(cases: Sequence[Case], x: Vector, names: Sequence[str]) -> None:
    """Scores of every case by models fitted without its question; the mean of several ways to cut."""
    questions = sorted({case.question for case in cases})
    chance = np.random.default_rng(0)
    areas: dict[str, list[float]] = {}
    scores = np.zeros(len(cases))
    for _ in range(REPEATS):
        order = chance.permutation(len(questions))
        fold_of = {questions[place]: rank % FOLDS for rank, place in enumerate(order)}
        folds = np.array([fold_of[case.question] for case in cases])
        for fold in range(FOLDS):
            kept = folds != fold
            bias, weights = _fit(
                [case for case, keep in zip(cases, kept, strict=True) if keep], x[kept], names
            )
            scores[~kept] = 1 / (1 + np.exp(-np.clip(x[~kept] @ weights + bias, -60, 60)))
        for kind, values in _areas(cases, scores).items():
            areas.setdefault(kind, []).append(values)
    print(f"  {FOLDS}-fold cross-validation by question, mean area of {REPEATS}: "
          + ", ".join(f"{kind} {np.mean(values):.3f}" for kind, values in areas.items()))  # fmt: skip
    _report("  cross-validated (last of them)", cases, scores)


def _areas(cases: Sequence[Case], scores: Vector) -> dict[str, float]:
    kinds = np.array([case.kind for case in cases])
    groups = {kind: [kind] for kind in SHARES if kind not in SUPPORTED} | {"all changed": list(CHANGED)}
    gold = scores[kinds == "gold"].tolist()
    return {
        name: auroc(gold, scores[np.isin(kinds, group)].tolist()) or float("nan")
        for name, group in groups.items()
    }


def _fit(cases: Sequence[Case], x: Vector, names: Sequence[str]) -> tuple[float, Vector]:
    """Bias and weights (for raw signals) of the penalised logistic regression."""
    counts = Counter(case.kind for case in cases)
    y = np.array([float(case.kind in SUPPORTED) for case in cases])
    shares = np.array([300 * SHARES[case.kind] / counts[case.kind] for case in cases])
    fixed = np.array([CHOSEN.get(name, 0.0) for name in names])
    free = np.array([name not in CHOSEN for name in names])
    chosen = x @ fixed
    centre, spread = x[:, free].mean(axis=0), x[:, free].std(axis=0) + 1e-9
    design = np.column_stack([(x[:, free] - centre) / spread, np.ones(len(x))])
    penalty = np.full(design.shape[1], PENALTY)
    penalty[-1] = 1e-6
    coefficients = np.zeros(design.shape[1])
    # Newton's method; the problem is convex, so a handful of steps reach the one minimum.
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ coefficients + chosen, -60, 60)))
        gradient = design.T @ (shares * (p - y)) + penalty * coefficients
        curvature = (design * (shares * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        coefficients -= step
        if float(np.abs(step).max()) < 1e-10:
            break
    weights = fixed.copy()
    weights[free] = coefficients[:-1] / spread
    return float(coefficients[-1] - weights[free] @ centre), weights


if __name__ == "__main__":
    sys.exit(main())
