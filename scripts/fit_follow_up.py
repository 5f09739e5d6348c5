"""Fits the numbers of `openbook.follow_up`, and says what they are worth and what they cost.

    python scripts/fit_follow_up.py ../shared/data --libraries /somewhere/to/keep

reads every folder there that has conversations (`queries-conversation.jsonl`,
`queries-lastturn.jsonl`, and `queries.jsonl` rewritten to stand alone) and the
conversations of `r4ds-questions.jsonl`. Each later question is searched with
the conversation's weight at 0, 0.1 … 0.6, by the library's own search; between
these, measures are interpolated. What is fitted is the weight as a function of
the two signals, on a coarse grid of three numbers.

A *change of subject* is made of questions that stand alone, asked after a
conversation that has nothing to do with them: rewritten questions after
another conversation of the same documents, and the questions of `cranfield/`
after other such questions. That costs something, and half of it counts
against the gain in the fit.

Intervals are one standard error of the difference to the question alone, over
whole conversations, because questions of one conversation are not independent.
Cross-validation leaves out whole conversations too.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from openbook import follow_up as shipped
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.index.lexical import LexicalIndex
from openbook.lab.labelled_sets import read_beir, read_questions
from openbook.lab.quotes import NormalisedText, covers
from openbook.library import Library
from openbook.retrieve import Request, Retriever
from openbook.settings import load_settings
from openbook.types import Exchange, Hit

Vector: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = tuple[float, float, float]
Judge: TypeAlias = Callable[[Sequence[Hit]], float]

LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
GRID: tuple[Numbers, ...] = tuple(
    itertools.product((0.0, 0.05, 0.1, 0.15, 0.2, 0.3), (0.0, 0.5, 1.0, 1.5, 2.0), (0.0, 0.1, 0.2, 0.25, 0.3))
)
"""Candidates for (ALWAYS, PER_GAIN, FOR_REFERENCE)."""
FOLDS = 5
COST_OF_CHANGES = 0.5
"""A change of subject counts half as much as a follow-up: most questions in a conversation are those."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question after others, and what says how good its hits are (0 to 1)."""

    conversation: str
    question: str
    history: tuple[Exchange, ...]
    judge: Judge
    rewritten: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Signals and measures of the questions of one set; `levels` has shape (questions, levels)."""

    name: str
    conversations: tuple[str, ...]
    gains: Vector
    refers: Vector
    levels: Vector
    rewritten: Vector
    change: bool

    def at(self, numbers: Numbers) -> Vector:
        """The measure of each question with the weight that these numbers give it."""
        always, per_gain, reference = numbers
        weights = np.clip(always + per_gain * self.gains + reference * self.refers, 0.0, shipped.MOST)
        low = np.minimum((weights * 10).astype(int), len(LEVELS) - 2)
        part = weights * 10 - low
        rows = np.arange(len(weights))
        return np.asarray((1 - part) * self.levels[rows, low] + part * self.levels[rows, low + 1])


def main() -> int:
    """Build the libraries, search, fit, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder with the labelled sets")
    parser.add_argument("--libraries", type=Path, help="where to keep the libraries between runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sets = list(_measured_sets(arguments.data, arguments.libraries or Path(scratch)))
    for one in sets:
        _report(one)
    _fit(sets)
    return 0


def _measured_sets(data: Path, folder: Path) -> Iterator[Measured]:
    for source in sorted(path.parent for path in data.glob("*/queries-conversation.jsonl")):
        library = _beir_library(source, folder)
        yield _measure(source.name, library, list(_conversations(source)), change=False)
        yield _measure(f"{source.name}, change", library, list(_changes(source)), change=True)
    library = folder / "r4ds"
    with Library(library, settings=load_settings()) as opened:
        opened.add(data / "r4ds")
    yield _measure("r4ds", library, list(_book_conversations(data, library)), change=False)
    cranfield = data / "cranfield"
    yield _measure(
        "cranfield, change", _beir_library(cranfield, folder), list(_strangers(cranfield)), change=True
    )


def _beir_library(source: Path, folder: Path) -> Path:
    with Library(folder / source.name, settings=load_settings()) as library:
        library.add_documents(read_beir(source).documents(), source=f"beir:{source.name}")
    return folder / source.name


def _conversations(source: Path) -> Iterator[Asked]:
    talks = read_beir(source, queries="queries-conversation.jsonl")
    last = read_beir(source, queries="queries-lastturn.jsonl").queries
    rewritten = read_beir(source).queries
    for query, history in talks.histories.items():
        judge = partial(_ndcg, talks.grades[query])
        yield Asked(query.partition("<")[0], last[query], history, judge, rewritten[query])


def _changes(source: Path) -> Iterator[Asked]:
    """Rewritten questions after another conversation of the same documents."""
    chance = random.Random(0)
    asked = list(_conversations(source))
    for one in asked:
        if one.rewritten.strip().lower() == one.question.strip().lower():
            continue  # nothing was rewritten: it may not stand alone
        other = chance.choice([other for other in asked if other.conversation != one.conversation])
        history = (*other.history, Exchange(other.question))
        yield Asked(one.conversation, one.rewritten, history, one.judge)


def _strangers(source: Path) -> Iterator[Asked]:
    """Independent questions after one to three others."""
    chance = random.Random(0)
    labelled = read_beir(source)
    for query, text in labelled.queries.items():
        others = chance.sample([q for q in labelled.queries if q != query], chance.randint(1, 3))
        history = tuple(Exchange(labelled.queries[other]) for other in others)
        yield Asked(query, text, history, partial(_ndcg, labelled.grades[query]))


def _book_conversations(data: Path, path: Path) -> Iterator[Asked]:
    with Library(path, settings=load_settings()) as library:
        texts = {r.path: NormalisedText(library.document(r.id).text) for r in list(library.documents())}
    for question in read_questions(data / "r4ds-questions.jsonl"):
        if question.history:
            gold = question.needs[0][0]
            judge = partial(_reciprocal_rank, gold.file, texts[gold.file], gold.quote)
            yield Asked(question.id.rpartition(".")[0], question.text, question.history, judge)


def _ndcg(grades: Mapping[str, int], hits: Sequence[Hit]) -> float:
    """nDCG@10 over documents, each at its best chunk; exact copies stand behind their hit."""
    found = dict.fromkeys(name for hit in hits for name in (hit.path, *(copy.path for copy in hit.locations)))
    discounts = 1 / np.log2(np.arange(2, 12))
    gained = np.array([grades.get(name, 0) for name in list(found)[:10]], dtype=np.float64)
    best = np.array(sorted(grades.values(), reverse=True)[:10], dtype=np.float64)
    return float((gained @ discounts[: len(gained)]) / (best @ discounts[: len(best)]))


def _reciprocal_rank(file: str, text: NormalisedText, quote: str, hits: Sequence[Hit]) -> float:
    for rank, hit in enumerate(hits, start=1):
        if hit.path == file and covers(text, hit.start, hit.end, quote):
            return 1 / rank
    return 0.0


def _measure(name: str, path: Path, asked: Sequence[Asked], *, change: bool) -> Measured:
    """Search every question at every level, and alone in its rewritten form."""
    settings = load_settings()
    per_document = None if name == "r4ds" else 1
    gains, refers, levels, rewritten = [], [], [], []
    with Library(path, settings=settings) as library, Ledger(path / LEDGER_NAME, read_only=True) as ledger:
        embedder, vectors = library._search_embedder()[0], library._indexes.vectors
        if embedder is None or vectors is None:
            sys.exit("The embedding model is not installed. Run: openbook model install")
        lexical = LexicalIndex(path / "lexical", library_id=ledger.library_id)
        retriever = Retriever(ledger, lexical, vectors)
        embed = partial(embedder.embed, role="query")
        for one in asked:
            question = shipped.follow_up(
                one.question, one.history, lambda text: lexical.content_words(text, "en")
            )
            if question is None:
                raise ValueError(f"{one.question!r} has no history.")
            alone, together = embed([one.question, question.in_context])
            gains.append((vectors.nearest(together) or 0.0) - (vectors.nearest(alone) or 0.0))
            refers.append(float(question.refers))
            request = Request(one.question, k=10, per_document=per_document)
            row = []
            for level in LEVELS:
                vector = shipped.mixed(alone, together, level)
                words = shipped.weighted_words(question, level)
                row.append(one.judge(retriever.search(replace(request, earlier=words, vector=vector), None)))
            levels.append(row)
            if one.rewritten:
                hits = retriever.search(Request(one.rewritten, k=10, per_document=per_document), embed)
                rewritten.append(one.judge(hits))
    return Measured(
        name,
        tuple(one.conversation for one in asked),
        gains=np.array(gains),
        refers=np.array(refers),
        levels=np.array(levels),
        rewritten=np.array(rewritten),
        change=change,
    )


def _report(one: Measured) -> None:
    numbers = (shipped.ALWAYS, shipped.PER_GAIN, shipped.FOR_REFERENCE)
    alone = one.levels[:, 0]
    print(f"\n{one.name}: {len(alone)} questions; alone {alone.mean():.4f}")
    print(f"  with history, as shipped     {_shown(one, one.at(numbers))}")
    for level, values in list(zip(LEVELS, one.levels.T, strict=True))[1:]:
        print(f"  one weight for all, {level:.1f}      {_shown(one, values)}")
    if len(one.rewritten):
        print(f"  rewritten by a person        {_shown(one, one.rewritten)}")


def _shown(one: Measured, values: Vector) -> str:
    difference = values - one.levels[:, 0]
    return f"{values.mean():.4f} ({difference.mean():+.4f} ± {_error(difference, one.conversations):.4f})"


def _error(values: Vector, groups: Sequence[str]) -> float:
    """Standard error of the mean of values that belong together in groups."""
    names = np.array(groups)
    sums = [float((values[names == name] - values.mean()).sum()) for name in dict.fromkeys(groups)]
    return float(np.sqrt(np.square(sums).sum()) / len(values))


def _fit(sets: Sequence[Measured]) -> None:
    """The best numbers on the grid, and what such a fit gives on conversations that it has not seen."""
    gained = {one.name: np.stack([one.at(n) - one.levels[:, 0] for n in GRID]) for one in sets}
    best = int(np.argmax(_worth(sets, {name: table.mean(axis=1) for name, table in gained.items()})))
    print(f"\nbest on everything: (ALWAYS, PER_GAIN, FOR_REFERENCE) = {GRID[best]}")
    folds = {one.name: _folds(one.conversations) for one in sets}
    unseen = {one.name: np.zeros(len(one.gains)) for one in sets}
    for fold in range(FOLDS):
        seen = {name: table[:, folds[name] != fold].mean(axis=1) for name, table in gained.items()}
        chosen = int(np.argmax(_worth(sets, seen)))
        print(f"  fold {fold + 1}: {GRID[chosen]}")
        for name, table in gained.items():
            unseen[name][folds[name] == fold] = table[chosen][folds[name] == fold]
    for one in sets:
        error = _error(unseen[one.name], one.conversations)
        print(f"  cross-validated, {one.name:22} {unseen[one.name].mean():+.4f} ± {error:.4f}")


def _worth(sets: Sequence[Measured], gained: Mapping[str, Vector]) -> Vector:
    """Mean gain over the sets of follow-ups (the small book's at half), less the cost of changes."""
    shares = {one.name: 0.5 if one.name == "r4ds" else 1.0 for one in sets if not one.change}
    gain = sum(share * gained[name] for name, share in shares.items()) / sum(shares.values())
    changes = [gained[one.name] for one in sets if one.change]
    return np.asarray(gain + COST_OF_CHANGES * np.mean(changes, axis=0))


def _folds(conversations: Sequence[str]) -> NDArray[np.int64]:
    names = list(dict.fromkeys(conversations))
    order = dict(zip(names, np.random.default_rng(0).permutation(len(names)) % FOLDS, strict=True))
    return np.array([order[name] for name in conversations], dtype=np.int64)


if __name__ == "__main__":
    sys.exit(main())
