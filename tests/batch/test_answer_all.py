"""Many questions: each answered once, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openbook import batching
from openbook.batching import FAILURES_IN_A_ROW, BatchReport, Failure, Question, answer_all, read_questions
from openbook.errors import KeyRefused, ModelBusy, OpenbookError, UsageError
from openbook.types import Answer, Progress

QUESTIONS = [Question(number, f"question {number}?") for number in range(1, 31)]
NUMBERS = [Question(number, str(number)) for number in range(1, 31)]


def answer(question: str, **changes: Any) -> Answer:
    values: dict[str, Any] = {"status": "answered", "confidence": 0.9, "usage": {"input_tokens": 2}}
    return Answer(question, f"answer to {question} \u2028 and \ud83d", **values | changes)


def lines(out: Path) -> list[Any]:
    return [json.loads(line) for line in out.read_bytes().split(b"\n")[:-1]]


def failing(wrong: Callable[[str], OpenbookError | None]) -> Callable[[str], Answer]:
    def ask(question: str) -> Answer:
        error = wrong(question)
        if error is not None:
            raise error
        return answer(question)

    return ask


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def test_every_question_is_answered_once(out: Path) -> None:
    seen: list[Progress] = []
    report = answer_all(QUESTIONS, answer, out, parallel=4, progress=seen.append)
    assert report == BatchReport(30, answered=30, usage={"input_tokens": 60}, seconds=report.seconds)
    assert sorted(line["id"] for line in lines(out)) == list(range(1, 31))
    assert all(line["text"] == f"answer to {line['question']} \u2028 and \ud83d" for line in lines(out))
    assert [progress.done for progress in seen] == list(range(31))
    assert {progress.total for progress in seen} == {30}


def test_a_second_run_asks_nothing(out: Path) -> None:
    answer_all(QUESTIONS, answer, out)
    before = out.read_bytes()
    report = answer_all(QUESTIONS, failing(lambda _: ModelBusy("asked again")), out)
    assert (report.earlier, report.answered, report.failures) == (30, 0, ())
    assert out.read_bytes() == before


def test_new_questions_are_added_to_old_ones(out: Path) -> None:
    answer_all(QUESTIONS[:10], answer, out)
    report = answer_all(QUESTIONS[5:], answer, out)
    assert (report.questions, report.earlier, report.answered) == (25, 5, 20)
    assert sorted(line["id"] for line in lines(out)) == list(range(1, 31))


def test_failures_are_reported_and_tried_by_the_next_run(out: Path) -> None:
    ask = failing(lambda question: ModelBusy("so busy") if "3" in question else None)
    report = answer_all(QUESTIONS, ask, out)
    expected = [Failure(q.id, q.text, "ModelBusy", "so busy") for q in QUESTIONS if "3" in q.text]
    assert sorted(report.failures, key=lambda failure: int(failure.id)) == expected
    assert report.answered == 30 - len(expected) == len(lines(out))
    report = answer_all(QUESTIONS, answer, out)
    assert (report.earlier, report.answered) == (30 - len(expected), len(expected))
    assert sorted(line["id"] for line in lines(out)) == list(range(1, 31))


def test_an_answer_that_is_not_whole_is_a_failure(out: Path) -> None:
    def ask(question: str) -> Answer:
        return answer(question, complete="7" not in question, notes=("first", "it was cut off"))

    report = answer_all(QUESTIONS[:10], ask, out)
    assert report.failures == (
        Failure(7, "question 7?", "Incomplete", "The answer is not whole. it was cut off"),
    )
    assert 7 not in {line["id"] for line in lines(out)}


def test_not_found_is_an_answer(out: Path) -> None:
    report = answer_all(QUESTIONS[:3], lambda question: answer(question, status="not_found"), out)
    assert (report.answered, report.not_found) == (3, 3)
    assert answer_all(QUESTIONS[:3], answer, out).earlier == 3


def test_what_fails_every_question_ends_the_run(out: Path) -> None:
    asked: list[str] = []

    def ask(question: str) -> Answer:
        asked.append(question)
        if len(asked) > 5:
            raise KeyRefused("no such key")
        return answer(question)

    with pytest.raises(KeyRefused, match="no such key"):
        answer_all(QUESTIONS, ask, out, parallel=1)
    assert len(asked) == 6
    assert answer_all(QUESTIONS, answer, out).earlier == 5


def test_failures_in_a_row_end_the_run(out: Path) -> None:
    report = answer_all(QUESTIONS, failing(lambda _: ModelBusy("down")), out, parallel=1)
    assert len(report.failures) == FAILURES_IN_A_ROW
    assert report.left == 30 - FAILURES_IN_A_ROW
    assert report.stopped.startswith(f"{FAILURES_IN_A_ROW} questions failed")


def test_a_mistake_in_the_program_is_raised_and_loses_nothing(out: Path) -> None:
    def ask(question: str) -> Answer:
        return answer(question, usage=1 // ("9" not in question) and {})

    with pytest.raises(ZeroDivisionError):
        answer_all(QUESTIONS, ask, out, parallel=1)
    assert [line["id"] for line in lines(out)] == list(range(1, 9))


def test_as_many_at_a_time_as_allowed(out: Path) -> None:
    together = threading.Barrier(3, timeout=30)

    def ask(question: str) -> Answer:
        together.wait()  # passes only if three are under way at once
        return answer(question)

    assert answer_all(QUESTIONS, ask, out, parallel=3).answered == 30


@pytest.mark.parametrize("keep", [1, 7, 8, 60, 200, -1])
def test_a_torn_last_line_is_cut_off_and_its_question_asked_again(out: Path, keep: int) -> None:
    answer_all(QUESTIONS[:5], answer, out, parallel=1)
    whole = out.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    out.write_bytes(whole[:begin] + whole[begin:-1][:keep])
    report = answer_all(QUESTIONS[:5], answer, out)
    assert (report.earlier, report.answered) == (4, 1)
    assert out.read_bytes() == whole


def test_what_a_lost_power_supply_leaves(out: Path) -> None:
    answer_all(QUESTIONS[:5], answer, out, parallel=1)
    whole = out.read_bytes()
    out.write_bytes(whole + bytes(500))
    assert answer_all(QUESTIONS[:5], answer, out).earlier == 5
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    "content",
    [
        b"my notes\n",
        b"my notes without an end",
        b'{"id": 1, "question": "a question, no answer"}\n',
        b"[1]\n",
        b"1\n",
        b"\n",
        b"\xff\xfe\n",
    ],
)
def test_no_other_file_is_written_to(out: Path, content: bytes) -> None:
    out.write_bytes(content)
    with pytest.raises(UsageError, match=r"not a file of answers: line 1"):
        answer_all(QUESTIONS, answer, out)
    assert out.read_bytes() == content


def test_answers_to_other_questions_are_noticed(out: Path) -> None:
    answer_all(QUESTIONS[:3], answer, out)
    with pytest.raises(UsageError, match=r"another question under the id 2: 'question 2\?', not 'changed'"):
        answer_all([Question(1, "question 1?"), Question(2, "changed")], answer, out)


def test_ids_occur_once(out: Path) -> None:
    with pytest.raises(UsageError, match=r"2 questions have the id '7'"):
        answer_all([Question(7, "one"), Question("7", "two")], answer, out)
    assert not out.exists()


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        answer_all(QUESTIONS, answer, tmp_path / "no such folder" / "answers.jsonl")


def test_a_place_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a reader for ever
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="no file"):
            answer_all(QUESTIONS, answer, place)


FULL = """
import resource, sys
from pathlib import Path
from openbook.batching import Question, answer_all
from openbook.types import Answer

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
questions = [Question(n, str(n)) for n in range(1, 31)]
answer_all(questions, lambda q: Answer(q, "yes " * 1000, "answered", 0.9), Path(sys.argv[1]), parallel=1)
"""


def test_a_full_disk(out: Path) -> None:
    """The third answer does not fit; what had fitted of it is cut off by the next run."""
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(out)], capture_output=True, text=True, check=False
    )
    assert "StorageFull: No space is left for the answer 3" in result.stderr
    assert out.stat().st_size == 10_000
    report = answer_all(NUMBERS, answer, out)
    assert (report.earlier, report.answered) == (2, 28)
    assert sorted(line["id"] for line in lines(out)) == list(range(1, 31))


def test_the_minute_of_an_earlier_run_is_waited_for(out: Path) -> None:
    slept: list[float] = []
    answer_all(QUESTIONS[:5], answer, out, quiet_seconds=60, sleep=slept.append)
    assert slept == []  # there was none
    shown: list[Progress] = []
    answer_all(QUESTIONS, answer, out, quiet_seconds=60, sleep=slept.append, progress=shown.append)
    assert len(slept) == 1
    assert 0 < slept[0] <= 60
    assert shown[0].eta_seconds == slept[0]
    answer_all(QUESTIONS, answer, out, quiet_seconds=60, sleep=slept.append)
    assert len(slept) == 1, "nothing is left to ask"
    for age in (61, -500):
        out.unlink()
        answer_all(QUESTIONS[:5], answer, out)
        os.utime(out, (time.time() - age, time.time() - age))
        answer_all(QUESTIONS, answer, out, quiet_seconds=60, sleep=slept.append)
    assert len(slept) == 1


def test_a_run_shows_that_it_is_alive(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a question takes long, its file is touched all the same."""
    monkeypatch.setattr(batching, "BEAT_SECONDS", 0.001)

    def ask(question: str) -> Answer:
        os.utime(out, (1, 1))
        while out.stat().st_mtime == 1:
            threading.Event().wait(0.001)
        return answer(question)

    assert answer_all(QUESTIONS[:2], ask, out).answered == 2


PROCESS = """
import os, sys, threading
from pathlib import Path
from openbook import batching
from openbook.batching import Question, answer_all
from openbook.types import Answer

batching.GRACE_SECONDS = 0.0  # what is under way here never ends

def ask(question):
    number = int(question)
    if number > 10:
        os.write(1, b"asked\\n")  # in one piece, unlike print
        threading.Event().wait()
    return Answer(question, "yes " * 1000, "answered", 0.9)

answer_all([Question(n, str(n)) for n in range(1, 31)], ask, Path(sys.argv[1]), parallel=2)
"""


@pytest.fixture
def running(out: Path) -> Any:
    """Another process that has answered ten of thirty questions and waits for two more."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["asked\n"] * 2
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused(running: subprocess.Popen[str], out: Path) -> None:
    with pytest.raises(UsageError, match="Another process is writing"):
        answer_all(NUMBERS, answer, out)


def test_a_killed_run_goes_on(running: subprocess.Popen[str], out: Path) -> None:
    while out.read_bytes().count(b"\n") < 10:  # its main thread may still be writing
        threading.Event().wait(0.001)
    running.kill()
    running.wait()
    report = answer_all(NUMBERS, answer, out)
    assert (report.earlier, report.answered) == (10, 20)
    assert sorted(line["id"] for line in lines(out)) == list(range(1, 31))


def test_a_stopped_run_leaves_whole_lines(running: subprocess.Popen[str], out: Path) -> None:
    while out.read_bytes().count(b"\n") < 10:
        threading.Event().wait(0.001)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()
    assert "KeyboardInterrupt" in errors
    assert len(lines(out)) == 10
    assert answer_all(NUMBERS, answer, out).answered == 20


def test_questions_are_text_or_objects(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(
        '\ufeffwhat is a "join"?\n\n'
        '{"id": "b", "question": " who may sign? ", "more": 1}\n'
        '{"question": "line four?\u2028still line four?"}\r\n'
        '{"id": 9, "question": "nine?"}\n{"question": "half a \\ud800 pair?"}',
        encoding="utf-8",
    )
    assert read_questions(file) == [
        Question(1, 'what is a "join"?'),
        Question("b", " who may sign? "),
        Question(4, "line four?\u2028still line four?"),
        Question(9, "nine?"),
        Question(6, "half a ? pair?"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no question"),
        (b" \n\n", "holds no question"),
        (b'fine\n{"id": 1', r"Line 2 .* no JSON object"),
        (b'{"id": 1}', "the question None"),
        (b'{"question": " "}', "the question ' '"),
        (b'{"question": 5}', "the question 5"),
        (b'{"question": "a", "id": null}', "the id None"),
        (b'{"question": "a", "id": true}', "the id True"),
        (b'{"question": "a", "id": 1.5}', "the id 1.5"),
        (b"\xff\xff", "cannot be read"),
        (b'{"a":' * 100_000, "Line 1 .* no JSON object"),
    ],
)
def test_files_that_hold_no_questions(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        read_questions(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(tmp_path / "none")
