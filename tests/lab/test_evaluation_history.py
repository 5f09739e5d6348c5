"""The history of a library: whole lines or none, nothing of the documents, nothing followed or believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from openbook import Document, Library, Settings
from openbook.errors import LibraryError
from openbook.lab.comparing import Configuration, Measured, intervals_of
from openbook.lab.evaluate import evaluate_questions
from openbook.lab.evaluation_history import (
    FILE_NAME,
    Entry,
    append,
    entries,
    entry_of,
    series,
    sparkline,
)
from openbook.lab.labelled_sets import Gold, Question, mark

ENTRY = Entry(
    at="2026-01-02T03:04:05Z",
    version="1.0",
    set="questions.jsonl",
    set_mark="00",
    configuration="as it is",
    settings={"k": 8, "embedder": "hash:64"},
    model="hash",
    documents=3,
    chunks=4,
    measures={"ndcg@10": 0.5, "not_found_auroc": None},
    intervals={"ndcg@10": (0.25, 0.75)},
    latency_ms={"p50": 1.5},
    counts={"answerable": 2},
    ranks={"a": 1, "b": None},
)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    assert entries(tmp_path) == ([], 0)
    later = replace(ENTRY, at="2026-01-03T00:00:00Z", set="Fragen – é.csv")
    append(tmp_path, [ENTRY])
    append(tmp_path, [later, ENTRY])
    assert entries(tmp_path) == ([ENTRY, later, ENTRY], 0)


def test_a_line_that_was_cut_short_is_left_out_and_ended(tmp_path: Path) -> None:
    append(tmp_path, [ENTRY, ENTRY])
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes()[:-20])
    assert entries(tmp_path) == ([ENTRY], 1)
    append(tmp_path, [ENTRY])
    assert entries(tmp_path) == ([ENTRY, ENTRY], 1)


_WRITER = """
import sys
from pathlib import Path
from tests.lab.test_evaluation_history import ENTRY
from openbook.lab.evaluation_history import append
print("ready", flush=True)
while True:
    append(Path(sys.argv[1]), [ENTRY] * 3)
"""


def test_a_kill_loses_no_line_that_was_written(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            seen = len(entries(tmp_path)[0])
            while len(entries(tmp_path)[0]) < seen + 3:
                assert process.poll() is None
            process.kill()
        kept, strange = entries(tmp_path)
        assert strange <= 1
        assert set(map(repr, kept)) == {repr(ENTRY)}
    append(tmp_path, [ENTRY])
    assert entries(tmp_path)[0][-1] == ENTRY


def test_two_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: append(tmp_path, [ENTRY] * 5), range(20)))
    assert entries(tmp_path) == ([ENTRY] * 100, 0)


def test_the_history_of_a_stranger_is_not_believed(tmp_path: Path) -> None:
    lines = ["", "[]", "null", "1", '{"at": 1}', "{" * 5000, "[" * 100_000, '{"at": "\\ud800"}', "\udcff"]
    row = json.loads((_written(tmp_path)).read_text(encoding="utf-8"))
    wrong: list[object] = [[], {"a": "x"}, {"a": float("nan")}, {"a": []}]
    lines += [json.dumps({**row, "measures": measures}) for measures in wrong]
    lines.append(json.dumps({**row, "ranks": {"a": "first"}}))
    (tmp_path / FILE_NAME).write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    assert entries(tmp_path) == ([], len(lines) - 1)


def _written(folder: Path) -> Path:
    append(folder, [ENTRY])
    return folder / FILE_NAME


@pytest.mark.parametrize("link", [True, False])
def test_a_link_or_a_pipe_is_not_opened(tmp_path: Path, link: bool) -> None:
    library, outside = tmp_path / "library", tmp_path / "outside"
    library.mkdir()
    outside.write_text("mine\n", encoding="utf-8")
    if link:
        (library / FILE_NAME).symlink_to(outside)
    else:
        os.mkfifo(library / FILE_NAME)
    with pytest.raises(LibraryError, match="plain file"):
        append(library, [ENTRY])
    with pytest.raises(LibraryError, match="plain file"):
        entries(library)
    assert outside.read_text(encoding="utf-8") == "mine\n"


def test_no_word_of_a_document_or_a_question_is_kept(tmp_path: Path) -> None:
    with Library(tmp_path / "library", settings=Settings(embedder="hash:64")) as library:
        text = "The zebrafish swims upstream in winter."
        library.add_documents([Document("fish.md", text, "text/markdown", language="en")], source="test")
        questions = (
            Question("q1", "answerable", "Where does the zebrafish swim?", ((Gold("fish.md", text),),)),
            Question("q2", "answerable", "Absent?", ((Gold("fish.md", "a coelacanth quote"),),)),
            Question("q3", "unlabelled", "What about upstream winters?"),
        )
        evaluation = evaluate_questions(library, questions)
        assert "coelacanth" in " ".join(evaluation.notes)
        entry = entry_of(
            Measured(Configuration("as it is"), evaluation, intervals_of(evaluation)),
            at=ENTRY.at,
            version="1",
            name="questions.jsonl",
            mark=mark(questions),
            settings={"k": 8},
            status=library.status(),
        )
        append(library.path, [entry])
        before = sum(library.status().bytes.values())
        append(library.path, [entry])
        assert sum(library.status().bytes.values()) > before
        content = (library.path / FILE_NAME).read_text(encoding="utf-8")
    assert entry.ranks == {"q1": 1, "q2": None}
    for word in ("zebrafish", "upstream", "winter", "coelacanth", "fish.md"):
        assert word not in content
    assert entries(tmp_path / "library") == ([entry, entry], 0)


def test_only_the_same_set_and_configuration_is_one_line() -> None:
    other = replace(ENTRY, set_mark="01")
    tried = replace(ENTRY, configuration="k=3")
    found = series([ENTRY, other, tried, ENTRY])
    assert found == {
        ("questions.jsonl", "as it is"): [ENTRY, ENTRY],
        ("questions.jsonl (01)", "as it is"): [other],
        ("questions.jsonl", "k=3"): [tried],
    }


def test_bars() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([0.3, 0.3]) == "▄▄"
    assert sparkline([]) == ""
