"""docs/measuring.md: its files are read, its commands are run, its names are those of the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from openbook.cli import run
from openbook.lab.answer_judging import JUDGED
from openbook.lab.comparing import INDEXING, SEARCHING
from openbook.lab.labelled_sets import read_questions
from openbook.lab.measures import RANKING
from openbook.lab.report_page import MEANINGS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:384")
    (tmp_path / "documents").mkdir()
    for name in ("frequently-asked-questions.md", "welcome.md", "safety-rules.md"):
        text = (ROOT / "examples" / "documents" / name).read_text(encoding="utf-8")
        (tmp_path / "documents" / name).write_text(text, encoding="utf-8")
    (table,), (lines,) = blocks("csv"), blocks("json")
    (tmp_path / "questions.csv").write_text(table, encoding="utf-8")
    (tmp_path / "questions.jsonl").write_text(lines, encoding="utf-8")
    assert [q.kind for q in read_questions(tmp_path / "questions.jsonl")] == [
        "answerable",
        "answerable",
        "unanswerable",
    ]
    (commands,) = blocks("sh")
    for command in commands.splitlines():
        assert run(shlex.split(command)[1:]) == 0, command
    out = capsys.readouterr().out
    assert "hit@10                       1.000" in out  # and so every label is one of a place that is there
    assert "cosine_weight=0.5" in out
    assert (tmp_path / "report.html").is_file()
    assert "does not hold" not in out


@pytest.mark.parametrize("name", [*SEARCHING, *INDEXING, *JUDGED, "ndcg@10", "mrr"])
def test_every_setting_and_measure_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_what_the_report_explains_is_measured() -> None:
    others = {"abstention_accuracy", "answered", "confidence", "not_found_auroc"}
    assert MEANINGS.keys() == {*RANKING, *JUDGED, *others}
