"""A small library behind a desk, and what most tests of MCP do with a client."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
from mcp import Client, MCPError

from openbook.library import Library
from openbook.serve.desk import Shelf
from openbook.serve.mcp_server import create_server
from openbook.serve.options import ServeOptions
from openbook.settings import Settings

T = TypeVar("T")
Visit: TypeAlias = Callable[[Client], Coroutine[Any, Any, T]]
Talk: TypeAlias = Callable[..., Any]

SETTINGS = Settings(embedder="hash:64", read_workers=1, chunk_tokens=60)
LONG = "\n".join(
    f"Line {number} of the log says that the mill turned {number} times." for number in range(800)
)
TEXTS = {
    "birds/heron.md": "# Herons\n\nThe grey heron stands still in shallow water.\n\n"
    "## Food\n\nIt eats fish, frogs and voles. In winter it hunts at the river mouth.\n\n"
    "## Nests\n\nHerons nest in high trees.\n",
    "birds/swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "trees/oak.txt": "The oak near the mill is four hundred years old.\nIts acorns feed the jays.\n",
    "prices.csv": "fish,price\ntrout,12\npike,19\n",
    "log.txt": LONG,
}


def fill(library: Library, folder: Path, texts: dict[str, str]) -> None:
    """Write files and add them."""
    for name, text in texts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    report = library.add(folder)
    assert not report.failures


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with two libraries, `notes.openbook` and `other.openbook`, that nobody writes to."""
    place = tmp_path_factory.mktemp("filled")
    with Library(place / "notes.openbook", settings=SETTINGS) as library:
        fill(library, place / "documents", TEXTS)
    with Library(place / "other.openbook", settings=SETTINGS) as library:
        fill(library, place / "more", {"bridge.md": "# Bridge\n\nThe iron bridge was built in 1889.\n"})
    return place


@pytest.fixture
def place(filled: Path, tmp_path: Path) -> Path:
    """The same, for a test of its own to change."""
    with Library(tmp_path / "notes.openbook", settings=SETTINGS) as library:
        fill(library, tmp_path / "documents", TEXTS)
    shutil.copytree(filled / "other.openbook", tmp_path / "other.openbook")
    return tmp_path


@pytest.fixture(scope="session")
def shelf(filled: Path) -> Iterator[Shelf]:
    """Both libraries as a server has them, for tests that only read."""
    yield from _open(filled)


@pytest.fixture
def own_shelf(place: Path) -> Iterator[Shelf]:
    """Both libraries as a server has them, for one test to change."""
    yield from _open(place)


def _open(place: Path) -> Iterator[Shelf]:
    libraries = [Library(place / f"{name}.openbook", settings=SETTINGS) for name in ("notes", "other")]
    shelf = Shelf.open(libraries, ServeOptions(undo_seconds=600.0))
    yield shelf
    for desk in shelf:
        for removal in desk.removals.pending():
            desk.removals.undo(removal.id)
    asyncio.run(shelf.close())


@pytest.fixture(params=["auto", "legacy"])
def talk(request: pytest.FixtureRequest, shelf: Shelf) -> Talk:
    """Run a visit of the official client, in this process; once in each era of the protocol."""

    def run(visit: Visit[Any]) -> Any:
        return asyncio.run(visiting(visit, shelf, request.param))

    return run


@pytest.fixture
def talk_about_own(own_shelf: Shelf) -> Talk:
    """The same in one era, about libraries that the test may change."""

    def run(visit: Visit[Any]) -> Any:
        return asyncio.run(visiting(visit, own_shelf, "auto"))

    return run


async def visiting(visit: Visit[Any], shelf: Shelf, era: str) -> Any:
    """Visit a server over these libraries."""
    async with Client(create_server(shelf), mode=era) as client:
        return await visit(client)


def refused(talk: Talk, visit: Visit[Any]) -> str:
    """Run a visit that the server refuses with an error of the protocol, and return its message."""

    async def turned_away(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await visit(client)
        return caught.value.message

    message = talk(turned_away)
    assert isinstance(message, str)
    return message
