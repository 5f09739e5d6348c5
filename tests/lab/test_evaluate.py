"""Evaluation of real libraries, small enough to know the right numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openbook import Document, Library, Progress, Settings
from openbook.embed import HashEmbedder
from openbook.lab.evaluate import evaluate_beir, evaluate_questions
from openbook.lab.labelled_sets import BeirSet, Gold, LabelledAnswer, Question
from openbook.types import Exchange

TEXTS = {
    "holidays.md": "# Holidays\n\nEverybody gets 28 days of paid holiday a year.\n",
    "parking.md": "# Parking\n\nA parking permit for the yard costs nothing.\n",
    "copy-of-parking.md": "# Parking\n\nA parking permit for the yard costs nothing.\n",
    "printer.md": "# Printer\n\nThe printer on the second floor needs blue toner.\n",
}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", settings=Settings(), embedder=HashEmbedder(384)) as opened:
        documents = [Document(path, text, "text/markdown", language="en") for path, text in TEXTS.items()]
        opened.add_documents(documents, source="test")
        yield opened


def beir(queries: dict[str, str], grades: dict[str, dict[str, int]], *answers: LabelledAnswer) -> BeirSet:
    return BeirSet(Path("unused"), queries, grades, answers)


def test_documents_are_ranked_by_their_best_chunk(library: Library) -> None:
    queries = {"q1": "paid holiday days a year", "q2": "blue toner printer"}
    grades = {"q1": {"holidays.md": 1}, "q2": {"holidays.md": 1}}
    measured = evaluate_beir(library, beir(queries, grades)).measures
    assert measured["hit@1"] == 0.5
    assert "not_found_auroc" not in measured


def test_an_exact_copy_is_ranked_behind_the_hit_that_stands_for_it(library: Library) -> None:
    grades = {"q": {"parking.md": 1, "copy-of-parking.md": 1}}
    measured = evaluate_beir(library, beir({"q": "parking permit yard"}, grades)).measures
    assert measured["ndcg@10"] == measured["recall@10"] == 1.0


def test_labelled_answers_are_compared_with_what_was_quoted(library: Library) -> None:
    rows = (
        LabelledAnswer(
            "a",
            "How many days of paid holiday does everybody get a year?",
            True,
            (TEXTS["holidays.md"][12:],),
        ),
        LabelledAnswer("u", "Who won the football world cup?", False, ()),
    )
    evaluation = evaluate_beir(library, beir({"q": "toner"}, {"q": {"printer.md": 1}}, *rows))
    assert evaluation.measures["quotes_verbatim"] == 1.0
    assert evaluation.measures["answers_with_gold_sentence"] == 1.0
    assert evaluation.measures["not_found_auroc"] == 1.0
    assert evaluation.counts["answerable"] == evaluation.counts["unanswerable"] == 1


def test_what_was_asked_before_is_measured_against_the_question_alone(library: Library) -> None:
    queries = {"q1": "parking permit", "q2": "and what does it cost a year?"}
    grades = {"q1": {"parking.md": 1}, "q2": {"printer.md": 1}}
    history = {"q2": (Exchange("the printer on the second floor"),)}
    labelled = BeirSet(Path("unused"), queries, grades, histories=history)
    evaluation = evaluate_beir(library, labelled)
    assert evaluation.groups["follow-ups"]["hit@1"] == evaluation.groups["first questions"]["hit@1"] == 1.0
    assert evaluation.groups["follow-ups alone"]["hit@1"] == 0.0
    assert evaluation.measures["hit@1"] == 1.0


def test_later_turns_of_conversations_are_measured_with_and_without_history(library: Library) -> None:
    toner = ((Gold("printer.md", "The printer on the second floor needs blue toner."),),)
    questions = (
        Question("c.1", "conversation", "the printer on the second floor", toner),
        Question(
            "c.2",
            "conversation",
            "and what does it cost a year?",
            toner,
            (Exchange("the printer, second floor"),),
        ),
    )
    groups = evaluate_questions(library, questions).groups
    assert groups["turn 2"]["hit@1"] == 1.0
    assert groups["turn 2 alone"]["hit@1"] == 0.0
    assert groups["conversation"]["hit@1"] == 0.5


def test_questions_with_quotes(library: Library) -> None:
    holiday = Gold("holidays.md", "Everybody gets 28 days of paid holiday a year.")
    toner = Gold("printer.md", "The printer on the second floor needs blue toner.")
    copied = Gold("copy-of-parking.md", "A parking permit for the yard costs nothing.")
    wrong = Gold("parking.md", "needs blue toner")
    questions = (
        Question("1", "answerable", "paid holiday days a year", ((wrong, holiday),)),
        Question("2", "answerable", "parking permit yard", ((copied,),)),
        Question("3", "multi", "paid holiday and blue toner", ((holiday,), (toner,), (wrong,))),
        Question("4", "unanswerable", "who won the world cup"),
    )
    moments: list[Progress] = []
    evaluation = evaluate_questions(library, questions, progress=moments.append)
    assert evaluation.measures["hit@1"] == evaluation.measures["mrr"] == 1.0
    assert evaluation.groups["multi"]["recall@10"] == pytest.approx(2 / 3)
    assert evaluation.groups["multi"]["mrr"] == 1.0
    assert evaluation.counts == {"answerable": 2, "unanswerable": 1, "conversation": 0, "multi": 1}
    assert len(evaluation.notes) == 1
    assert "parking.md does not hold the gold quote 'needs blue toner'" in evaluation.notes[0]
    assert [moment.stage for moment in moments] == ["searching"] * 3 + ["asking"] * 3
    assert evaluation.latency_ms["p50"] <= evaluation.latency_ms["p95"]


def test_measures_are_the_means_of_the_values_of_their_questions(library: Library) -> None:
    queries = {"c<::>1": "paid holiday days a year", "c<::>2": "blue toner printer", "d": "parking"}
    grades = {"c<::>1": {"holidays.md": 1}, "c<::>2": {"holidays.md": 1}, "d": {"parking.md": 2}}
    evaluation = evaluate_beir(library, beir(queries, grades))
    for name, values in evaluation.questions.items():
        assert list(values) == list(queries)
        assert evaluation.measures[name] == pytest.approx(sum(values.values()) / 3)
    assert evaluation.questions["hit@1"] == {"c<::>1": 1.0, "c<::>2": 0.0, "d": 1.0}
    assert evaluation.clusters == {"c<::>1": "c", "c<::>2": "c"}
