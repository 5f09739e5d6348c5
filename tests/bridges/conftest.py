"""A library of the example documents, opened by the tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openbook.library import Library
from openbook.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples" / "documents"
SETTINGS = Settings(embedder="hash:64", read_workers=1)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library `notes.openbook`; nobody has it open."""
    place = tmp_path_factory.mktemp("bridges")
    with Library(place / "notes.openbook", settings=SETTINGS) as library:
        assert not library.add(EXAMPLES).failures
    return place


@pytest.fixture
def library(place: Path) -> Iterator[Library]:
    """That library."""
    with Library(place / "notes.openbook", settings=SETTINGS, create=False) as library:
        yield library
