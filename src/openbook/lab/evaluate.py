"""How well a library finds and answers, measured on a labelled set.

Everything goes through `Library`, so what is measured is what people get.
Refused: measuring the parts alone here (benchmarks do that), and averaging
questions of different kinds into one number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from openbook.lab.labelled_sets import KINDS, BeirSet, Gold, LabelledAnswer, Question
from openbook.lab.measures import auroc, best_f1, means, not_found_f1, percentile, ranking_values
from openbook.lab.quotes import NormalisedText, covers, normalise
from openbook.types import Progress

if TYPE_CHECKING:
    from openbook.library import Library
    from openbook.types import Answer, Exchange, Hit

PAGE: Final = 10
"""Hits of the search that is timed and that decides the first ten places: what a person looks at."""

DEEP: Final = 100
"""Hits looked through for recall@100 and for answers that stand further down."""

Watcher = Callable[[Progress], None]
Values: TypeAlias = Mapping[str, Mapping[str, float]]
"""Measure → question's id → value."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    `measures` maps names such as "ndcg@10" to values from 0 to 1, None where
    the set has no questions for it. `groups` holds the ranking measures by kind of
    question, `latency_ms` percentiles of one search of ten hits, embedding of
    the question included. `notes` say what a reader of the numbers must know.
    """

    measures: Mapping[str, float | None]
    latency_ms: Mapping[str, float]
    counts: Mapping[str, int]
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    questions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    group_questions: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)


def evaluate_beir(library: Library, labelled: BeirSet, *, progress: Watcher = lambda _: None) -> Evaluation:
    """Measure ranking on a BEIR set whose corpus `library` holds: one score a document, its best chunk's.

    With labelled answers, `ask` is measured as well. Where queries are
    conversations, `groups` tell what the history is worth. Raises MissingExtra
    without ir-measures.
    """
    clock = _Stopwatch(library)
    runs: dict[str, list[str]] = {}
    alone: dict[str, list[str]] = {}
    for number, (query, text) in enumerate(labelled.queries.items(), start=1):
        history = labelled.histories.get(query, ())
        clock.search(text, history)
        runs[query] = _ranked_documents(library.search(text, k=DEEP, per_document=1, history=history))
        if history:
            alone[query] = _ranked_documents(library.search(text, k=DEEP, per_document=1))
        progress(Progress("searching", number, len(labelled.queries)))
    grades = {query: labelled.grades[query] for query in labelled.queries}
    values = ranking_values(grades, runs)
    measures: dict[str, float | None] = dict(means(values))
    counts = {"queries": len(runs), "documents": library.status().documents}
    if labelled.answers:
        found, more = _measure_answers(library, labelled.answers, progress)
        measures |= found
        counts |= more
    grouped = _history_groups(grades, runs, alone) if alone else {}
    return Evaluation(
        measures,
        clock.latency(),
        counts,
        {name: means(of) for name, of in grouped.items()},
        questions=values,
        group_questions=grouped,
        clusters=labelled.clusters(),
    )


def evaluate_questions(
    library: Library, questions: Sequence[Question], *, progress: Watcher = lambda _: None
) -> Evaluation:
    """Measure finding and refusing on questions with gold quotes over the documents in `library`.

    Finding is measured on the answerable questions, in `groups` also on
    questions of several parts and on turns of conversations: all as they were
    typed, and the later ones with and without what was asked before.
    A question needs one of its gold quotes (of each part, if it has several),
    so recall@k is the share of parts found. Raises MissingExtra without ir-measures.
    """
    judge = _Judge(library)
    clock = _Stopwatch(library)
    searched = [question for question in questions if question.needs]
    runs: dict[str, list[str]] = {}
    in_context: dict[str, list[str]] = {}
    for number, question in enumerate(searched, start=1):
        page = clock.search(question.text)
        runs[question.id] = judge.run(question, page, library.search(question.text, k=DEEP))
        if question.history:
            page = library.search(question.text, k=PAGE, history=question.history)
            deep = library.search(question.text, k=DEEP, history=question.history)
            in_context[question.id] = judge.run(question, page, deep)
        progress(Progress("searching", number, len(searched)))
    grouped: dict[str, Values] = {
        kind: ranking_values({q.id: _part_grades(q) for q in chosen}, runs)
        for kind in KINDS
        if (chosen := [question for question in searched if question.kind == kind])
    }
    grouped |= _turn_groups(searched, runs, in_context)
    groups = {name: means(of) for name, of in grouped.items()}
    measures: dict[str, float | None] = dict(groups.get("answerable", {}))
    asked = [question for question in questions if question.kind in ("answerable", "unanswerable")]
    confidences: dict[bool, list[float]] = {True: [], False: []}
    for number, question in enumerate(asked, start=1):
        confidences[question.kind == "answerable"].append(library.ask(question.text).confidence)
        progress(Progress("asking", number, len(asked)))
    measures |= _refusal_measures(library, confidences[True], confidences[False])
    counts = {kind: sum(question.kind == kind for question in questions) for kind in KINDS}
    return Evaluation(
        measures,
        clock.latency(),
        counts,
        groups,
        judge.notes(),
        questions=grouped.get("answerable", {}),
        group_questions=grouped,
        clusters={question.id: question.conversation for question in questions if question.conversation},
    )


def _ranked_documents(hits: Iterable[Hit]) -> list[str]:
    """The documents of hits, best first; exact copies stand right behind the hit that stands for them."""
    names = (name for hit in hits for name in (hit.path, *(copy.path for copy in hit.locations)))
    return list(dict.fromkeys(names))


def _history_groups(
    grades: Mapping[str, Mapping[str, int]],
    runs: Mapping[str, Sequence[str]],
    alone: Mapping[str, Sequence[str]],
) -> dict[str, Values]:
    """Measures of the first questions of conversations, and of the later ones with and without history."""
    first = {query: judged for query, judged in grades.items() if query not in alone}
    later = {query: judged for query, judged in grades.items() if query in alone}
    groups: dict[str, Values] = {}
    if first:
        groups["first questions"] = ranking_values(first, runs)
    groups["follow-ups"] = ranking_values(later, runs)
    groups["follow-ups alone"] = ranking_values(later, alone)
    return groups


def _turn_groups(
    questions: Sequence[Question],
    runs: Mapping[str, Sequence[str]],
    in_context: Mapping[str, Sequence[str]],
) -> dict[str, Values]:
    """Measures by turn of a conversation, from the second on, with and without history."""
    turns: dict[int, dict[str, dict[str, int]]] = {}
    for question in questions:
        if question.history:
            turns.setdefault(len(question.history) + 1, {})[question.id] = _part_grades(question)
    groups: dict[str, Values] = {}
    for turn, grades in sorted(turns.items()):
        groups[f"turn {turn}"] = ranking_values(grades, in_context)
        groups[f"turn {turn} alone"] = ranking_values(grades, runs)
    return groups


def _part_grades(question: Question) -> dict[str, int]:
    return {f"part {number}": 1 for number in range(len(question.needs))}


def _refusal_measures(
    library: Library, answerable: Sequence[float], unanswerable: Sequence[float]
) -> dict[str, float | None]:
    best = best_f1(answerable, unanswerable)
    threshold = library.settings.answer_threshold
    shipped = not_found_f1(answerable, unanswerable, threshold) if best else None
    return {
        "not_found_auroc": auroc(answerable, unanswerable),
        "not_found_f1": best.f1 if best else None,
        "not_found_f1_threshold": best.threshold if best else None,
        "not_found_f1_as_set": shipped,
    }


def _measure_answers(
    library: Library, labelled: Sequence[LabelledAnswer], progress: Watcher
) -> tuple[dict[str, float | None], dict[str, int]]:
    """Ask every labelled question: are the quotes verbatim, and do they hold what annotators selected?"""
    confidences: dict[bool, list[float]] = {True: [], False: []}
    answered = golden = quotes = verbatim = 0
    for number, row in enumerate(labelled, start=1):
        answer = library.ask(row.question)
        confidences[row.answerable].append(answer.confidence)
        quotes += len(answer.citations)
        verbatim += _verbatim(library, answer)
        if row.selected and answer.status == "answered":
            answered += 1
            golden += _holds(answer, row.selected)
        progress(Progress("asking", number, len(labelled)))
    measures = _refusal_measures(library, confidences[True], confidences[False])
    measures["answers_with_gold_sentence"] = golden / answered if answered else None
    measures["quotes_verbatim"] = verbatim / quotes if quotes else None
    counts = {
        "answerable": len(confidences[True]),
        "unanswerable": len(confidences[False]),
        "answered_with_gold": answered,
        "quotes": quotes,
    }
    return measures, counts


def _verbatim(library: Library, answer: Answer) -> int:
    """How many of an answer's quotes stand in their document exactly where the citation says."""
    sources = {evidence.number: evidence.document_id for evidence in answer.evidence}
    count = 0
    for citation in answer.citations:
        text = library.document(sources[citation.number]).text
        count += text[citation.source_start : citation.source_end] == citation.quote
    return count


def _holds(answer: Answer, sentences: Iterable[str]) -> bool:
    said = normalise(" ".join([answer.text, *(citation.quote for citation in answer.citations)]))
    return any(normalise(sentence) in said for sentence in sentences)


class _Stopwatch:
    """Times searches, after one that loads what the first search always loads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._times: list[float] = []

    def search(self, text: str, history: Sequence[Exchange] = ()) -> Sequence[Hit]:
        if not self._times:
            self._library.search(text, k=PAGE, history=history)
        started = time.perf_counter()
        hits = self._library.search(text, k=PAGE, history=history)
        self._times.append((time.perf_counter() - started) * 1000)
        return hits

    def latency(self) -> dict[str, float]:
        if not self._times:
            return {}
        return {"p50": percentile(self._times, 0.5), "p95": percentile(self._times, 0.95)}


class _Judge:
    """Decides which hits contain which gold quotes. Keeps the texts of the gold files."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._names = {record.path: record.id for record in library.documents()}
        self._texts: dict[str, NormalisedText | None] = {}
        self._absent: set[Gold] = set()

    def run(self, question: Question, page: Sequence[Hit], deep: Sequence[Hit]) -> list[str]:
        """Return the question's parts in the order in which they are found, with fillers for other hits.

        The first ten places are those of a page of ten hits. A part found
        only further down stands behind them.
        """
        ranks: dict[int, list[str]] = {}
        for number, golds in enumerate(question.needs):
            rank = self._first(golds, page) or max(self._first(golds, deep), PAGE + 1)
            if self._first(golds, page) or self._first(golds, deep):
                ranks.setdefault(rank, []).append(f"part {number}")
        return [
            name
            for rank in range(1, max(len(deep), PAGE + 1) + 1)
            for name in ranks.get(rank, [f"other {rank}"])
        ]

    def notes(self) -> tuple[str, ...]:
        """Say which gold quotes stand in no document of the library, so that nothing could find them."""
        return tuple(
            f"{gold.file} does not hold the gold quote {gold.quote[:60]!r}."
            for gold in sorted(self._absent, key=lambda gold: (gold.file, gold.quote))
        )

    def _first(self, golds: Sequence[Gold], hits: Sequence[Hit]) -> int:
        """The 1-based rank of the first hit that contains one of the quotes; 0 if none does."""
        for rank, hit in enumerate(hits, start=1):
            if any(self._contains(hit, gold) for gold in golds):
                return rank
        return 0

    def _contains(self, hit: Hit, gold: Gold) -> bool:
        spans = [(hit.path, hit.start, hit.end)]
        spans += [(copy.path, copy.start, copy.end) for copy in hit.locations]
        text = self._text(gold)
        return text is not None and any(
            covers(text, start, end, gold.quote) for path, start, end in spans if _is_file(path, gold.file)
        )

    def _text(self, gold: Gold) -> NormalisedText | None:
        if gold.file not in self._texts:
            document_id = next((id_ for path, id_ in self._names.items() if _is_file(path, gold.file)), None)
            text = None if document_id is None else NormalisedText(self._library.document(document_id).text)
            self._texts[gold.file] = text
        text = self._texts[gold.file]
        if text is None or not text.places(gold.quote):
            self._absent.add(gold)
        return text


def _is_file(path: str, file: str) -> bool:
    """Whether a document's path is that file, seen from the folder that was added or one above it."""
    return path == file or path.endswith(f"/{file}")
