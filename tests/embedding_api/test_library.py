"""A whole library over an embedding API."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbook.errors import LanguageModelError
from openbook.library import Library
from openbook.settings import Settings
from tests.model_server.fixtures import StartServer, start_server
from tests.model_server.server import Fail, ModelServer

__all__ = ["start_server"]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in {
        "heron.md": "# Herons\n\nThe grey heron stands still in shallow water.\n",
        "swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
        "oak.md": "# Oaks\n\nThe oak near the mill is four hundred years old.\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def settings(server: ModelServer, **changes: str | int) -> Settings:
    values = Settings(embedder="openai:test-model", embedding_url=server.base_url, read_workers=1)
    return values.updated(changes, source="the test")


def test_add_search_and_ask(tmp_path: Path, documents: Path, start_server: StartServer) -> None:
    server = start_server()
    with Library(tmp_path / "library", settings=settings(server)) as library:
        assert library.add(documents).embedded == 3
        before = len(server.requests)
        assert library.add(documents).embedded == 0
        assert len(server.requests) == before, "what did not change is not sent again"
        hits = library.search("where does the swift sleep?")
        assert hits[0].path == "swift.md"
        assert hits.coverage == 1.0
        assert hits[0].scores.vector is not None
        answer = library.ask("How old is the oak near the mill?")
        assert answer.evidence[0].path == "oak.md"
        assert "test-model" in library.status().model


def test_the_same_model_at_another_address(
    tmp_path: Path, documents: Path, start_server: StartServer
) -> None:
    with Library(tmp_path / "library", settings=settings(start_server())) as library:
        library.add(documents)
    moved = start_server()
    with Library(tmp_path / "library", settings=settings(moved)) as library:
        assert library.add(documents).embedded == 0
        assert library.search("swift").coverage == 1.0


def test_vectors_of_two_models_never_meet(tmp_path: Path, documents: Path, start_server: StartServer) -> None:
    server = start_server()
    with Library(tmp_path / "library", settings=settings(server)) as library:
        library.add(documents)
    with Library(tmp_path / "library", settings=settings(server, embedder="openai:other")) as library:
        hits = library.search("where does the swift sleep?")
        assert hits[0].scores.vector is None
        assert "the settings name other" in hits.notes[0]
        assert library.add(documents).embedded == 3
        assert library.search("where does the swift sleep?")[0].scores.vector is not None


def test_a_run_that_a_failure_ended_goes_on_where_it_was(
    tmp_path: Path, documents: Path, start_server: StartServer
) -> None:
    """The text was kept; the vectors follow with the next run."""
    server = start_server("ok", Fail(400, message="out of order"))
    with Library(tmp_path / "library", settings=settings(server)) as library:
        with pytest.raises(LanguageModelError, match="out of order"):
            library.add(documents)
        assert library.status().documents == 3
        assert library.status().embedded == 0
    with Library(tmp_path / "library", settings=settings(start_server())) as library:
        report = library.add(documents)
        assert report.embedded == 3
        assert report.counts == {"unchanged": 3}
