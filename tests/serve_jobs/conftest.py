"""A library with the shipped fake embedder, a folder of documents, and desks that are closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openbook.library import Library
from openbook.serve.desk import Desk
from openbook.serve.jobs import Job, Jobs
from openbook.serve.options import ServeOptions
from openbook.settings import Settings

SETTINGS = Settings(embedder="hash:64", read_workers=1, lock_seconds=2.0, chunk_tokens=60)

TEXTS = {
    "birds/heron.md": "# Herons\n\nThe grey heron stands still in shallow water and eats voles.\n",
    "birds/swift.md": "# Swifts\n\nThe swift sleeps on the wing and lands only to nest.\n",
    "oak.txt": "The oak near the mill is four hundred years old.\n",
}

Opener = Callable[..., Desk]
Played = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of three documents."""
    root = tmp_path / "documents"
    for name, text in TEXTS.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An empty library."""
    with Library(tmp_path / "library", settings=SETTINGS) as opened:
        yield opened


@pytest.fixture
def jobs(library: Library) -> Iterator[Jobs]:
    """Jobs of the empty library, closed at the end."""
    queue = Jobs(library, "library")
    yield queue
    asyncio.run(queue.close(0))


@pytest.fixture
def open_desk(library: Library) -> Iterator[Opener]:
    """Makes a desk for the library, with removals that nobody carries out unless asked."""
    opened: list[Desk] = []

    def opening(undo_seconds: float = 3600.0, **options: Any) -> Desk:
        opened.append(Desk("library", library, replace(ServeOptions(undo_seconds=undo_seconds), **options)))
        return opened[-1]

    yield opening
    for desk in opened:
        asyncio.run(desk.jobs.close(0))
        desk.background.close()


async def finished(jobs: Jobs, job: Job) -> Job:
    """The job as it ended."""
    async for seen in jobs.watch(job.id):
        job = seen
    return job


def wait_for(jobs: Jobs, job: Job) -> Job:
    """The same without an event loop."""
    return asyncio.run(finished(jobs, job))


async def blocks(*pieces: bytes) -> AsyncIterator[bytes]:
    """The content of an upload."""
    for piece in pieces:
        yield piece


def write_many(folder: Path, count: int, *, words: int = 60) -> Path:
    """So many small files of different words, which take a while to add."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        text = " ".join(f"word{number}x{position}" for position in range(words))
        (folder / f"note{number:05}.md").write_text(f"# Note {number}\n\n{text}.\n", encoding="utf-8")
    return folder
