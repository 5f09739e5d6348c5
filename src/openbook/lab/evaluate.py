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

from openbook.lab.answer_judging import AnswerSheet
from openbook.lab.judging import PAGE, Judge
from openbook.lab.labelled_sets import KINDS, BeirSet, LabelledAnswer, Question
from openbook.lab.measures import means, percentile, ranking_values
from openbook.lab.quotes import normalise
from openbook.types import Progress

if TYPE_CHECKING:
    from openbook.answer.language_model import LanguageModel
    from openbook.lab.significance import Interval
    from openbook.library import Library
    from openbook.types import Answer, Exchange, Hit

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
    texts: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def evaluate_set(
    library: Library,
    labelled: BeirSet | Sequence[Question],
    *,
    model: str | LanguageModel | None = None,
    progress: Watcher = lambda _: None,
) -> Evaluation:
    """Measure a labelled set of either form (see the two functions below)."""
    if isinstance(labelled, BeirSet):
        return evaluate_beir(library, labelled, model=model, progress=progress)
    return evaluate_questions(library, labelled, model=model, progress=progress)


def evaluate_beir(
    library: Library,
    labelled: BeirSet,
    *,
    model: str | LanguageModel | None = None,
    progress: Watcher = lambda _: None,
) -> Evaluation:
    """Measure ranking on a BEIR set whose corpus `library` holds: one score a document, its best chunk's.

    With labelled answers, `ask` is measured as well, with `model` as its option.
    Where queries are conversations, `groups` tell what the history is worth.
    Raises MissingExtra without ir-measures.
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
    values: dict[str, Mapping[str, float]] = dict(ranking_values(grades, runs))
    measures: dict[str, float | None] = dict(means(values))
    counts = {"queries": len(runs), "documents": library.status().documents}
    latency = clock.latency()
    intervals: Mapping[str, Interval] = {}
    if labelled.answers:
        sheet = AnswerSheet(library, model)
        found, more = _measure_answers(sheet, library, labelled.answers, progress)
        measures |= found
        counts |= more
        values |= sheet.values
        latency |= sheet.latency()
        intervals = sheet.intervals()
    grouped = _history_groups(grades, runs, alone) if alone else {}
    return Evaluation(
        measures,
        latency,
        counts,
        {name: means(of) for name, of in grouped.items()},
        questions=values,
        group_questions=grouped,
        clusters=labelled.clusters(),
        texts={**{row.id: row.question for row in labelled.answers}, **labelled.queries},
        intervals=intervals,
    )


def evaluate_questions(
    library: Library,
    questions: Sequence[Question],
    *,
    model: str | LanguageModel | None = None,
    progress: Watcher = lambda _: None,
) -> Evaluation:
    """Measure finding, refusing and answering on a file of questions over the documents in `library`.

    Finding is measured on the answerable questions, in `groups` also on
    questions of several parts and on turns of conversations: all as they were
    typed, and the later ones with and without what was asked before.
    A question needs one of its gold places (of each part, if it has several),
    so recall@k is the share of parts found. Questions that stand alone are asked as
    well, with `model` as the option of `ask`. Raises MissingExtra without ir-measures.
    """
    judge = Judge(library, questions)
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
    for question in questions:
        if question.kind == "unlabelled":
            clock.search(question.text)
    grouped: dict[str, Values] = {
        kind: ranking_values({q.id: _part_grades(q) for q in chosen}, runs)
        for kind in KINDS
        if (chosen := [question for question in searched if question.kind == kind])
    }
    grouped |= _turn_groups(searched, runs, in_context)
    values: dict[str, Mapping[str, float]] = dict(grouped.get("answerable", {}))
    measures: dict[str, float | None] = dict(means(values))
    sheet = _asked(library, questions, model, progress)
    measures |= sheet.measures()
    values |= sheet.values
    counts = {kind: sum(question.kind == kind for question in questions) for kind in KINDS}
    unlabelled = sum(question.kind == "unlabelled" for question in questions)
    return Evaluation(
        measures,
        clock.latency() | sheet.latency(),
        counts | ({"unlabelled": unlabelled} if unlabelled else {}),
        {name: means(of) for name, of in grouped.items()},
        (*judge.notes(), *_label_notes(questions)),
        questions=values,
        group_questions=grouped,
        clusters={question.id: question.conversation for question in questions if question.conversation},
        texts={question.id: question.text for question in questions},
        intervals=sheet.intervals(),
    )


def _asked(
    library: Library, questions: Sequence[Question], model: str | LanguageModel | None, progress: Watcher
) -> AnswerSheet:
    """The answers to all questions that stand alone and need one thing."""
    sheet = AnswerSheet(library, model)
    asked = [q for q in questions if q.kind in ("answerable", "unanswerable", "unlabelled")]
    for number, question in enumerate(asked, start=1):
        quotes = [[gold.quote for gold in group if gold.quote] for group in question.needs]
        sheet.ask(
            question.id,
            question.text,
            answerable=None if question.kind == "unlabelled" else question.kind == "answerable",
            golds=[group for group in quotes if group],
            references=question.references,
        )
        progress(Progress("asking", number, len(asked)))
    return sheet


def _label_notes(questions: Sequence[Question]) -> list[str]:
    unlabelled = sum(question.kind == "unlabelled" for question in questions)
    if not unlabelled:
        return []
    every = unlabelled == len(questions)
    who = "No question has a label" if every else f"{unlabelled:,} questions have no label"
    note = (
        f"{who} (path, quote, answer, unanswerable). Of those can be told how often they are answered, "
        "how sure the answers are, what supports them and how long they take, but not whether they are right."
    )
    return [note]


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


def _measure_answers(
    sheet: AnswerSheet, library: Library, labelled: Sequence[LabelledAnswer], progress: Watcher
) -> tuple[dict[str, float | None], dict[str, int]]:
    """Ask every labelled question: are the quotes verbatim, and do they hold what annotators selected?"""
    answered = golden = quotes = verbatim = 0
    for number, row in enumerate(labelled, start=1):
        answer = sheet.ask(
            row.id,
            row.question,
            answerable=row.answerable,
            golds=[[" ".join(row.selected)]] if row.answerable and row.selected else (),
            references=row.references if row.answerable else (),
        )
        quotes += len(answer.citations)
        verbatim += _verbatim(library, answer)
        if row.selected and answer.status == "answered":
            answered += 1
            golden += _holds(answer, row.selected)
        progress(Progress("asking", number, len(labelled)))
    measures = sheet.measures()
    measures["answers_with_gold_sentence"] = golden / answered if answered else None
    measures["quotes_verbatim"] = verbatim / quotes if quotes else None
    counts = sheet.counts() | {"answered_with_gold": answered, "quotes": quotes}
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
