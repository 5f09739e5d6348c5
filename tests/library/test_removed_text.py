"""Removed text is in no byte of any file of the library."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.library import Library

SECRET = "xyzzyplugh"


def files_with(word: str, folder: Path) -> list[str]:
    """Files under `folder` that hold `word`. Another process looks: reading the ledger's file here would
    make this process lose its locks on it.
    """
    found = subprocess.run(
        ["grep", "--recursive", "--text", "--ignore-case", "--files-with-matches", word, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.splitlines()


@pytest.fixture
def with_secret(library: Library, documents: Path) -> Library:
    """A library in which one document holds the secret, among others of the same words."""
    (documents / "secret.md").write_text(
        f"# Notes\n\nThe heron is called {SECRET}.\n\nIt lives at the mill.\n", encoding="utf-8"
    )
    library.add(documents)
    assert files_with(SECRET, library.path)  # the search below could find it
    return library


def test_after_remove(with_secret: Library) -> None:
    report = with_secret.remove("secret.md")
    assert report.counts == {"removed": 1}
    assert files_with(SECRET, with_secret.path) == []
    assert with_secret.search(SECRET, where=["path=secret.md"]).hits == ()
    assert with_secret.verify(repair=False).ok


def test_after_a_paragraph_was_deleted(with_secret: Library, documents: Path) -> None:
    file = documents / "secret.md"
    file.write_text("# Notes\n\nIt lives at the mill.\n", encoding="utf-8")
    os.utime(file, ns=(1_700_000_000_000_000_000,) * 2)
    with_secret.add(documents)
    assert files_with(SECRET, with_secret.path) == []
    assert with_secret.search("lives at the mill")[0].path == "secret.md"


def test_after_the_file_was_deleted(with_secret: Library, documents: Path) -> None:
    (documents / "secret.md").unlink()
    with_secret.add(documents)
    assert files_with(SECRET, with_secret.path) == []


def test_removing_what_is_not_there_is_refused(library: Library) -> None:
    with pytest.raises(UsageError, match="Nothing was removed"):
        library.remove("birds/heron.md", "nowhere.md")
    assert library.search("heron")[0].path == "birds/heron.md"


def test_removed_documents_come_back_with_add(library: Library, documents: Path) -> None:
    library.remove("birds/*")
    report = library.add(documents)
    assert report.counts["added"] == 2
