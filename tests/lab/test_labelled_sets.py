"""Labelled sets are read as they are meant, or refused with the line that is wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.lab.labelled_sets import Gold, read_beir, read_questions
from openbook.types import Exchange


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_lines(
        tmp_path / "corpus.jsonl", {"_id": "d1", "title": "Keys", "text": "A key."}, {"_id": 2, "text": "B"}
    )
    write_lines(
        tmp_path / "queries.jsonl", {"_id": "q1", "text": "key?"}, {"_id": "q2", "text": "not judged"}
    )
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t2\t0\n", encoding="utf-8")
    return tmp_path


def test_a_beir_folder(folder: Path) -> None:
    labelled = read_beir(folder)
    assert labelled.queries == {"q1": "key?"}
    assert labelled.grades == {"q1": {"d1": 2, "2": 0}}
    assert [(document.path, document.title) for document in labelled.documents()] == [
        ("d1", "Keys"),
        ("2", ""),
    ]


def test_another_query_file(folder: Path) -> None:
    write_lines(folder / "short.jsonl", {"_id": "q1", "text": "k"})
    assert read_beir(folder, queries="short.jsonl").queries == {"q1": "k"}


def test_a_query_may_be_a_conversation(folder: Path) -> None:
    text = "|user|: a lock?\n|agent|: Yes,\nof iron.\n|user|:  and a key? "
    write_lines(folder / "talk.jsonl", {"_id": "q1", "text": text})
    labelled = read_beir(folder, queries="talk.jsonl")
    assert labelled.queries == {"q1": "and a key?"}
    assert labelled.histories == {"q1": (Exchange("a lock?", answer="Yes,\nof iron."),)}
    assert read_beir(folder).histories == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("queries.jsonl", '{"_id": "q1", "text": "a"}\n{"_id": ', "line 2: not JSON"),
        ("queries.jsonl", '{"_id": "q1"}', "'text' is None"),
        ("queries.jsonl", '["q1"]', "expected an object"),
        ("queries.jsonl", '{"_id": "q9", "text": "a"}', "None of the 1 queries"),
        ("queries.jsonl", "\udcff", "is not UTF-8"),
        ("qrels.tsv", "head\nq1\td1\n", "expected query, document and grade"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        read_beir(folder)


def test_a_folder_that_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no labelled set"):
        read_beir(tmp_path)


def test_a_questions_file(tmp_path: Path) -> None:
    gold = {"file": "a.md", "quote": "one"}
    path = write_lines(
        tmp_path / "questions.jsonl",
        {
            "id": "r1",
            "kind": "answerable",
            "question": "q",
            **gold,
            "also": [{"file": "b.md", "quote": "two"}],
        },
        {"id": "u1", "kind": "unanswerable", "question": "u"},
        {
            "id": "c1",
            "kind": "conversation",
            "turns": [{"question": "t1", **gold}, {"question": "t2", **gold}],
        },
        {"id": "m1", "kind": "multi", "question": "m", "parts": [gold, {"file": "b.md", "quote": "two"}]},
    )
    questions = {question.id: question for question in read_questions(path)}
    assert list(questions) == ["r1", "u1", "c1.1", "c1.2", "m1"]
    assert questions["r1"].needs == ((Gold("a.md", "one"), Gold("b.md", "two")),)
    assert questions["u1"].needs == ()
    assert questions["c1.2"].text == "t2"
    assert questions["m1"].needs == ((Gold("a.md", "one"),), (Gold("b.md", "two"),))


def test_an_unknown_kind_of_question_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "questions.jsonl", {"kind": "riddle", "question": "?"})
    with pytest.raises(UsageError, match="kind is 'riddle'"):
        read_questions(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path / "absent.jsonl")


def test_the_book_questions(data: Path) -> None:
    kinds = Counter(question.kind for question in read_questions(data / "r4ds-questions.jsonl"))
    assert kinds == {"answerable": 70, "unanswerable": 20, "conversation": 30, "multi": 8}


def test_the_labelled_answers(data: Path) -> None:
    answers = read_beir(data / "clapnq").answers
    assert Counter(answer.answerable for answer in answers) == {True: 150, False: 150}
    assert sum(bool(answer.selected) for answer in answers if answer.answerable) >= 145
