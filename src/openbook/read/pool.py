"""Reading in worker processes, so that one bad file never stops or stalls a run.

A parser in native code can hang, eat all memory or crash, and nothing inside
the same process can stop it. So files are read in processes that may be
killed: each file has a limit of bytes, of seconds and of memory, and going
over one fails that file alone.

A worker is a plain `subprocess` that speaks length-prefixed pickles over its
standard streams. Refused: `multiprocessing` with spawn or forkserver, because
it runs the caller's main module again (a script without the `__main__` guard
would start itself over), and with fork, because the parent may hold threads
of ONNX Runtime or tantivy whose locks a fork would copy. Workers start only
when there is a file to read, and only as many as there are files.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

from openbook import errors
from openbook.errors import LimitExceeded, OpenbookError, ReadError, UsageError
from openbook.read.frames import read_frame, write_frame
from openbook.types import Document

_AHEAD: Final = 4
"""Files handed to a worker before it has answered, so that it never waits for the next name."""

_MOST_KEPT: Final = 16_000_000
"""Bytes of files after which a worker is not kept for another run."""

_START_SECONDS: Final = 60.0
"""How long a worker may take to start: a cold disk may need long to load Python."""

_WORKER: Final = (
    "import sys; sys.path[:] = sys.argv[1].split('\\n'); from openbook.read.worker import main; main()"
)

_ENVIRONMENT: Final = {
    # One thread and few malloc arenas per worker: the workers are the parallelism, and every
    # further thread would take 64 MB of the address space that the memory limit counts.
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONIOENCODING": "utf-8:surrogateescape",
}


@dataclass(frozen=True, slots=True)
class FileRead:
    """What became of one file: a document or an error, never both, never neither.

    `content_hash` is the blake2b-16 of the bytes as they were read (b"" where
    they were not), `mtime_ns` the modification time they had.
    """

    path: str
    document: Document | None
    content_hash: bytes
    size: int
    mtime_ns: int
    error: OpenbookError | None


class ReadingPool:
    """Worker processes that read files. A context manager; leaving it ends the workers.

    `workers` is the largest number of processes, `max_bytes` the largest file,
    `seconds` the longest a file may take, `memory` the address space in bytes
    that a worker may add to what it starts with (0: no limit). `reader` names
    the function that reads, as "module:function"; the workers import it.
    """

    def __init__(
        self,
        workers: int,
        *,
        max_bytes: int,
        seconds: float,
        memory: int,
        reader: str = "openbook.read:read_bytes",
    ) -> None:
        if workers < 1:
            raise UsageError(f"A reading pool of {workers!r} workers; expected 1 or more.")
        self._size = workers
        self._seconds = seconds
        self._memory = memory
        self._terms = pickle.dumps((max_bytes, seconds, memory, reader))
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers at once; what they were reading is lost."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def rest(self) -> None:
        """End all workers but one, which waits for further files; none that has read a lot stays.

        What libraries for PDF or office files once took, their process never gives back.
        """
        kept = [worker for worker in self._workers if not worker.queue and worker.has_read < _MOST_KEPT][:1]
        for worker in [worker for worker in self._workers if worker not in kept]:
            self._drop(worker)

    @property
    def started(self) -> int:
        """How many worker processes are alive."""
        return len(self._workers)

    def read(self, paths: Iterable[tuple[str, Path]]) -> Iterator[FileRead]:
        """Read files, given as (library path, file path), and yield results as they finish.

        Only a few files per worker are in flight, so memory does not grow with
        the number of paths. Errors come back as values in `FileRead.error`;
        raised is only a ReadError when no worker can be started at all.
        """
        upcoming = iter(paths)
        for worker in [worker for worker in self._workers if worker.has_ended()]:
            self._drop(worker)  # it died while it rested: no file is to blame
        again: deque[tuple[str, Path]] = deque()
        try:
            while True:
                self._hand_out(upcoming, again)
                if not any(worker.queue for worker in self._workers):
                    return
                yield from self._collect(again)
        finally:
            # An abandoned iteration leaves workers with answers that nobody awaits.
            for worker in [worker for worker in self._workers if worker.queue]:
                self._drop(worker)

    def _hand_out(self, upcoming: Iterator[tuple[str, Path]], again: deque[tuple[str, Path]]) -> None:
        """Fill the workers' queues evenly, starting a worker where all others are busy."""
        for depth in range(_AHEAD):
            for slot in range(self._size):
                if slot < len(self._workers) and len(self._workers[slot].queue) > depth:
                    continue
                item = again.popleft() if again else next(upcoming, None)
                if item is None:
                    return
                if slot >= len(self._workers):
                    self._workers.append(_Worker(self._terms))
                self._workers[slot].ask(item)

    def _collect(self, again: deque[tuple[str, Path]]) -> Iterator[FileRead]:
        """Wait until at least one worker has something to say, or has been silent for too long."""
        busy = [worker for worker in self._workers if worker.queue]
        patience = min(worker.deadline(self._seconds) for worker in busy) - time.monotonic()
        poll = select.poll()  # not `select`, which cannot watch descriptors above 1023
        for worker in busy:
            poll.register(worker.fileno(), select.POLLIN)
        spoken = {descriptor for descriptor, _ in poll.poll(max(0.0, patience) * 1000)}
        ready = [worker for worker in busy if worker.fileno() in spoken]
        if not ready:
            now = time.monotonic()
            for worker in busy:
                if worker.deadline(self._seconds) <= now:
                    yield self._lost(worker, again, too_slow=True)
            return
        for worker in ready:
            if not worker.ready:
                self._await_start(worker)
                continue
            answer = worker.answer()
            yield self._lost(worker, again, too_slow=False) if answer is None else answer

    def _await_start(self, worker: _Worker) -> None:
        if not worker.has_started():
            words = self._drop(worker).words
            raise ReadError(
                f"No reading process could be started. Its last words: {words!r}. "
                "Check that this Python can import openbook from another folder."
            )

    def _lost(self, worker: _Worker, again: deque[tuple[str, Path]], *, too_slow: bool) -> FileRead:
        """Bury a worker: its first file is to blame, the others get another worker."""
        (path, file), *others = worker.queue
        again.extendleft(reversed(others))
        ending = self._drop(worker)
        error: OpenbookError
        if too_slow:
            error = LimitExceeded(
                f"{path!r} took longer than {self._seconds:g} seconds to read, and its reader was stopped. "
                "Raise the setting read_seconds if the file is worth the wait."
            )
        elif ending.out_of_memory:
            error = _out_of_memory(path, self._memory)
        else:
            error = ReadError(
                f"{path!r} made its reader crash ({ending.cause}). The file is probably damaged; "
                "open it with the program that made it and save it anew."
            )
        size, mtime_ns = _size_and_time(file)
        return FileRead(path, None, b"", size, mtime_ns, error)

    def _drop(self, worker: _Worker) -> _Ending:
        self._workers.remove(worker)
        return worker.end()


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a worker process ended."""

    cause: str
    words: str

    @property
    def out_of_memory(self) -> bool:
        """Whether its last words were about memory."""
        return any(sign in self.words for sign in ("memory allocation of", "MemoryError", "bad_alloc"))


class _Worker:
    """One process and the files that it has been asked for, in order."""

    def __init__(self, terms: bytes) -> None:
        self.queue: deque[tuple[str, Path]] = deque()
        self._since = 0.0
        self.ready = False
        self.has_read = 0
        # A file, not a pipe: nobody has to empty it while the worker works.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
        search_path = "\n".join(entry or str(Path.cwd()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, search_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**os.environ, **_ENVIRONMENT},
            process_group=0,  # Ctrl-C in the terminal reaches the parent alone, which ends the workers
            bufsize=0,
        )
        self._input = cast("BinaryIO", self._process.stdin)
        self._output = cast("BinaryIO", self._process.stdout)
        self._send(terms)

    def fileno(self) -> int:
        """What `select` waits for."""
        return self._output.fileno()

    def _send(self, message: bytes) -> None:
        """Send, unless the worker has died: the end of its output tells so, and which file was to blame."""
        with contextlib.suppress(BrokenPipeError):
            write_frame(self._input.fileno(), message)

    def ask(self, item: tuple[str, Path]) -> None:
        """Queue a file."""
        if not self.queue:
            self._since = time.monotonic()
        self.queue.append(item)
        self._send(pickle.dumps((item[0], os.fspath(item[1]))))

    def deadline(self, seconds: float) -> float:
        """When the first file of the queue has taken too long; before that, when the start has."""
        return self._since + (seconds if self.ready else max(seconds, _START_SECONDS))

    def has_started(self) -> bool:
        """Take the worker's first word. False when it died instead."""
        self.ready = read_frame(self.fileno()) is not None
        self._since = time.monotonic()
        return self.ready

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def answer(self) -> FileRead | None:
        """The next answer; None when the worker has died."""
        frame = read_frame(self.fileno())
        if frame is None:
            return None
        self._since = time.monotonic()
        path, _ = self.queue.popleft()
        document, content_hash, size, mtime_ns, failure = pickle.loads(frame)
        self.has_read += size
        error = None if failure is None else _rebuild_error(*failure)
        return FileRead(path, document, content_hash, size, mtime_ns, error)

    def end(self) -> _Ending:
        """Kill the process if it is alive, and say how it ended."""
        self._process.kill()
        code = self._process.wait()
        self._input.close()
        self._output.close()
        self._complaints.seek(max(0, self._complaints.seek(0, os.SEEK_END) - 4000))
        words = self._complaints.read().decode("utf-8", "replace")
        self._complaints.close()
        return _Ending(f"exit code {code}" if code >= 0 else _signal_name(-code), words.strip())


def _signal_name(number: int) -> str:
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def _rebuild_error(name: str, message: str) -> OpenbookError:
    """An error of the tree from its class name and words (some of its classes take other arguments)."""
    kind = getattr(errors, name, ReadError)
    error: OpenbookError = kind.__new__(kind)
    error.args = (message,)
    return error


def _out_of_memory(path: str, memory: int) -> LimitExceeded:
    return LimitExceeded(
        f"{path!r} needed more than {memory / 1e6:,.0f} MB of memory to read, and its reader was stopped. "
        "Raise the setting read_memory if the machine has more to give."
    )


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return 0, 0  # it is gone, or cannot be asked: the error tells the story
    return status.st_size, status.st_mtime_ns
