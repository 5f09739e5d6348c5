"""Indexes that are lost or cut in half come back by themselves; a library from elsewhere is data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook.errors import LibraryDamaged, LibraryNotFound, LibraryTooNew
from openbook.index.ledger import LEDGER_NAME
from openbook.library import Library
from openbook.settings import Settings
from tests.damaging import cut_in_half

Opener = Callable[..., Library]
QUESTION = "where does the heron hunt in winter?"


def found(library: Library) -> list[tuple[str, int, float]]:
    return [(hit.path, hit.start, round(hit.score, 5)) for hit in library.search(QUESTION, k=10)]


def largest_file(folder: Path) -> Path:
    return max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)


@pytest.mark.parametrize("part", ["lexical", "vectors"])
def test_a_deleted_index_is_built_again(open_library: Opener, library: Library, part: str) -> None:
    before = found(library)
    library.close()
    shutil.rmtree(library.path / part)
    again = open_library()
    assert found(again) == before
    assert again.verify(repair=False).ok


@pytest.mark.parametrize("part", ["lexical", "vectors"])
def test_an_index_cut_in_half_is_repaired_by_verify(
    open_library: Opener, library: Library, part: str
) -> None:
    before = found(library)
    library.close()
    file = largest_file(library.path / part)
    cut_in_half(file)
    again = open_library()
    verification = again.verify()
    assert verification.ok, verification.problems
    assert found(again) == before
    assert again.verify(repair=False).ok


def test_verify_without_repair_changes_nothing_and_says_what_is_wrong(
    library: Library, settings: Settings
) -> None:
    library.close()
    with Library(library.path, settings=settings) as opened:
        shutil.rmtree(opened.path / "lexical")
        verification = opened.verify(repair=False)
        assert not verification.ok
        assert any("lexical" in problem for problem in verification.problems)
        assert not (opened.path / "lexical").exists()


def change_version(library: Path, version: int) -> None:
    """In another process, because closing the file here would drop this process's locks."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "c.execute(f'PRAGMA user_version = {int(sys.argv[2])}'); c.close()"
    )
    subprocess.run([sys.executable, "-c", code, str(library / LEDGER_NAME), str(version)], check=True)


def test_a_library_of_a_newer_version_is_left_alone(library: Library, settings: Settings) -> None:
    library.close()
    change_version(library.path, 999)
    with pytest.raises(LibraryTooNew, match="999"):
        Library(library.path, settings=settings)


def test_a_ledger_cut_in_half_is_named_as_damaged(library: Library, settings: Settings) -> None:
    library.close()
    file = library.path / LEDGER_NAME
    cut_in_half(file)
    with pytest.raises(LibraryDamaged), Library(library.path, settings=settings) as opened:
        opened.search(QUESTION)


def test_a_place_without_a_library_is_named(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(LibraryNotFound, match="nothing-here"):
        Library(tmp_path / "nothing-here", settings=settings, create=False)
    assert not (tmp_path / "nothing-here").exists()


def test_export_and_import_embed_nothing_again(library: Library, tmp_path: Path, settings: Settings) -> None:
    before = found(library)
    file = library.export(tmp_path / "birds.openbook")
    with Library.import_(file, tmp_path / "elsewhere", settings=settings) as copy:
        assert found(copy) == before
        status = copy.status()
        assert status.embedded == status.chunks > 0
        assert copy.verify(repair=False).ok


def test_settings_that_the_data_depends_on_stay_with_the_library(
    library: Library, settings: Settings
) -> None:
    library.close()
    other = settings.updated({"chunk_tokens": 200, "k": 3}, source="this test")
    with Library(library.path, settings=other) as opened:
        assert opened.settings.chunk_tokens == settings.chunk_tokens
        assert opened.settings.k == 3
