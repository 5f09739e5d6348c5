"""`ask --batch` over a real library, a real HTTP client and a server that fails at random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from openbook.cli import DONE, FAILED
from openbook.cli.batch import run_batch
from openbook.errors import UsageError
from openbook.library import Library
from openbook.settings import Settings
from tests.model_server.fixtures import StartServer, start_server
from tests.model_server.server import Fail, ModelServer

__all__ = ["start_server"]

SETTINGS = Settings(embedder="hash:64", read_workers=1)
MANY = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of documents, a library of them, and a question about each."""
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(MANY):
        text = f"# Tower {number}\n\nThe tower number {number} of the wall is {number + 7} metres high.\n"
        (documents / f"tower-{number}.md").write_text(text, encoding="utf-8")
    with Library(tmp_path / "library", settings=SETTINGS) as library:
        library.add(documents)
    lines = [
        {"id": f"q{number}", "question": f"How high is the tower number {number} of the wall?"}
        for number in range(MANY)
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def run(folder: Path, *, as_json: bool = False, **changes: Any) -> int:
    settings = SETTINGS.updated(changes, source="the test")
    with Library(folder / "library", settings=settings, create=False) as library:
        return run_batch(
            library, folder / "questions.jsonl", folder / "answers.jsonl", ask=library.ask, as_json=as_json
        )


def answers(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]


def with_model(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    return {"model": "openai:test-model", "base_url": server.base_url, "parallel": 8}


def test_quotes_need_no_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == DONE
    found = answers(folder)
    assert sorted(entry["id"] for entry in found) == sorted(f"q{number}" for number in range(MANY))
    assert {entry["generator"] for entry in found} == {"quotes"}
    printed = capsys.readouterr().out
    assert printed.startswith(f"{MANY} questions: {MANY} answered")
    assert run(folder, as_json=True) == DONE
    report = json.loads(capsys.readouterr().out)
    assert (report["questions"], report["earlier"], report["answered"]) == (MANY, MANY, 0)


def test_a_model_behind_a_server_that_fails_at_random(
    folder: Path,
    start_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every eighth request fails; a first run without retries leaves some open, a second asks those alone."""
    failures = [Fail(429), Fail(500)]
    server = start_server("It is high [1].", failure_share=0.125, failures=failures, seed=5)
    chosen = with_model(server, monkeypatch)
    assert run(folder, as_json=True, model_retries=0, **chosen) == FAILED
    report = json.loads(capsys.readouterr().out)
    first = len(server.requests)
    assert first == MANY
    assert {failure["error"] for failure in report["failures"]} == {"ModelBusy"}
    assert report["answered"] == MANY - len(report["failures"]) == len(answers(folder))
    assert run(folder, model_retries=8, **chosen) == DONE
    printed = capsys.readouterr().out
    assert f"{len(report['failures'])} answered, {report['answered']} had their answer already" in printed
    found = answers(folder)
    assert sorted(entry["id"] for entry in found) == sorted(f"q{number}" for number in range(MANY))
    assert {entry["generator"] for entry in found} == {"openai:test-model"}


def test_failures_are_printed(
    folder: Path,
    start_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start_server(Fail(400, message="no \x1b[31m today"))
    assert run(folder, **with_model(server, monkeypatch)) == FAILED
    printed = capsys.readouterr().out
    assert "20 failed, 40 not asked" in printed
    assert printed.count("  failed   q") == 20
    assert "\x1b" not in printed
    assert "Run the same again" in printed


def test_no_questions_where_there_are_answers(folder: Path) -> None:
    (folder / "answers.jsonl").touch()
    (folder / "questions.jsonl").unlink()
    with pytest.raises(UsageError, match=r"questions.jsonl' cannot be read"):
        run(folder)


def test_the_questions_are_not_overwritten(folder: Path) -> None:
    file = folder / "questions.jsonl"
    before = file.read_bytes()
    with (
        Library(folder / "library", settings=SETTINGS) as library,
        pytest.raises(UsageError, match="questions"),
    ):
        run_batch(library, file, file, ask=library.ask, as_json=False)
    assert file.read_bytes() == before
