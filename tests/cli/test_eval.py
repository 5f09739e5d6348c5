"""The eval command: configurations, other libraries, the page, the history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Openbook

QUESTIONS = [
    {"question": "paid holiday days a year", "path": "holidays.md"},
    {"question": "parking permit for the yard", "quote": "A parking permit for the yard costs nothing."},
    {"question": "blue toner printer", "path": "notes.txt", "answer": "blue toner cartridges"},
    {"question": "who won the football world cup", "unanswerable": True},
]


@pytest.fixture
def filled(openbook: Openbook, folder: Path) -> Openbook:
    assert openbook("add", "documents").code == 0
    lines = "".join(json.dumps(row) + "\n" for row in QUESTIONS)
    (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
    return openbook


def test_measures_stand_with_their_intervals(filled: Openbook) -> None:
    measured = filled("eval", "questions.jsonl", "--json").json
    assert measured["hit@1"] == 1.0
    assert measured["intervals"]["hit@1"] == [1.0, 1.0]
    low, high = measured["intervals"]["quote_f1"]
    assert low <= measured["quote_f1"] <= high
    assert measured["questions"]["hit@1"] == {"1": 1.0, "2": 1.0, "3": 1.0}
    assert "comparisons" not in measured
    text = filled("eval", "questions.jsonl").out
    assert "hit@1                        1.000   1.000 to 1.000\n" in text


def test_configurations_are_compared(filled: Openbook, folder: Path) -> None:
    library = folder / ".openbook" / "ledger.sqlite"
    before = library.read_bytes()
    arguments = ("eval", "questions.jsonl", "--compare", "k=3", "--compare", "chunk_tokens=30,candidates=5")
    measured = filled(*arguments, "--json").json
    first, second = measured["comparisons"]
    assert first["changes"] == {"k": "3"}
    assert second["configuration"] == "chunk_tokens=30,candidates=5"
    for compared in (first, second):
        assert compared["differences"]["hit@1"]["mean"] == 0.0
        assert compared["differences"]["hit@1"]["p_corrected"] == 1.0
        assert compared["measures"]["hit@1"] == 1.0
    assert first["changed"] == []
    text = filled(*arguments).out
    assert "\nk=3\n" in text
    assert "0 questions better, 0 worse, by ndcg@10" in text
    assert library.read_bytes() == before


def test_another_library_is_compared_and_its_losses_listed(filled: Openbook, folder: Path) -> None:
    assert filled("add", "documents/handbook", "--library", "smaller").code == 0
    arguments = ("eval", "questions.jsonl", "--against", "smaller")
    (compared,) = filled(*arguments, "--json").json["comparisons"]
    (lost,) = compared["changed"]
    assert (lost["id"], lost["question"]) == ("3", "blue toner printer")
    assert (lost["rank_before"], lost["rank_after"], lost["after"]) == (1, None, 0.0)
    text = filled(*arguments, "--differences").out
    assert "0 questions better, 1 worse" in text
    assert "1.000 → 0.000   rank 1 → –     3  blue toner printer" in text
    assert not (folder / "smaller" / "evaluations.jsonl").exists()


def test_a_configuration_may_name_another_model_than_the_rest(filled: Openbook) -> None:
    assert filled("eval", "questions.jsonl", "--model", "none", "--compare", "model=none").code == 0
    result = filled("eval", "questions.jsonl", "--model", "none", "--compare", "model=nobody:nothing")
    assert result.code != 0
    assert "nobody" in result.err


def test_the_library_keeps_what_was_measured(filled: Openbook, folder: Path) -> None:
    assert (
        filled("eval", "--history").out
        == "Nothing was measured of this library yet, or nothing of that set.\n"
    )
    filled("eval", "questions.jsonl")
    filled("eval", "questions.jsonl", "--compare", "k=3")
    filled("eval", "questions.jsonl", "--no-keep")
    filled("eval", "questions.jsonl", "--documents", "documents")
    kept = filled("eval", "--history", "--json").json
    assert [entry["configuration"] for entry in kept["evaluations"]] == ["as it is", "as it is", "k=3"]
    assert kept["evaluations"][2]["settings"]["k"] == "3"
    assert kept["evaluations"][0]["ranks"] == {"1": 1, "2": 1, "3": 1}
    text = filled("eval", "questions.jsonl", "--history").out
    assert "questions.jsonl: as it is\n  ndcg@10 ▄▄\n" in text
    assert "4 documents" in text
    assert filled("eval", "others.jsonl", "--history").out.startswith("Nothing was measured")
    with (folder / ".openbook" / "evaluations.jsonl").open("a") as file:
        file.write('{"at": ')
    assert filled("eval", "--history").out.endswith("1 line of the history cannot be read.\n")


def test_a_library_that_cannot_keep_it_is_measured_all_the_same(filled: Openbook, folder: Path) -> None:
    (folder / ".openbook" / "evaluations.jsonl").mkdir()
    measured = filled("eval", "questions.jsonl", "--json", "--report", "report.html")
    assert (measured.code, measured.json["hit@1"]) == (0, 1.0)
    assert "The library does not keep this evaluation" in measured.err
    assert "The report shows no history" in measured.err
    assert (folder / "report.html").is_file()
    assert "evaluations.jsonl" in filled("eval", "--history").err


def test_a_report_is_written(filled: Openbook, folder: Path) -> None:
    for _ in range(2):
        result = filled("eval", "questions.jsonl", "--compare", "k=3", "--report", "report.html")
        assert result.code == 0
        assert result.out.endswith("Report: report.html\n")
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("How well .openbook answers questions.jsonl", "k=3", "Over time", "hash"):
        assert words in page


def test_a_list_of_questions_is_measured_without_labels(filled: Openbook, folder: Path) -> None:
    (folder / "questions.txt").write_text("paid holiday days a year\nworld cup winners\n", encoding="utf-8")
    measured = filled("eval", "questions.txt", "--json").json
    assert 0 <= measured["answered"] <= 1
    assert "hit@1" not in measured
    assert "No question has a label" in measured["notes"][0]
    assert "answered " in filled("eval", "questions.txt").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval"], "No SET is named"),
        (["eval", "questions.jsonl", "--compare", "threads=2"], "'threads'"),
        (["eval", "questions.jsonl", "--compare", "k=none"], "k in the configuration 'k=none' is 'none'"),
        (["eval", "questions.jsonl", "--against", "nowhere"], "'nowhere'"),
        (["eval", "questions.jsonl", "--report", "nowhere/a.html"], "no folder"),
        (["eval", "--history", "--library", "nowhere"], "'nowhere'"),
    ],
)
def test_what_is_wrong_is_said(filled: Openbook, arguments: list[str], message: str) -> None:
    result = filled(*arguments)
    assert result.code in (1, 2)
    assert result.out == ""
    assert message in result.err
    assert "Traceback" not in result.err
