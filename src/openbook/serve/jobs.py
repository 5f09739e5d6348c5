"""Long work on a library, one job after the other: synchronising folders, removing, verifying.

Each job runs in a process of its own (`openbook.serve.job_process`), so that
searches stay quick and the server's memory flat. A job can be watched while it
runs and cancelled at any moment; what it had reported is in the library then,
and the next run goes on from there. Where the library was opened with an
embedder object, which cannot be handed to another process, jobs run in a
thread of the server; such a job is only cancelled between two files.

Refused: a queue that outlives the server (what is left to do is read off the
folders at any time), and several writers at once, which a library has no use for.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from openbook.errors import OpenbookError, UsageError
from openbook.serve.job_process import STOP_SECONDS, Child
from openbook.serve.job_watching import Watchers
from openbook.serve.job_work import End, Failure, JobKind, Request, Stopped, Watcher, carry_out
from openbook.types import Progress, Report, Verification

if TYPE_CHECKING:
    from openbook.library import Library

JobState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]

KEPT_JOBS: Final = 200
"""Finished jobs that are remembered."""

MOST_WAITING: Final = 1_000
"""Jobs that may wait; removals, which were promised, do so in any number."""

REMOVAL_SECONDS: Final = 60.0
"""How long removals that were promised may take when the server stops."""

_PARKED: Final = (
    "The server stopped before this was finished. What it had reported is in the library; start the same "
    "job again to go on."
)
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work as it stands. Times are UTC, ISO 8601; "" means not yet.

    A job that ended with state `done` has a report, or a verification; its
    report may still name files that failed. `error` says why a job failed, or
    why the server parked it, `error_type` is the class of that error in
    `openbook.errors` ("JobDied" where its process was killed). `rate` is files
    or chunks a second in the present stage, 0.0 while unknown. A job that is
    `cancelling` was asked to stop and has not ended yet.
    """

    id: str
    library: str
    kind: JobKind
    title: str
    state: JobState = "waiting"
    created_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    progress: Progress | None = None
    rate: float = 0.0
    cancelling: bool = False
    report: Report | None = None
    verification: Verification | None = None
    error: str = ""
    error_type: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "cancelled")


class Run(Protocol):
    """A job being carried out somewhere."""

    def run(self, watcher: Watcher) -> End:
        """Do it, tell progress, and return how it ended. Called once."""
        ...

    def stop(self) -> None:
        """Ask it to end soon. May be called by any thread, at any time, more than once."""
        ...


@dataclass(slots=True)
class _Task:
    """A job that has not ended: what is to be done, who wants to hear of its end, what does it."""

    job_id: str
    request: Request
    ended: Callable[[Job], None] | None = None
    run: Run | None = None
    parked: bool = False


class Jobs:
    """The jobs of one library. Thread-safe."""

    def __init__(self, library: Library, name: str) -> None:
        self._library = library
        self._name = name
        self._jobs: dict[str, Job] = {}
        self._tasks: deque[_Task] = deque()
        self._running: _Task | None = None
        self._closing = False
        self._changed = threading.Condition(threading.RLock())
        self._watchers: Watchers[Job] = Watchers()
        self._thread: threading.Thread | None = None

    def submit(
        self,
        kind: JobKind,
        title: str,
        paths: Sequence[str | Path] = (),
        *,
        prune: bool = False,
        repair: bool = True,
        documents: Sequence[int] = (),
        ended: Callable[[Job], None] | None = None,
    ) -> Job:
        """Queue a job and return it; where the very same waits already, that one.

        `paths` are files and folders; for `remove` documents' paths and
        patterns, or else `documents` their ids; for `upload` files in the
        library's folder of uploads, or none for all of it. `ended` is called
        with the finished job, in a thread, before anybody else sees that it
        has ended; an error that it raises makes the job fail. Raises UsageError when the server is stopping,
        or when too many jobs wait.
        """
        words = tuple(fspath(path) for path in paths)
        request = Request(kind, words, tuple(documents), prune, repair)
        job = Job(secrets.token_hex(8), self._name, kind, title, created_at=_now())
        with self._changed:
            if self._closing:
                raise UsageError(f"The server is stopping and takes no new work ({title!r}).")
            waiting = next((task for task in self._tasks if task.request == request), None)
            if waiting is not None and waiting.ended is None and ended is None:
                return self.job(waiting.job_id)  # it begins later than now, and sees all that is there now
            if len(self._tasks) >= MOST_WAITING and kind != "remove":
                raise UsageError(
                    f"{len(self._tasks):,} jobs wait already, so {title!r} was not begun. Try again later."
                )
            self._tasks.append(_Task(job.id, request, ended))
            self._put(job)
            if self._thread is None:
                name = f"openbook-jobs-{self._name}"
                self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._thread.start()
        return job

    def job(self, job_id: str) -> Job:
        """The job as it stands. Raises UsageError for an unknown id."""
        try:
            return self._jobs[job_id]
        except KeyError:
            raise UsageError(
                f"There is no job {job_id!r}; it may be from before the server started."
            ) from None

    def jobs(self) -> list[Job]:
        """The jobs since the server started, newest first; the oldest finished ones are forgotten."""
        with self._changed:
            return list(reversed(self._jobs.values()))

    def active(self) -> list[Job]:
        """The jobs that have not ended: the running one, then the waiting ones in their order."""
        with self._changed:
            return [job for job in self._jobs.values() if not job.finished]

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; one that is finished stays as it is. Raises UsageError for an unknown id.

        A waiting job is cancelled at once, a running one when its process is gone.
        """
        with self._changed:
            job = self.job(job_id)
            waiting = next((task for task in self._tasks if task.job_id == job_id), None)
            if waiting is not None:
                self._tasks.remove(waiting)
            running = self._running
        if waiting is not None:
            return self._end(waiting, Stopped())
        if running is None or running.job_id != job_id or job.finished:
            return self.job(job_id)
        return self._interrupt(running)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """Yield the job as it stands, then after each change, until it is finished.

        A reader that is slower than the job misses states in between, never the last.
        Raises UsageError for an unknown id.
        """
        with self._changed:
            watcher = self._watchers.enter({job_id: self.job(job_id)}, only=job_id)
        try:
            async for job in watcher.changes():
                yield job
                if job.finished:
                    return
        finally:
            self._watchers.leave(watcher)

    async def watch_all(self) -> AsyncIterator[Job]:
        """Yield every job that has not ended, then any job after each change, until the server stops."""
        with self._changed:
            watcher = self._watchers.enter({job.id: job for job in self.active()})
        try:
            async for job in watcher.changes():
                yield job
        finally:
            self._watchers.leave(watcher)

    async def close(self, grace_seconds: float) -> None:
        """Let the running job end within `grace_seconds`, else stop it; waiting ones are cancelled.

        Waiting removals are carried out first, since they were promised. When
        this returns, no process is left.
        """
        with self._changed:
            self._closing = True
            parked = [task for task in self._tasks if task.request.kind != "remove"]
            for task in parked:
                self._tasks.remove(task)
                task.parked = True
            self._changed.notify_all()
        for task in parked:
            self._end(task, Stopped())
        await asyncio.to_thread(self._wind_up, grace_seconds)
        self._watchers.close()

    # -- inside ----------------------------------------------------------------

    def _wind_up(self, grace_seconds: float) -> None:
        with self._changed:
            thread = self._thread
            self._changed.wait_for(
                lambda: self._running is None or self._running.request.kind == "remove", grace_seconds
            )
            self._park()
            self._changed.wait_for(lambda: self._running is None and not self._tasks, REMOVAL_SECONDS)
            self._park(also_removals=True)
            left, self._tasks = list(self._tasks), deque()
        for task in left:
            task.parked = True
            self._end(task, Stopped())
        if thread is not None:
            thread.join(2 * STOP_SECONDS)
            if thread.is_alive():
                _LOGGER.warning(
                    "A job of library %r goes on in its thread; it cannot be stopped.", self._name
                )

    def _park(self, *, also_removals: bool = False) -> None:
        """Interrupt the running job, for the server's sake and not at somebody's wish."""
        task = self._running
        if task is not None and (also_removals or task.request.kind != "remove"):
            task.parked = True
            self._interrupt(task)

    def _interrupt(self, task: _Task) -> Job:
        with self._changed:
            job = self.job(task.job_id)
            if not job.finished:
                job = self._put(replace(job, cancelling=True))
            run = task.run
        if run is not None:
            run.stop()
        return job

    def _put(self, job: Job) -> Job:
        with self._changed:
            self._jobs[job.id] = job
            finished = [one.id for one in self._jobs.values() if one.finished]
            for job_id in finished[: max(0, len(finished) - KEPT_JOBS)]:
                del self._jobs[job_id]
            self._watchers.tell(job.id, job)
            self._changed.notify_all()
        return job

    def _work(self) -> None:
        """The thread that carries out one job after the other, until the server stops."""
        while True:
            with self._changed:
                self._running = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._tasks or self._closing)
                if not self._tasks:
                    return
                task = self._running = self._tasks.popleft()
            self._carry_out(task)

    def _carry_out(self, task: _Task) -> None:
        with self._changed:
            self._put(replace(self.job(task.job_id), state="running", started_at=_now()))

        def watcher(progress: Progress, rate: float) -> None:
            with self._changed:
                self._put(replace(self.job(task.job_id), progress=progress, rate=rate))

        end: End
        try:
            run: Run = (InThread if self._library.embedder_given else Child)(self._library, task.request)
            with self._changed:
                task.run = run
                stopped = self.job(task.job_id).cancelling
            if stopped:
                run.stop()  # somebody cancelled while it was starting
            end = run.run(watcher)
        except Exception as error:
            _LOGGER.exception("A job failed in a way that nobody expected.")
            end = Failure(type(error).__name__, f"Something unexpected happened: {error}. Please report it.")
        self._end(task, end)

    def _end(self, task: _Task, end: End) -> Job:
        """Make the end of a job known, first to the one who asked to hear of it."""
        job = _ended(self.job(task.job_id), end, parked=task.parked)
        if task.ended is not None:
            try:
                task.ended(job)
            except Exception as error:
                if not isinstance(error, OpenbookError | OSError):
                    _LOGGER.exception("What follows a job failed in a way that nobody expected.")
                job = replace(job, state="failed", error=str(error), error_type=type(error).__name__)
        return self._put(job)


class InThread:
    """A job in a thread of the server, for a library whose embedder is an object of the caller's."""

    def __init__(self, library: Library, request: Request) -> None:
        self._library = library
        self._request = request
        self._stopped = threading.Event()

    def run(self, watcher: Watcher) -> End:
        """Do it here and now."""

        def step(progress: Progress, rate: float) -> None:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            watcher(progress, rate)

        return Stopped() if self._stopped.is_set() else carry_out(self._library, self._request, step)

    def stop(self) -> None:
        """End it at its next step."""
        self._stopped.set()


def _ended(job: Job, end: End, *, parked: bool) -> Job:
    """The finished job. Of one that was asked to stop, a failure is how the stopping went."""
    job = replace(job, finished_at=_now(), rate=0.0)
    match end:
        case Report():
            return replace(job, state="done", report=end)
        case Verification():
            return replace(job, state="done", verification=end)
        case Failure() if not job.cancelling:
            return replace(job, state="failed", error=end.message, error_type=end.error)
        case _:
            return replace(job, state="cancelled", error=_PARKED if parked else "")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
