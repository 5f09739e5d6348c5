"""Real processes, really killed: nothing is lost that was reported, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openbook.embed import HashEmbedder, Role
from openbook.errors import UsageError
from openbook.library import Library
from openbook.serve import job_process as job_process_module
from openbook.serve.jobs import Job, Jobs
from tests.serve_jobs.conftest import SETTINGS, wait_for, write_many
from tests.serve_jobs.processes import Ends, children, job_process

if TYPE_CHECKING:
    from openbook.types import FloatMatrix

FILES = 400
COPIES = 24
ONLY_ON_LINUX = not Path("/proc/self/stat").exists()
pytestmark = pytest.mark.skipif(ONLY_ON_LINUX, reason="processes are only listed on Linux")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that takes seconds to add."""
    return write_many(tmp_path_factory.mktemp("many"), FILES)


@pytest.fixture(scope="module")
def endless(many: Path) -> Path:
    """A folder that takes much longer than a test does, made of the same files under many names."""
    folder = many.with_name("endless")
    for copy in range(COPIES):
        (folder / f"{copy:02}").mkdir(parents=True)
        for file in many.iterdir():
            (folder / f"{copy:02}" / file.name).hardlink_to(file)
    return folder


async def until_reading(jobs: Jobs, job: Job, library: Library) -> None:
    """Return when the first documents of the job are in the library."""
    before = sum(1 for _ in library.documents())
    async for seen in jobs.watch(job.id):
        if seen.progress is not None and sum(1 for _ in library.documents()) > before:
            return
    raise AssertionError(f"it ended before it was disturbed: {seen}")


def disturbed(
    jobs: Jobs, library: Library, folder: Path, disturb: Callable[[Job, int], object]
) -> tuple[Job, Ends]:
    """Begin to add a folder, do something to the running job, and return how it ended."""
    job = jobs.submit("sync", "Many", [folder])
    asyncio.run(until_reading(jobs, job, library))
    leader = job_process()
    ends = Ends.of_session(leader)
    assert len(ends) > 1, "no reading process yet"
    disturb(job, leader)
    return wait_for(jobs, job), ends


def check_whole(jobs: Jobs, library: Library, folder: Path) -> None:
    """What was reported is there, and the next run, here over the first part, does the rest."""
    part = folder / "00"
    before = sum(record.path.startswith("00/") for record in library.documents())
    job = wait_for(jobs, jobs.submit("sync", "Part", [part]))
    assert job.report is not None
    assert job.report.counts.get("unchanged", 0) >= before > 0
    assert sum(record.path.startswith("00/") for record in library.documents()) == FILES
    assert library.verify(repair=False).ok
    hits = library.search(f"word{FILES - 1}x7", k=100, where=["path=00/*"])
    assert [hit.path for hit in hits if hit.ranks.lexical == 1] == [f"00/note{FILES - 1:05}.md"]


def test_a_cancelled_job_ends_with_all_its_processes(jobs: Jobs, library: Library, endless: Path) -> None:
    def cancel(job: Job, leader: int) -> None:
        assert jobs.cancel(job.id).cancelling
        assert jobs.cancel(job.id).id == job.id

    job, ends = disturbed(jobs, library, endless, cancel)
    assert (job.state, job.error, job.report) == ("cancelled", "", None)
    ends.wait()
    assert children() == []
    assert sum(1 for _ in library.documents()) < COPIES * FILES
    check_whole(jobs, library, endless)


def test_a_job_that_does_not_listen_is_killed(
    jobs: Jobs, library: Library, endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_process_module, "STOP_SECONDS", 0.1)

    def freeze_and_cancel(job: Job, leader: int) -> None:
        os.kill(leader, signal.SIGSTOP)
        jobs.cancel(job.id)

    job, ends = disturbed(jobs, library, endless, freeze_and_cancel)
    assert job.state == "cancelled"
    ends.wait()
    assert children() == []


def test_a_killed_process_makes_its_job_fail(jobs: Jobs, library: Library, endless: Path) -> None:
    job, ends = disturbed(jobs, library, endless, lambda _, leader: os.kill(leader, signal.SIGKILL))
    assert (job.state, job.error_type) == ("failed", "JobDied")
    assert "SIGKILL" in job.error
    assert "safely in the library" in job.error
    ends.wait()
    assert children() == []
    check_whole(jobs, library, endless)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_ends_when_its_server_is_killed(tmp_path: Path, endless: Path, number: int) -> None:
    command = [sys.executable, str(Path(__file__).with_name("serving_process.py"))]
    server = subprocess.Popen(
        [*command, str(tmp_path / "library"), str(endless)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with server:
        assert server.stdout.readline() == "reading\n"
        ends = Ends.of_session(job_process(server.pid))
        server.send_signal(number)
        server.wait()
        ends.wait()
    with Library(tmp_path / "library", settings=SETTINGS) as library:
        assert 0 < sum(1 for _ in library.documents()) < COPIES * FILES
        assert library.verify().ok


def test_searches_go_on_during_a_job(jobs: Jobs, library: Library, documents: Path, many: Path) -> None:
    library.add(documents)
    job = jobs.submit("sync", "Many", [many])
    asyncio.run(until_reading(jobs, job, library))
    found: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            hits = library.search("heron voles", k=100)
            found.extend(hit.path for hit in hits if hit.ranks.lexical == 1)
            library.status()

    with_errors: list[BaseException] = []

    def asking() -> None:
        try:
            ask()
        except BaseException as error:  # noqa: BLE001 (told below)
            with_errors.append(error)

    threads = [threading.Thread(target=asking) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = wait_for(jobs, job)
    over.set()
    for thread in threads:
        thread.join()
    assert with_errors == []
    assert end.state == "done"
    assert set(found) == {"birds/heron.md"}
    assert sum(1 for _ in library.documents()) == FILES + 3


def test_closing_parks_what_runs_and_what_waits(library: Library, documents: Path, endless: Path) -> None:
    library.add(documents)
    jobs = Jobs(library, "library")
    running = jobs.submit("sync", "Many", [endless])
    asyncio.run(until_reading(jobs, running, library))
    ends = Ends.of_session(job_process())
    waiting = jobs.submit("verify", "Check")
    removing = jobs.submit("remove", "Remove oak.txt", ["oak.txt"])
    asyncio.run(jobs.close(0))
    ends.wait()
    assert children() == []
    for job in (running, waiting):
        assert jobs.job(job.id).state == "cancelled"
        assert "start the same job again" in jobs.job(job.id).error
    assert jobs.job(removing.id).state == "done"
    assert "oak.txt" not in [record.path for record in library.documents()]
    with pytest.raises(UsageError, match="stopping"):
        jobs.submit("verify", "Too late")
    asyncio.run(jobs.close(0))


def test_closing_lets_a_short_job_end(library: Library, documents: Path) -> None:
    jobs = Jobs(library, "library")
    job = jobs.submit("sync", "Documents", [documents])

    async def play() -> list[str]:
        async def watching() -> list[str]:
            return [seen.state async for seen in jobs.watch_all()]

        task = asyncio.create_task(watching())
        async for seen in jobs.watch(job.id):
            if seen.state == "running":
                break
        await jobs.close(60)
        return await task

    assert asyncio.run(play())[-1] == "done"
    assert jobs.job(job.id).state == "done"
    assert children() == []


class Patient(HashEmbedder):
    """An embedder object of the caller's, which embeds when it is told to."""

    def __init__(self) -> None:
        super().__init__(64)
        self.asked = threading.Event()
        self.go = threading.Event()

    def embed(self, texts: Sequence[str], role: Role) -> FloatMatrix:
        if role == "document":
            self.asked.set()
            assert self.go.wait(60)
        return super().embed(texts, role)


def test_an_embedder_object_stays_in_the_server(tmp_path: Path, documents: Path) -> None:
    embedder = Patient()
    with Library(tmp_path / "given", settings=SETTINGS, embedder=embedder) as library:
        jobs = Jobs(library, "given")
        first = jobs.submit("sync", "Documents", [documents])
        assert embedder.asked.wait(60)
        jobs.cancel(first.id)
        embedder.go.set()
        assert wait_for(jobs, first).state == "cancelled"
        second = wait_for(jobs, jobs.submit("sync", "Documents", [documents]))
        assert second.report is not None
        assert second.report.pending == 0
        asyncio.run(jobs.close(0))
