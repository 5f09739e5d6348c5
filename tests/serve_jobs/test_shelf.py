"""A shelf: which library a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.library import Library
from openbook.serve.desk import Shelf
from openbook.serve.options import ServeOptions
from tests.serve_jobs.conftest import SETTINGS


def test_a_library_stands_on_it_once(library: Library, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(library.path)
    with (
        Library(tmp_path / "link", settings=SETTINGS) as again,
        pytest.raises(UsageError, match="link' is named twice"),
    ):
        Shelf.open([library, again], ServeOptions())


def test_libraries_of_the_same_name_are_told_apart(library: Library, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Library(tmp_path / "other/library", settings=SETTINGS) as other:
        shelf = Shelf.open([library, other], ServeOptions())
        assert [desk.name for desk in shelf] == ["library", "library-2"]
        assert shelf.desk() is shelf.desk("library")
        with pytest.raises(UsageError, match=r"no library 'none'\. It has: 'library', 'library-2'"):
            shelf.desk("none")
