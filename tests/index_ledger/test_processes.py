"""Killed writers, readers beside a writer, and two writers: real processes on real files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from openbook.errors import LibraryLocked, LibraryNotFound
from openbook.index.ledger import Ledger
from openbook.index.lock import LOCK_NAME, WriteLock

if TYPE_CHECKING:
    from tests.index_ledger.conftest import Shelf

WRITER = Path(__file__).with_name("writing_process.py")

HOLDER = """
import sys
from pathlib import Path
from openbook.index.lock import WriteLock
with WriteLock(Path(sys.argv[1]), 0, command="openbook add documents/"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run Python with arguments; gives the process and its output, and kills it at the end."""
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def whole_documents(ledger: Ledger) -> dict[int, int]:
    """Return the version of each numbered document, after proving that it is whole."""
    versions: dict[int, int] = {}
    for record in ledger.documents():
        chunks = ledger.document_chunks(record.id)
        names = {re.match(r"document (\d+) version (\d+)", chunk.text) for chunk in chunks}
        found = {(int(name[1]), int(name[2])) for name in names if name}
        ((number, version),) = found
        assert record.path == f"{number}.txt"
        assert len(chunks) == record.chunks == number % 40 + 1
        assert ledger.document(record.id).text.count(f"document {number} version {version} ") == len(chunks)
        versions[number] = version
    return versions


@pytest.mark.parametrize(
    ("group", "lines", "bytes_more"),
    [(1, 3, 0), (1, 57, 9), (1, 130, 0), (1, 104, 5), (20, 2, 3), (20, 14, 0)],
)
def test_a_killed_writer_loses_nothing_it_reported(
    tmp_path: Path, group: int, lines: int, bytes_more: int
) -> None:
    path = tmp_path / "library" / "ledger.sqlite"
    done: dict[int, int] = {}
    with started(str(WRITER), str(path), str(group)) as (process, output):
        for _ in range(lines):
            _, last, turn = output.readline().split()
            done |= dict.fromkeys(range(int(last) - group + 1, int(last) + 1), int(turn))
        output.read(bytes_more)  # somewhere in what follows
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Ledger(path) as ledger:
        assert ledger.check() == []
        versions = whole_documents(ledger)
        removed = {number for number in done if number % 10 == 7}  # the writer removes these between versions
        for number, version in done.items():
            assert number in removed or versions[number] >= version
        changes = ledger.changes_since(0)
        assert changes is not None
        assert changes[-1].sequence == ledger.sequence


def test_a_killed_writer_leaves_a_ledger_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "library" / "ledger.sqlite"
    for _ in range(3):
        with started(str(WRITER), str(path), "10") as (process, output):
            for _ in range(4):
                assert output.readline().startswith("done")
            process.send_signal(signal.SIGKILL)
            process.wait()
    with Ledger(path) as ledger:
        assert ledger.check() == []
        assert len(ledger.sources()) == len(ledger.generations()) == 1


def test_readers_see_whole_documents_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "library" / "ledger.sqlite"
    with started(str(WRITER), str(path), "5") as (process, output):
        output.readline()
        with Ledger(path, read_only=True) as ledger:
            seen = [ledger.sequence]
            for _ in range(40):
                output.readline()
                for record in list(ledger.documents())[:20]:
                    chunks = ledger.document_chunks(record.id)
                    assert len({chunk.text.split(" paragraph ")[0] for chunk in chunks}) <= 1
                    assert len(chunks) in (0, int(record.path.removesuffix(".txt")) % 40 + 1)
                seen.append(ledger.sequence)
            assert seen == sorted(seen)
            assert seen[-1] > seen[0]  # the reader did see the writer go on
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_threads_read_and_write_one_ledger(shelf: Shelf) -> None:
    shelf.put("0.txt", "zero")
    problems: list[BaseException] = []

    def write(name: str) -> None:
        for number in range(25):
            shelf.put(f"{name}{number}.txt", f"{name} {number}\n\nmore")

    def read() -> None:
        for _ in range(60):
            for record in shelf.ledger.documents():
                if len(shelf.ledger.document_chunks(record.id)) not in (record.chunks, 0):
                    problems.append(AssertionError(record.path))

    def guarded(work: threading.Thread) -> threading.Thread:
        work.start()
        return work

    jobs = [guarded(threading.Thread(target=write, args=(name,))) for name in "ab"]
    jobs += [guarded(threading.Thread(target=read)) for _ in range(3)]
    for job in jobs:
        job.join()
    assert problems == []
    assert shelf.ledger.counts().documents == 51
    assert shelf.ledger.check() == []


def test_the_second_writer_learns_who_the_first_is(tmp_path: Path) -> None:
    with started("-c", HOLDER, str(tmp_path)) as (process, output):
        assert output.readline() == "held\n"
        with pytest.raises(LibraryLocked) as caught, WriteLock(tmp_path, 0.1):
            pass
        message = str(caught.value)
        assert f"process {process.pid} on {os.uname().nodename}" in message
        assert "'openbook add documents/'" in message
        assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", message)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        with WriteLock(tmp_path, 30):  # waits until the first is done
            assert str(os.getpid()) in (tmp_path / LOCK_NAME).read_text()
    assert (tmp_path / LOCK_NAME).read_text() == ""


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with started("-c", HOLDER, str(tmp_path)) as (process, output):
        assert output.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK_NAME).read_text() != ""  # the name is stale, the lock is not
    with WriteLock(tmp_path, 0):
        pass


def test_two_writers_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    first = WriteLock(tmp_path, 0, command="first")
    with first, pytest.raises(LibraryLocked, match="'first'"):
        WriteLock(tmp_path, 0).acquire()
    first.release()  # harmless: it is not held any more
    with WriteLock(tmp_path, 0):
        pass
    with pytest.raises(LibraryNotFound, match="no library folder"), WriteLock(tmp_path / "nowhere", 0):
        pass
