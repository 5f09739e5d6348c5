"""A small library about three things, so that a map of it has three parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openbook.library import Library
from openbook.settings import Settings
from tests.map.made import topics


@pytest.fixture(scope="session")
def topics_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library of 60 documents about three things. Not to be changed."""
    folder = tmp_path_factory.mktemp("map") / "topics"
    with Library(folder, settings=Settings(embedder="hash:64")) as library:
        library.add_documents(topics(), source="made")
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """The same library, to be changed."""
    with Library(tmp_path / "library", settings=Settings(embedder="hash:64")) as library:
        library.add_documents(topics(), source="made")
        yield library


@pytest.fixture
def empty_library(tmp_path: Path) -> Iterator[Library]:
    """A library without any document."""
    with Library(tmp_path / "empty", settings=Settings(embedder="hash:64")) as library:
        yield library
