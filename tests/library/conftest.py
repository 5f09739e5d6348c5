"""A small folder of documents and a library with the shipped fake embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbook.library import Library
from openbook.settings import Settings

SETTINGS = Settings(embedder="hash:64", read_workers=1, lock_seconds=2.0, chunk_tokens=60)

TEXTS = {
    "birds/heron.md": "# Herons\n\nThe grey heron stands still in shallow water.\n\n"
    "## Food\n\nIt eats fish, frogs and voles. In winter it hunts at the river mouth.\n",
    "birds/swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "trees/oak.txt": "The oak near the mill is four hundred years old.\nIts acorns feed the jays.\n",
    "prices.csv": "fish,price\ntrout,12\npike,19\n",
}


@pytest.fixture
def settings() -> Settings:
    """Settings with the fake embedder and small chunks."""
    return SETTINGS


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of four documents in two subfolders."""
    root = tmp_path / "documents"
    for name, text in TEXTS.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def open_library(tmp_path: Path) -> Iterator[Callable[..., Library]]:
    """Opens the library of this test, as often as wanted, with the fake embedder."""
    opened: list[Library] = []

    def opening(settings: Settings = SETTINGS, *, place: str = "library") -> Library:
        opened.append(Library(tmp_path / place, settings=settings))
        return opened[-1]

    yield opening
    for library in opened:
        library.close()


@pytest.fixture
def library(open_library: Callable[..., Library], documents: Path) -> Library:
    """A library that holds the four documents."""
    library = open_library()
    library.add(documents)
    return library
