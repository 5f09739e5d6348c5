"""The write lock of a library: one writing run at a time, and the second knows who the first is.

The operating system holds the lock (`flock`, on Windows a locked byte), so it
ends with the process however that dies, and there is no stale lock to clear.
The file's content only tells others who holds it; it decides nothing.

Refused: a file whose existence is the lock (it outlives a crash), and waiting
on the ledger's own lock (SQLite's lasts for one transaction, a run for many).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from openbook.errors import LibraryError, LibraryLocked, LibraryNotFound

LOCK_NAME: Final = "write.lock"
_POLL_SECONDS: Final = 0.05
_COMMAND_CHARACTERS: Final = 200


class WriteLock:
    """Hold a library's write lock for a `with` block.

    Entering waits up to `seconds` and then raises LibraryLocked with the pid,
    host and command of the holder and since when it writes. A folder that may
    not be written raises LibraryError. Two locks exclude each other within one
    process, too.
    """

    def __init__(self, folder: Path, seconds: float, *, command: str = "") -> None:
        self.folder = folder
        self.seconds = seconds
        self.command = command or _own_command()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock or raise. See the class."""
        file = self._open()
        try:
            deadline = time.monotonic() + self.seconds
            while not try_lock(file):
                if time.monotonic() >= deadline:
                    raise LibraryLocked(self._held_by(_read_holder(file)))
                time.sleep(_POLL_SECONDS)
            self._introduce(file)
        except BaseException:
            file.close()
            raise
        self._file = file

    def release(self) -> None:
        """Give the lock back. Harmless when it is not held."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk: a stale name does no harm, nobody waits for it
                self._file.truncate(0)
            self._file.close()  # closing unlocks
            self._file = None

    def _open(self) -> IO[bytes]:
        path = self.folder / LOCK_NAME
        try:
            return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        except FileNotFoundError as error:
            raise LibraryNotFound(f"There is no library folder {str(self.folder)!r} to lock.") from error
        except OSError as error:
            raise LibraryError(
                f"The library {str(self.folder)!r} cannot be locked for writing ({error}); "
                "check the permissions of the folder, or copy it to a place where you may write."
            ) from error

    def _introduce(self, file: IO[bytes]) -> None:
        """Write who holds the lock. Without room on the disk the lock is held namelessly."""
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "command": self.command,
            "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        try:
            file.seek(0)
            file.truncate(0)
            file.write(json.dumps(holder).encode())
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise

    def _held_by(self, holder: dict[str, Any]) -> str:
        if not holder:
            who = "another process that has not said which it is"
        else:
            who = (
                f"process {holder.get('pid')} on {holder.get('host')} "
                f"({holder.get('command')!r}, since {holder.get('since')})"
            )
        return (
            f"The library {str(self.folder)!r} is being written by {who}; waited {self.seconds:g} s. "
            "Wait until it is done, or end it, and try again. Searching is possible meanwhile."
        )


def _own_command() -> str:
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return " ".join([name, *sys.argv[1:]])[:_COMMAND_CHARACTERS]


def _read_holder(file: IO[bytes]) -> dict[str, Any]:
    """Return what the holder wrote, {} while it has written nothing whole."""
    try:
        file.seek(0)
        holder = json.loads(file.read(4096))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; False if another holds it. Raises LibraryError where none can."""
    try:
        _lock(file)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK, errno.EWOULDBLOCK):
            return False
        raise LibraryError(
            f"The file system cannot lock files ({error}); put the library, or the answers, on a local disk."
        ) from error
    return True


def _flock(file: IO[bytes]) -> None:
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_byte(file: IO[bytes]) -> None:  # pragma: no cover (Windows)
    import msvcrt

    file.seek(1 << 30)  # far behind the content, which must stay readable for those who wait
    getattr(msvcrt, "locking")(file.fileno(), getattr(msvcrt, "LK_NBLCK"), 1)  # noqa: B009


_lock: Callable[[IO[bytes]], None] = _lock_byte if sys.platform == "win32" else _flock
