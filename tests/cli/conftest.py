"""A folder of documents, and the command line run in this process with the shipped fake embedder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from openbook.cli import run

DOCUMENTS = {
    "handbook/holidays.md": (
        "# Holidays\n\nEverybody gets 28 days of paid holiday a year.\n\n"
        "## Carrying over\n\nUp to five unused days may be carried over until the end of March.\n"
    ),
    "handbook/parking.md": "# Parking\n\nA parking permit for the yard costs nothing. Ask the front desk.\n",
    "notes.txt": "The printer on the second floor needs blue toner cartridges.\n",
    "prices.csv": "article,price\npencil,2\nchair,80\nprinter,240\n",
}


@dataclass(frozen=True)
class Result:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Openbook: TypeAlias = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `documents/`; the current folder, without a library yet."""
    for name, text in DOCUMENTS.items():
        file = tmp_path / "work" / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:384")
    return tmp_path / "work"


@pytest.fixture
def openbook(folder: Path, capsys: pytest.CaptureFixture[str]) -> Openbook:
    """Run one command line in `folder`."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
