"""A library's answers are recorded where the process records spans."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbook.answer.language_model import ScriptedModel
from openbook.library import Library
from openbook.settings import Settings
from tests.tracing.test_tracing import collected


def test_ask_makes_spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = collected(monkeypatch)
    (tmp_path / "swift.md").write_text("# Swifts\n\nThe swift sleeps on the wing.\n", encoding="utf-8")
    model = ScriptedModel("The swift sleeps on the wing [1].", name="openai:scripted")
    with Library(tmp_path / "library", settings=Settings(embedder="hash:64", read_workers=1)) as library:
        library.add(tmp_path / "swift.md")
        library.ask("Where does the swift sleep?", model="none")
        assert next(span.name for span in spans.spans()) == "invoke_workflow openbook.ask"
        assert not spans.named("chat scripted")
        answer = library.ask("Where does the swift sleep?", model=model)
    assert answer.status == "answered"
    (chat,) = spans.named("chat scripted")
    assert chat["gen_ai.usage.output_tokens"] == 7
    assert len(spans.named("verification")) == 2
    assert all("swift" not in str(span.attributes) for span in spans.spans())
