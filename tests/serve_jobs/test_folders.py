"""Folders: a request reaches what was allowed, and no link or spelling leads further."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.index.ledger import LEDGER_NAME, Ledger
from openbook.library import Library
from openbook.serve.folders import Folders


@pytest.fixture
def folders(library: Library, documents: Path, tmp_path: Path) -> Folders:
    """One source, one allowed folder, and much else beside them."""
    with Ledger(library.path / LEDGER_NAME) as ledger:
        ledger.put_source(str(documents), "folder")
    for name in ("allowed/inside", "allowed-not", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "secret/key.txt").touch()
    (tmp_path / "allowed/way out").symlink_to(tmp_path / "secret")
    (tmp_path / "documents/way out.txt").symlink_to(tmp_path / "secret/key.txt")
    (tmp_path / "way in").symlink_to(tmp_path / "allowed")
    return Folders([tmp_path / "way in"], library)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("allowed", "allowed"),
        ("allowed/inside", "allowed/inside"),
        ("way in/inside/..", "allowed"),
        ("documents", "documents"),
        ("documents/birds", "documents/birds"),
        ("documents/birds/../oak.txt", "documents/oak.txt"),
    ],
)
def test_allowed_places_are_resolved(folders: Folders, tmp_path: Path, path: str, place: str) -> None:
    assert folders.check(tmp_path / path) == tmp_path / place
    assert folders.check(str(tmp_path / path)) == tmp_path / place


@pytest.mark.parametrize(
    "path",
    [
        "",
        "secret",
        "allowed-not",
        "allowed/way out",
        "allowed/way out/key.txt",
        "allowed/../secret",
        "documents/way out.txt",
        "documents/../secret/none",
        "secret/none",
    ],
)
def test_other_places_are_refused_and_not_probed(folders: Folders, tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match=r"may not be read.*--allow FOLDER") as refused:
        folders.check(tmp_path / path)
    assert str(tmp_path / "allowed") in str(refused.value)


@pytest.mark.parametrize("path", ["relative", "", ".", "~", "a\0b"])
def test_only_absolute_paths_are_understood(folders: Folders, path: str) -> None:
    with pytest.raises(UsageError, match=r"absolute|no path"):
        folders.check(path)


def test_a_circle_of_links_is_told(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "allowed/round").symlink_to(tmp_path / "allowed/round")
    with pytest.raises(UsageError):
        folders.check(tmp_path / "allowed/round")


def test_the_library_itself_is_refused(library: Library, tmp_path: Path) -> None:
    (library.path / "uploads").mkdir()
    library.add(library.path / "uploads")
    folders = Folders([tmp_path], library)
    for place in (library.path, library.path / "uploads", library.path / "ledger.sqlite"):
        with pytest.raises(UsageError, match="part of the library"):
            folders.check(place)
    assert folders.sources() == ()
    assert folders.check(tmp_path) == tmp_path


def test_a_source_that_is_gone_can_be_brought_in_line(
    folders: Folders, documents: Path, tmp_path: Path
) -> None:
    for file in sorted(documents.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
    documents.rmdir()
    assert folders.check(documents) == documents
    with pytest.raises(UsageError, match="There is nothing at"):
        folders.check(tmp_path / "allowed/none")


def test_without_anything_allowed_the_refusal_says_so(library: Library, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none so far"):
        Folders([], library).check(tmp_path)
