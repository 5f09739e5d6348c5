"""Labelled sets are read as they are meant, or refused with the line that is wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.lab.labelled_sets import Gold, mark, read_beir, read_questions
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


def test_a_plain_questions_file(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "questions.jsonl",
        {"question": "a", "path": "a.md", "quote": "one", "note": "the user's own"},
        {"question": "b", "path": "b.pdf", "page": 3, "heading": "Oil", "also": [{"quote": "two"}]},
        {"question": "c", "quote": "three", "answer": "It is 3."},
        {"question": "d", "answer": ["yes", "indeed"], "id": "named"},
        {"question": "e", "unanswerable": True},
        {"question": "f", "unanswerable": False},
    )
    a, b, c, d, e, f = read_questions(path)
    assert [question.id for question in (a, b, c, d, e, f)] == ["1", "2", "3", "named", "5", "6"]
    kinds = ["answerable"] * 4 + ["unanswerable", "unlabelled"]
    assert [question.kind for question in (a, b, c, d, e, f)] == kinds
    assert a.needs == ((Gold("a.md", "one"),),)
    assert b.needs == ((Gold("b.pdf", "", 3, "Oil"), Gold("", "two")),)
    assert (c.needs, c.references) == (((Gold("", "three"),),), ("It is 3.",))
    assert (d.needs, d.references) == ((), ("yes", "indeed"))


def test_the_same_as_a_table(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text(
        "\ufeffQuestion,path,page,quote,answer,unanswerable,mine\r\n"
        'a,a.md,2,"one, ""two""\nthree",,,x\r\n'
        "\r\n"
        "b,,,,It is so.,no\r\n"
        "c,,,,,TRUE,\r\n",
        encoding="utf-8",
    )
    a, b, c = read_questions(path)
    assert (a.id, a.needs) == ("2", ((Gold("a.md", 'one, "two"\nthree', 2),),))
    assert (b.id, b.references, c.id, c.kind) == ("5", ("It is so.",), "6", "unanswerable")
    tabs = tmp_path / "questions.tsv"
    tabs.write_text("path\tquestion\na.md\tWhat, then?\n", encoding="utf-8")
    assert read_questions(tabs)[0].text == "What, then?"


def test_a_question_a_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.txt"
    path.write_text("What?\n\n  Why, then? \n", encoding="utf-8")
    assert [(q.id, q.text, q.kind) for q in read_questions(path)] == [
        ("1", "What?", "unlabelled"),
        ("3", "Why, then?", "unlabelled"),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"qestion": "a"}, "a field 'qestion'; expected 'question'"),
        ({"question": "a", "Quote": "b"}, "a field 'Quote'; expected 'quote'"),
        ({"path": "a.md"}, "'question' is None; expected a text"),
        ({"question": " "}, "'question' is empty"),
        ({"question": "a", "unanswerable": "perhaps"}, "'unanswerable' is 'perhaps'; expected true or false"),
        ({"question": "a", "unanswerable": True, "path": "a.md"}, "but there is a path"),
        ({"question": "a", "path": "a.md", "page": "ii"}, "'page' is 'ii'; expected a whole number from 1"),
        ({"question": "a", "page": 2}, "expected a 'path'"),
        ({"question": "a", "path": ["a.md", 3]}, r"'path' is \['a.md', 3\]; expected a text"),
        ({"question": "a", "also": "b.md"}, "'also' is 'b.md'; expected a list"),
        ({"question": "a", "id": "first"}, "the id 'first' stands in line 1 already"),
    ],
)
def test_what_is_wrong_with_a_question_is_said_with_its_line(
    tmp_path: Path, row: dict[str, object], message: str
) -> None:
    path = write_lines(tmp_path / "questions.jsonl", {"question": "fine", "id": "first"}, row)
    with pytest.raises(UsageError, match=message) as failure:
        read_questions(path)
    assert "questions.jsonl', line 2: " in str(failure.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,quote\na,b\n", "line 1: the header is .*expected a column 'question'"),
        ("question,path\na,b\nc,d,e\n", "line 3: 3 fields under a header of 2"),
        ('question\n"a" b\n', "line 2: not CSV"),
        ("question\n", "holds no questions"),
        ("", "holds no questions"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "questions.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_questions(path)


def test_the_mark_of_a_set_changes_with_its_questions_and_labels(folder: Path, tmp_path: Path) -> None:
    rows = [
        {"question": "a", "path": "a.md"},
        {"question": "b", "path": "a.md"},
        {"question": "a", "path": "b.md"},
        {"question": "a", "quote": "a.md"},
        {"question": "a", "answer": "a.md"},
    ]
    marks = {mark(read_questions(write_lines(tmp_path / "questions.jsonl", row))) for row in rows}
    assert len(marks) == len(rows)
    assert mark(read_beir(folder)) == mark(read_beir(folder))
    assert mark(read_beir(folder)) not in marks
