"""Fixtures for the reading pool: files that misbehave, and pools with small limits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbook.read.pool import FileRead, ReadingPool

OpenPool = Callable[..., ReadingPool]


@pytest.fixture(name="open_pool")
def _open_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenPool]:
    """Opens pools whose workers use the hostile reader, and closes them."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    pools: list[ReadingPool] = []

    def open_one(
        workers: int = 1,
        *,
        max_bytes: int = 1_000_000,
        seconds: float = 30.0,
        memory: int = 0,
        reader: str = "hostile_reader:read",
    ) -> ReadingPool:
        pools.append(ReadingPool(workers, max_bytes=max_bytes, seconds=seconds, memory=memory, reader=reader))
        return pools[-1]

    yield open_one
    for pool in pools:
        pool.close()


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> Callable[..., list[tuple[str, Path]]]:
    """Writes one file per text and gives them as the pool wants them."""

    def write(*texts: str | bytes) -> list[tuple[str, Path]]:
        items = []
        for number, text in enumerate(texts):
            file = tmp_path / f"file-{number}.txt"
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            items.append((file.name, file))
        return items

    return write


def by_path(results: Iterator[FileRead]) -> dict[str, FileRead]:
    """Results by path; a path that comes twice is a failure."""
    found: dict[str, FileRead] = {}
    for result in results:
        assert result.path not in found
        found[result.path] = result
    return found
