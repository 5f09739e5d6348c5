"""Measures of answers against small answers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook import Document, Library, Settings
from openbook.answer.language_model import ScriptedModel
from openbook.lab.answer_judging import AnswerSheet, judge, token_f1, tokens
from openbook.lab.evaluate import evaluate_questions
from openbook.lab.labelled_sets import Gold, Question
from openbook.types import Answer, Citation, Claim

HOLIDAYS = "Everybody gets 28 days of paid holiday a year."
words = st.lists(st.sampled_from(["a", "b", "c", "日", "본"]), max_size=6).map(" ".join)


def answer(*citations: Citation, claims: tuple[Claim, ...] = (), text: str = "It is so.") -> Answer:
    return Answer("q", text, "answered", 0.9, citations, claims=claims)


def quoted(quote: str, *, supported: bool = True, start: int = 0) -> Citation:
    return Citation(start, start + 1, 1, quote, supported)


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert tokens("It's 3,5 %.\nSchöne_Grüße!") == ["it", "s", "3", "5", "schöne", "grüsse"]
    assert tokens("日本語 text") == ["日", "本", "語", "text"]


def test_token_f1_by_hand() -> None:
    # 3 words of 4 are among 6, so precision 3/4, recall 3/6.
    assert token_f1("the cat sat down", "the cat sat on the mat") == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    assert token_f1("the the", "the") == pytest.approx(2 / 3)
    assert (token_f1("", ""), token_f1("a", ""), token_f1("", "a")) == (1.0, 0.0, 0.0)


@given(words, words)
def test_token_f1_is_symmetric_and_at_most_1(one: str, other: str) -> None:
    assert token_f1(one, other) == token_f1(other, one)
    assert 0.0 <= token_f1(one, other) <= token_f1(one, one) == 1.0


def test_quotes_are_held_against_gold_quotes() -> None:
    golds = [["a quite different quote", HOLIDAYS]]
    found = judge(answer(quoted(HOLIDAYS), quoted("Parking is free of charge today")), golds=golds)
    assert found["citations_on_gold"] == 0.5
    # All 9 gold words are quoted, with 6 others.
    assert found["quote_f1"] == pytest.approx(2 * 9 / (15 + 9))
    assert judge(answer(quoted(HOLIDAYS)), golds=golds)["quote_f1"] == 1.0


def test_each_thing_that_is_needed_wants_its_quote() -> None:
    golds = [["one two three"], ["four five six", "seven eight nine"]]
    half = judge(answer(quoted("one two three")), golds=golds)["quote_f1"]
    assert half == pytest.approx(2 * 3 / (3 + 6))
    assert judge(answer(quoted("one two three"), quoted("seven eight nine")), golds=golds)["quote_f1"] == 1.0


def test_citations_and_claims_of_a_written_answer() -> None:
    claims = (
        Claim(0, 10, (1,), 0.9, True),  # cited, twice
        Claim(10, 20, (1,), 0.8, True),  # supported by the best evidence, without a citation
        Claim(20, 30, (2,), 0.1, False),  # cited, and not supported
    )
    citations = (quoted("a"), quoted("b", start=5), quoted("c", start=25, supported=False))
    found = judge(answer(*citations, claims=claims))
    assert found["citation_precision"] == pytest.approx(2 / 3)
    assert found["citation_recall"] == pytest.approx(1 / 3)
    assert found["support_rate"] == pytest.approx(2 / 3)
    assert "quote_f1" not in found


def test_an_answer_of_quotes_claims_what_it_quotes() -> None:
    found = judge(answer(quoted("a"), quoted("b")))
    assert found == {"citation_precision": 1.0, "citation_recall": 1.0, "support_rate": 1.0}


def test_abstaining_is_no_quality_where_an_answer_is_known() -> None:
    refused = Answer("q", "The documents do not say.", "not_found", 0.1)
    assert judge(refused, golds=[[HOLIDAYS]], references=["the documents do not say"]) == {
        "quote_f1": 0.0,
        "answer_f1": 0.0,
    }
    assert judge(refused) == {}


def test_the_best_reference_counts() -> None:
    assert judge(answer(text="28 days"), references=["four weeks", "28 days"])["answer_f1"] == 1.0


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", settings=Settings(embedder="hash:384")) as opened:
        documents = [
            Document("holidays.md", f"# Holidays\n\n{HOLIDAYS}\n", "text/markdown", language="en"),
            Document(
                "parking.md", "# Parking\n\nA permit for the yard is free.\n", "text/markdown", language="en"
            ),
        ]
        opened.add_documents(documents, source="test")
        yield opened


KNOWN = "How many days of paid holiday does everybody get a year?"
UNKNOWN = "Who won the football world cup?"


def test_abstention_is_counted_as_it_was_said(library: Library) -> None:
    sheet = AnswerSheet(library)
    right = sheet.ask("1", KNOWN, answerable=True)
    wrong = sheet.ask("2", UNKNOWN, answerable=True)
    sheet.ask("3", UNKNOWN, answerable=False)
    sheet.ask("4", KNOWN, answerable=False)
    assert (right.status, wrong.status) == ("answered", "not_found")
    found = sheet.measures()
    assert (found["not_found_precision"], found["not_found_recall"]) == (0.5, 0.5)
    assert sheet.values["abstention_accuracy"] == {"1": 1.0, "2": 0.0, "3": 1.0, "4": 0.0}
    assert found["abstention_accuracy"] == found["not_found_auroc"] == 0.5
    assert sheet.latency().keys() == {"ask_p50", "ask_p95"}


def test_a_language_models_answer_is_judged(library: Library) -> None:
    model = ScriptedModel([f"{HOLIDAYS[:-1]} [1]. Everybody also gets a car."])
    questions = (
        Question(
            "1", "answerable", KNOWN, ((Gold("holidays.md", HOLIDAYS),),), references=("28 days a year",)
        ),
    )
    evaluation = evaluate_questions(library, questions, model=model)
    assert evaluation.measures["support_rate"] == 0.5
    assert evaluation.measures["citation_recall"] == 0.5
    assert evaluation.measures["citation_precision"] == 1.0
    assert evaluation.measures["quote_f1"] == 1.0
    assert 0 < (evaluation.measures["answer_f1"] or 0) < 0.6


def test_questions_without_labels_tell_how_often_they_are_answered(library: Library) -> None:
    questions = (Question("1", "unlabelled", KNOWN), Question("2", "unlabelled", UNKNOWN))
    evaluation = evaluate_questions(library, questions)
    assert evaluation.measures["answered"] == 0.5
    assert evaluation.questions["answered"] == {"1": 1.0, "2": 0.0}
    assert 0 < (evaluation.measures["confidence"] or 0) < 1
    assert evaluation.measures["support_rate"] == 1.0
    assert evaluation.measures["not_found_auroc"] is None
    assert "ndcg@10" not in evaluation.measures
    assert evaluation.counts["unlabelled"] == 2
    assert evaluation.latency_ms.keys() == {"p50", "p95", "ask_p50", "ask_p95"}
    assert "No question has a label" in evaluation.notes[0]
