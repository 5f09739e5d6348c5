"""The process that reads files for the pool: one request at a time, until its input ends.

It ignores Ctrl-C (the parent decides), keeps its answers apart from anything
that a native library may print, ends when the parent is gone, and ends itself
when a file takes far too long and no parent is left to stop it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import stat
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from openbook.errors import FileTooLarge, LimitExceeded, OpenbookError, ReadError, UnsupportedFile
from openbook.read.frames import read_frame, write_frame

if TYPE_CHECKING:
    from openbook.types import Document

ReadingFunction = Callable[[bytes, str], "Document"]
"""Bytes and library path in, document out; raises ReadError and its kinds."""


def main() -> None:
    """Answer requests from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not land between the answers
    first = read_frame(0)
    if first is None:
        return
    max_bytes, seconds, memory, reader = pickle.loads(first)
    read = _reading_function(reader)
    _limit_memory(memory)
    write_frame(answers, b"ready")
    while (request := read_frame(0)) is not None:
        path, file = pickle.loads(request)
        # The parent stops a slow reader; this is for a parent that was killed meanwhile.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 60)
        answer = _answer(read, path, file, max_bytes, memory)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            write_frame(answers, answer)
        except BrokenPipeError:
            return


def _reading_function(name: str) -> ReadingFunction:
    module, _, function = name.partition(":")
    read: ReadingFunction = getattr(import_module(module), function)
    return read


def _limit_memory(memory: int) -> None:
    """Let the address space grow by `memory` bytes from here, where the system can do that."""
    if memory <= 0 or not sys.platform.startswith("linux"):
        return  # macOS accepts the limit and does not keep it
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + memory
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _answer(read: ReadingFunction, path: str, file: str, max_bytes: int, memory: int) -> bytes:
    """Read one file and pickle what became of it: (document, hash, size, mtime, failure)."""
    content_hash, size, mtime_ns = b"", 0, 0
    try:
        data, status = _read_unchanged(path, file, max_bytes)
        size, mtime_ns = len(data), status.st_mtime_ns
        content_hash = hashlib.blake2b(data, digest_size=16).digest()
        document = read(data, path)
        del data  # not needed while the answer is pickled
        return pickle.dumps((document, content_hash, size, mtime_ns, None), protocol=5)
    except OpenbookError as error:
        failure = (type(error).__name__, str(error))
    except MemoryError:
        words = (
            f"{path!r} needed more than {memory / 1e6:,.0f} MB of memory to read. "
            "Raise the setting read_memory if the machine has more to give."
        )
        failure = (LimitExceeded.__name__, words)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (a native panic is no Exception)
        words = (
            f"{path!r} could not be read because of a fault in its reader: {type(error).__name__}: {error}. "
            "Please report it together with the file."
        )
        failure = (ReadError.__name__, words)
    if not mtime_ns:
        size, mtime_ns = _size_and_time(file)
    return pickle.dumps((None, content_hash, size, mtime_ns, failure), protocol=5)


def _size_and_time(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        return 0, 0  # it is gone: the failure says so
    return status.st_size, status.st_mtime_ns


def _read_unchanged(path: str, file: str, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """The bytes of a file that held still while they were read, and its status then."""
    for _ in range(2):
        data, before, after = _read_once(path, file, max_bytes)
        if after is not None and _same(before, after):
            return data, after
    if after is None:
        raise ReadError(f"{path!r} disappeared while it was being read. Add it again if it comes back.")
    raise ReadError(
        f"{path!r} kept changing while it was being read (twice). Add it again when nothing writes to it."
    )


def _read_once(path: str, file: str, max_bytes: int) -> tuple[bytes, os.stat_result, os.stat_result | None]:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ReadError(f"{path!r} disappeared before it could be read.") from error
    except OSError as error:
        raise ReadError(f"{path!r} cannot be opened: {error.strerror}. Check its permissions.") from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise UnsupportedFile(f"{path!r} is not a regular file (but a folder, device, pipe or socket).")
        if before.st_size > max_bytes:
            raise _too_large(path, before.st_size, max_bytes)
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise _too_large(path, len(data), max_bytes)
        after = os.fstat(descriptor)
    except OSError as error:
        raise ReadError(f"{path!r} cannot be read: {error.strerror}. Check the disk.") from error
    finally:
        os.close(descriptor)
    if after.st_size != len(data):
        return data, before, after
    try:
        return data, before, os.stat(file)  # noqa: PTH116
    except FileNotFoundError:
        return data, before, None


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_ino, before.st_dev, before.st_size, before.st_mtime_ns) == (
        after.st_ino,
        after.st_dev,
        after.st_size,
        after.st_mtime_ns,
    )


def _too_large(path: str, size: int, max_bytes: int) -> FileTooLarge:
    return FileTooLarge(
        f"{path!r} is larger ({size:,} bytes) than the limit of {max_bytes:,} bytes. "
        "Raise the setting max_file_bytes to read it."
    )
