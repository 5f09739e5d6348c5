"""A small library behind the HTTP API, which is called directly or over a socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from openbook.embed import HashEmbedder
from openbook.library import Library
from openbook.serve.application import create_app
from openbook.serve.desk import Desk, Shelf
from openbook.serve.options import ServeOptions
from openbook.settings import Settings

SETTINGS = Settings(embedder="hash:64", read_workers=1, chunk_tokens=60, answer_threshold=0.0)
TEXTS = {
    "birds/heron.md": "# Herons\n\nThe grey heron stands still in shallow water.\n\n"
    "## Food\n\nIt eats fish, frogs and voles. In winter it hunts at the river mouth.\n",
    "birds/swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "oak.txt": "The oak near the mill is four hundred years old.\nIts acorns feed the jays.\n",
    "empty.md": "",
}
ADDRESS = "http://127.0.0.1:8080"


def written(root: Path) -> Path:
    """A folder of three documents and an empty file."""
    for name, text in TEXTS.items():
        file = root / "documents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root / "documents"


def opened(root: Path) -> Library:
    """A library of these documents. Its embedder is an object, so that its jobs run in threads, quickly."""
    library = Library(root / "notes.openbook", settings=SETTINGS, embedder=HashEmbedder(64))
    library.add(written(root))
    return library


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """The folder of the documents."""
    return tmp_path / "documents"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """The library."""
    library = opened(tmp_path)
    yield library
    library.close()


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    """A server without pages that may read one more folder."""
    return ServeOptions(web=False, folders=(tmp_path / "allowed",), undo_seconds=600.0)


@pytest.fixture
def shelf(library: Library, options: ServeOptions) -> Shelf:
    """The one library on a shelf."""
    return Shelf.open([library], options)


@pytest.fixture
def desk(shelf: Shelf) -> Desk:
    """Its desk."""
    return shelf.desk()


@pytest.fixture
def client(shelf: Shelf, options: ServeOptions) -> Iterator[TestClient]:
    """A client of the application while it runs; errors of the server are answers, as over a socket."""
    app = create_app(shelf, options)
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def finished(client: TestClient) -> Callable[[str], dict[str, Any]]:
    """Waits for the end of a job, which its events tell, and returns it."""

    def wait(job_id: str) -> dict[str, Any]:
        client.get(f"/api/jobs/{job_id}/events")
        job: dict[str, Any] = client.get(f"/api/jobs/{job_id}").json()
        return job

    return wait


@pytest.fixture
def address(shelf: Shelf, options: ServeOptions) -> Iterator[str]:
    """The address of a real server of the application, on a port that was free."""
    config = uvicorn.Config(create_app(shelf, options), host="127.0.0.1", port=0, log_config=None)
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def announced(*arguments: Any, **named: Any) -> None:
        await startup(*arguments, **named)
        started.set()

    server.startup = announced  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()
