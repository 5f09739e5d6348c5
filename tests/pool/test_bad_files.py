"""One bad file fails alone, with its own clear reason, and the run goes on."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openbook.errors import LimitExceeded, ReadError, UnsupportedFile
from openbook.read.pool import FileRead, ReadingPool

OpenPool = Callable[..., ReadingPool]
Files = Callable[..., list[tuple[str, Path]]]


def _read(pool: ReadingPool, items: list[tuple[str, Path]]) -> dict[str, FileRead]:
    return {result.path: result for result in pool.read(items)}


@pytest.mark.parametrize(("command", "cause"), [("exit 3", "exit code 3"), ("kill now", "signal SIGKILL")])
def test_a_crash_fails_only_its_file(open_pool: OpenPool, files: Files, command: str, cause: str) -> None:
    items = files("one", "two", command, "three", "four", "five", "six", "seven")
    results = _read(open_pool(2), items)
    assert len(results) == len(items)
    failed = {path: result.error for path, result in results.items() if result.error is not None}
    assert list(failed) == ["file-2.txt"]
    assert isinstance(failed["file-2.txt"], ReadError)
    assert "'file-2.txt'" in str(failed["file-2.txt"])
    assert cause in str(failed["file-2.txt"])


def test_many_crashes_in_a_row_lose_nothing(open_pool: OpenPool, files: Files) -> None:
    results = _read(
        open_pool(2), files(*(f"exit {number}" if number % 3 else "fine" for number in range(1, 19)))
    )
    assert sum(result.error is None for result in results.values()) == 6
    assert len(results) == 18


def test_a_hanging_file_is_stopped_after_its_time(open_pool: OpenPool, files: Files) -> None:
    results = _read(open_pool(1, seconds=0.5), files("one", "hang", "two"))
    assert isinstance(results["file-1.txt"].error, LimitExceeded)
    assert "longer than 0.5 seconds" in str(results["file-1.txt"].error)
    assert "read_seconds" in str(results["file-1.txt"].error)
    assert results["file-0.txt"].error is None
    assert results["file-2.txt"].error is None


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the limit of address space is kept on Linux only"
)
def test_a_file_that_eats_memory_is_stopped(open_pool: OpenPool, files: Files) -> None:
    results = _read(open_pool(1, memory=300_000_000), files("fill 20", "fill 1"))
    assert isinstance(results["file-0.txt"].error, LimitExceeded)
    assert "read_memory" in str(results["file-0.txt"].error)
    assert results["file-1.txt"].error is None


def test_a_panic_of_native_code_becomes_a_reason(open_pool: OpenPool, files: Files) -> None:
    results = _read(open_pool(1), files("panic", "fine"))
    assert "native code fell over" in str(results["file-0.txt"].error)
    assert results["file-1.txt"].error is None


def test_a_file_over_the_limit_is_not_read(open_pool: OpenPool, files: Files) -> None:
    results = _read(open_pool(1, max_bytes=10), files("0123456789", "0123456789a"))
    assert results["file-0.txt"].error is None
    assert isinstance(results["file-1.txt"].error, LimitExceeded)
    assert "max_file_bytes" in str(results["file-1.txt"].error)
    assert results["file-1.txt"].size == 11


def test_files_that_are_gone_folders_and_devices(open_pool: OpenPool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    items = [
        ("gone.txt", tmp_path / "gone.txt"),
        ("folder", tmp_path),
        ("null", Path(os.devnull)),
        ("pipe", tmp_path / "pipe"),
    ]
    results = _read(open_pool(1), items)
    assert "disappeared" in str(results["gone.txt"].error)
    for path in ("folder", "null", "pipe"):
        assert isinstance(results[path].error, UnsupportedFile)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(open_pool: OpenPool, files: Files) -> None:
    items = files("secret")
    items[0][1].chmod(0)
    results = _read(open_pool(1), items)
    assert "permission" in str(results["file-0.txt"].error)


def test_a_file_that_keeps_changing_fails_and_says_so(open_pool: OpenPool, tmp_path: Path) -> None:
    file = tmp_path / "busy.bin"
    file.write_bytes(b"x" * 20_000_000)
    stop = threading.Event()

    def write() -> None:
        with file.open("r+b") as stream:
            while not stop.is_set():
                stream.write(b"y")
                stream.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (result,) = open_pool(1, max_bytes=1_000_000_000).read([("busy.bin", file)])
    finally:
        stop.set()
        writer.join()
    assert "kept changing" in str(result.error)


def test_a_file_that_changed_between_two_reads_is_read_as_it_is_now(
    open_pool: OpenPool, files: Files
) -> None:
    pool = open_pool(1)
    items = files("before")
    (before,) = pool.read(items)
    items[0][1].write_text("after", encoding="utf-8")
    (after,) = pool.read(items)
    assert before.content_hash != after.content_hash
    assert after.document is not None
    assert after.document.text == "after"


_PARENT = """
import os, sys
from pathlib import Path
from openbook.read.pool import ReadingPool
sys.path.insert(0, {tests!r})
if __name__ == "__main__":
    with ReadingPool(2, max_bytes=1000, seconds={seconds}, memory=0, reader="hostile_reader:read") as pool:
        for result in pool.read([("pid", Path({pid!r})), ("pid2", Path({pid!r})), ("end", Path({end!r}))]):
            print(result.document.text.split()[0] if result.document else result.error, flush=True)
            {then}
"""


def _start_parent(tmp_path: Path, end: str, then: str, seconds: float = 60) -> subprocess.Popen[str]:
    (tmp_path / "pid.txt").write_text("pid", encoding="utf-8")
    (tmp_path / "end.txt").write_text(end, encoding="utf-8")
    script = tmp_path / "parent.py"
    values = {
        "pid": str(tmp_path / "pid.txt"),
        "end": str(tmp_path / "end.txt"),
        "then": then,
        "seconds": seconds,
    }
    script.write_text(_PARENT.format(tests=str(Path(__file__).parent), **values), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_until_gone(pid: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    descriptor = os.pidfd_open(pid)
    try:
        assert select.select([descriptor], [], [], 30)[0], f"process {pid} is still there"
    finally:
        os.close(descriptor)


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="the system cannot wait for other processes' children"
)
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = _start_parent(tmp_path, "pid", "sys.stdin.read()")
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    try:
        descriptor = os.pidfd_open(worker)
    except ProcessLookupError:
        pytest.fail("the worker ended before its parent")
    os.close(descriptor)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    try:
        _wait_until_gone(worker)
    except ProcessLookupError:
        return  # it was gone already


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="the system cannot wait for other processes' children"
)
def test_ctrl_c_in_the_parent_ends_hanging_workers_at_once(tmp_path: Path) -> None:
    parent = _start_parent(tmp_path, "hang", "pass")
    assert parent.stdout is not None
    workers = {int(parent.stdout.readline()), int(parent.stdout.readline())}
    parent.send_signal(signal.SIGINT)
    _, words = parent.communicate(timeout=30)
    assert "KeyboardInterrupt" in words
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_a_script_without_a_main_guard_does_not_start_itself_again(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("words", encoding="utf-8")
    script = tmp_path / "plain.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom openbook.read.pool import ReadingPool\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\nprint('started', flush=True)\n"
        "with ReadingPool(2, max_bytes=1000, seconds=60, memory=0, reader='hostile_reader:read') as pool:\n"
        f"    results = pool.read([('a', Path({str(tmp_path / 'text.txt')!r}))])\n"
        "    print([result.document.text for result in results])\n",
        encoding="utf-8",
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout == "started\n['words']\n"
