"""Long work on a library, one job after the other: synchronising folders, removing, verifying.

A job can be watched while it runs and cancelled at any moment; what it had
reported is in the library then, and the next run goes on from there.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from openbook.errors import UsageError
from openbook.types import Progress, Report, Verification

if TYPE_CHECKING:
    from openbook.library import Library

JobKind: TypeAlias = Literal["sync", "upload", "remove", "verify"]
JobState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work as it stands. Times are UTC, ISO 8601; "" means not yet.

    A job that ended with state `done` has a report, or a verification; its
    report may still name files that failed. `error` says why a job failed.
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
    report: Report | None = None
    verification: Verification | None = None
    error: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "cancelled")


class Jobs:
    """The jobs of one library. Thread-safe."""

    def __init__(self, library: Library, name: str) -> None:
        self._library = library
        self._name = name
        self._jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="openbook-jobs")

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
        """Queue a job and return it. `paths` are files and folders, or documents' paths for `remove`."""
        job = Job(secrets.token_hex(8), self._name, kind, title, created_at=_now())
        self._put(job)
        self._worker.submit(self._run, job.id, kind, tuple(paths), prune, tuple(documents), ended)
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
        """All jobs since the server started, newest first."""
        return list(reversed(self._jobs.values()))

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; one that is finished stays as it is. Raises UsageError for an unknown id."""
        job = self.job(job_id)
        if job.finished:
            return job
        return self._put(replace(job, state="cancelled", finished_at=_now()))

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """Yield the job as it stands, then after each change, until it is finished."""
        job = self.job(job_id)
        yield job
        while not job.finished:
            await asyncio.sleep(0.1)
            now = self.job(job_id)
            if now != job:
                job = now
                yield job

    async def close(self, grace_seconds: float) -> None:
        """Let the running job end within `grace_seconds`, else stop it; waiting ones are cancelled."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _put(self, job: Job) -> Job:
        with self._changed:
            self._jobs[job.id] = job
            self._changed.notify_all()
        return job

    def _run(
        self,
        job_id: str,
        kind: JobKind,
        paths: tuple[str | Path, ...],
        prune: bool,
        documents: tuple[int, ...],
        ended: Callable[[Job], None] | None,
    ) -> None:
        job = self._put(replace(self.job(job_id), state="running", started_at=_now()))

        def progress(seen: Progress) -> None:
            self._put(replace(self.job(job_id), progress=seen))

        try:
            if kind == "verify":
                job = replace(self.job(job_id), verification=self._library.verify())
            elif kind == "remove":
                job = replace(
                    self.job(job_id), report=self._library.remove(*map(str, paths), documents=documents)
                )
            else:
                job = replace(
                    self.job(job_id), report=self._library.add(*paths, prune=prune, progress=progress)
                )
            job = replace(job, state="done", finished_at=_now())
            if ended is not None:
                ended(job)
            self._put(job)
        except Exception as error:  # noqa: BLE001
            job = replace(self.job(job_id), state="failed", error=str(error), finished_at=_now())
            if ended is not None:
                ended(job)
            self._put(job)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
