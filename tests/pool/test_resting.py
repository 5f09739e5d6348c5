"""Workers between two runs: one waits, and what happens to it meanwhile is no file's fault."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook import Library
from openbook.read import pool as pool_module
from openbook.read.pool import FileRead, ReadingPool
from openbook.settings import Settings

OpenPool = Callable[..., ReadingPool]
Files = Callable[..., list[tuple[str, Path]]]


def _worker_of(result: FileRead) -> int:
    assert result.document is not None
    return int(result.document.text.split()[0])


def _children() -> set[int]:
    """Living children of this process, in any of its threads."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text().split()}


def test_one_worker_rests_and_reads_again(open_pool: OpenPool, files: Files) -> None:
    pool = open_pool(3)
    before = {_worker_of(result) for result in pool.read(files(*["pid"] * 30))}
    assert len(before) == pool.started == 3
    pool.rest()
    assert pool.started == 1
    (after,) = pool.read(files("pid"))
    assert _worker_of(after) in before


def test_a_worker_that_died_while_it_rested_is_replaced_and_no_file_blamed(
    open_pool: OpenPool, files: Files
) -> None:
    pool = open_pool(1)
    (first,) = pool.read(files("pid"))
    pool.rest()
    os.kill(_worker_of(first), signal.SIGKILL)
    os.waitid(os.P_PID, _worker_of(first), os.WEXITED | os.WNOWAIT)
    (second,) = pool.read(files("pid"))
    assert second.error is None
    assert _worker_of(second) != _worker_of(first)


def test_a_worker_that_has_read_a_lot_does_not_stay(
    open_pool: OpenPool, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_MOST_KEPT", 10)
    pool = open_pool(1)
    assert len(list(pool.read(files("six ch", "six ch")))) == 2
    pool.rest()
    assert pool.started == 0


def test_a_library_keeps_one_process_until_it_is_closed(tmp_path: Path) -> None:
    before = _children()
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.md").write_text(f"# {name}\n\nThe wheel {name} is red.\n", encoding="utf-8")
    library = Library(tmp_path / "library", settings=Settings(embedder="hash:64", read_workers=2))
    library.add(folder)
    (kept,) = _children() - before
    (folder / "a.md").write_text("# a\n\nThe wheel is blue.\n", encoding="utf-8")
    library.add(folder)
    assert _children() - before == {kept}
    assert library.search("blue wheel")[0].path.endswith("a.md")
    library.close()
    assert _children() <= before


def test_a_library_that_nobody_closes_leaves_no_process(tmp_path: Path) -> None:
    before = _children()
    file = tmp_path / "a.md"
    file.write_text("The wheel is red.\n", encoding="utf-8")
    library = Library(tmp_path / "library", settings=Settings(embedder="hash:64"))
    library.add(file)
    assert _children() - before
    del library
    gc.collect()
    assert _children() <= before
