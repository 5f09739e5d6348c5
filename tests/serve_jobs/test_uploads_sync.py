"""The folder of uploads among the other sources of a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbook.library import Library
from tests.serve_jobs.conftest import SETTINGS


@pytest.fixture
def inner(tmp_path: Path) -> Library:
    """A library in `.openbook/` inside a folder of documents, with one uploaded file."""
    library = Library(tmp_path / "work/.openbook", settings=SETTINGS)
    (tmp_path / "work/own.md").write_text("# Own\n\nA note of the folder itself.\n", encoding="utf-8")
    uploads = library.path / "uploads"
    uploads.mkdir()
    (uploads / "given.md").write_text("# Given\n\nThe lizard basks.\n", encoding="utf-8")
    return library


def paths(library: Library) -> list[str]:
    return [record.path for record in library.documents()]


def test_a_folder_around_the_library_leaves_its_uploads_alone(inner: Library, tmp_path: Path) -> None:
    with inner as library:
        library.add(library.path / "uploads")
        report = library.add(tmp_path / "work")
        assert report.counts == {"added": 1}
        assert paths(library) == ["given.md", "own.md"]
        assert len(library.sources()) == 2
        assert library.add(tmp_path / "work").counts == {"unchanged": 1}
        assert paths(library) == ["given.md", "own.md"]


def test_uploads_enter_a_library_inside_a_known_folder(inner: Library, tmp_path: Path) -> None:
    with inner as library:
        library.add(tmp_path / "work")
        report = library.add(library.path / "uploads" / "given.md", library.path / "uploads")
        assert report.counts == {"added": 1}
        assert paths(library) == ["given.md", "own.md"]
        assert library.add(library.path / "uploads").counts == {"unchanged": 1}
        assert library.search("lizard")[0].path == "given.md"


def test_adding_the_library_itself_takes_nothing_over(inner: Library) -> None:
    with inner as library:
        library.add(library.path / "uploads")
        assert [outcome.kind for outcome in library.add(library.path).outcomes] == ["skipped"]
        assert paths(library) == ["given.md"]
        assert library.add(library.path / "uploads").counts == {"unchanged": 1}


def test_what_a_folder_ignores_stays_a_source_of_its_own(inner: Library, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / ".gitignore").write_text("drafts/\n", encoding="utf-8")
    (work / "drafts").mkdir()
    (work / "drafts/plan.md").write_text("# Plan\n\nA bridge over the river.\n", encoding="utf-8")
    with inner as library:
        assert library.add(work / "drafts").counts == {"added": 1}
        assert library.add(work).counts == {"added": 1}
        assert paths(library) == ["own.md", "plan.md"]


def test_sizes_verification_and_export_know_the_uploads(inner: Library, tmp_path: Path) -> None:
    with inner as library:
        library.add(library.path / "uploads")
        original = library.path / "uploads" / "given.md"
        assert library.status().bytes["uploads"] == original.stat().st_size
        assert library.verify().ok
        exported = library.export(tmp_path / "export.zip")
        with Library.import_(exported, tmp_path / "imported", settings=SETTINGS) as copy:
            assert paths(copy) == ["given.md"]
            assert copy.search("lizard")[0].path == "given.md"
            assert copy.verify().ok
        assert not (tmp_path / "imported" / "uploads").exists()
