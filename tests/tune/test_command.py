"""`openbook tune` as it is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from openbook.cli import run
from tests.tune.libraries import foreign_library, noisy_library, strange_questions


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENBOOK_SETTINGS", str(tmp_path / "none.toml"))
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:8")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A library and a file of questions on it."""
    library, asked = noisy_library(tmp_path / "library")
    rows = [{"id": q.id, "question": q.text, "path": next(iter(q.grades))} for q in asked]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    library.close()
    return tmp_path


def test_a_gain_is_printed_with_its_interval_adopted_and_taken_back(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = ["--library", str(place / "library")]
    assert run(["tune", str(place / "questions.jsonl"), "--dry-run", *library]) == 0
    out = capsys.readouterr().out
    assert "Would be adopted: cosine_weight = " in out
    assert "p = 0.0" in out
    assert run(["tune", str(place / "questions.jsonl"), *library]) == 0
    assert "openbook tune --undo takes it back" in capsys.readouterr().out
    assert run(["status", *library]) == 0
    assert "cosine_weight 0.8 →" in capsys.readouterr().out
    assert run(["tune", "--undo", *library]) == 0
    assert "→ 0.8" in capsys.readouterr().out
    assert run(["tune", "--undo", *library]) == 2
    assert "no tuning" in capsys.readouterr().err


def test_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tune", str(place / "questions.jsonl"), "--library", str(place / "library"), "--json"]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["adopted"] == found["convincing"]
    assert found["parts"]["test"] == 30
    trial = next(one for one in found["trials"] if one["chosen"])
    assert trial["test"]["low"] > 0


def test_an_adapter_is_learned_with_questions_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:96")
    opened, asked = foreign_library(tmp_path / "library")
    opened.close()
    rows = [{"id": q.id, "question": q.text, "path": next(iter(q.grades))} for q in asked]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    library = ["--library", str(tmp_path / "library")]
    assert run(["tune", "--adapter", *library]) == 2
    assert "name a SET" in capsys.readouterr().err
    assert (
        run(["tune", str(tmp_path / "questions.jsonl"), "--adapter", "--made", "20", "--json", *library]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["adopted"]
    assert len(found["adapter"]) == 16
    assert run(["tune", "--undo", *library]) == 0
    assert "taken back" in capsys.readouterr().out


def test_a_calibration_is_named_listed_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:256")
    opened, asked = noisy_library(tmp_path / "library", embedder="hash:256")
    opened.close()
    rows: list[dict[str, object]] = [
        {"id": q.id, "question": q.text, "path": next(iter(q.grades))} for q in asked
    ]
    rows += [{"id": q.id, "question": q.text, "unanswerable": True} for q in strange_questions(40)]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    arguments = ["tune", str(tmp_path / "questions.jsonl"), "--library", str(tmp_path / "library")]
    assert run([*arguments, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["calibration"]["weights"].keys() == {"pair", "coverage"}
    assert not found["calibrated"]
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert "* calibration: bias -4.859 → " in out
    name = re.findall(r"Adopted: .*calibration = (\w{16})", out)[0]
    assert run(["status", *arguments[2:]]) == 0
    assert f"calibration default → {name}" in capsys.readouterr().out
    assert run(["tune", "--undo", *arguments[2:]]) == 0
    assert f"calibration: {name} → default" in capsys.readouterr().out


def test_too_few_made_questions_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "--made", "5", "--library", str(place / "library")]) == 2
    assert "at least 20" in capsys.readouterr().err
