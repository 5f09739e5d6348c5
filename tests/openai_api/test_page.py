"""The examples of docs/openai-api.md, run against a server."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from openbook.library import Library
from openbook.settings import Settings
from tests.openai_api.serving import Serving

ROOT = Path(__file__).parent.parent.parent
ADDRESS = "http://127.0.0.1:8080"


def test_the_examples_do_what_they_say(
    tmp_path: Path, installed_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in ("frequently-asked-questions.md", "safety-rules.md"):
        shutil.copy(ROOT / "examples" / "documents" / name, documents)
    library = Library(tmp_path / "workshop.openbook", settings=Settings())
    library.add(documents)
    page = (ROOT / "docs" / "openai-api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, Any] = {}
    with Serving(library) as serving:
        for block in blocks:
            exec(block.replace(ADDRESS, serving.address), names)
        names["client"].close()
    shown = capsys.readouterr().out
    assert shown.startswith("['workshop', 'all-MiniLM-L6-v2']\n")
    assert "→ frequently-asked-questions.md" in shown
