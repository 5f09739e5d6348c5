"""Jobs: queued one after the other, watched without polling, and told as they really ended."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from openbook.errors import UsageError
from openbook.index.lock import WriteLock
from openbook.library import Library
from openbook.serve.jobs import KEPT_JOBS, Job, Jobs
from openbook.types import Progress
from tests.serve_jobs.conftest import SETTINGS, finished, wait_for, write_many
from tests.serve_jobs.processes import job_process


def test_a_job_brings_the_library_in_line_and_the_server_sees_it(
    jobs: Jobs, library: Library, documents: Path
) -> None:
    job = wait_for(jobs, jobs.submit("sync", "Documents", [documents]))
    assert (job.state, job.kind, job.title, job.error) == ("done", "sync", "Documents", "")
    assert job.report is not None
    assert job.report.counts == {"added": 3}
    assert job.created_at <= job.started_at <= job.finished_at
    assert [record.path for record in library.documents()] == ["birds/heron.md", "birds/swift.md", "oak.txt"]
    assert library.search("heron voles")[0].path == "birds/heron.md"
    status = library.status()
    assert (status.documents, status.embedded, status.behind) == (3, status.chunks, ())


def test_the_process_has_the_settings_of_the_library_and_gives_way(
    jobs: Jobs, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBOOK_EMBEDDER", "hash:32")
    monkeypatch.setenv("OPENBOOK_SETTINGS", str(tmp_path / "documents/none.toml"))
    folder = write_many(tmp_path / "many", 300)
    job = jobs.submit("sync", "Many", [folder])

    async def play() -> None:
        async for seen in jobs.watch(job.id):
            if seen.progress is not None:
                own = os.getpriority(os.PRIO_PROCESS, 0)
                assert os.getpriority(os.PRIO_PROCESS, job_process()) == min(own + 10, 19)
                return

    asyncio.run(play())
    assert wait_for(jobs, job).state == "done"
    assert library.status().fingerprint == "hash-64-1"


def test_progress_comes_with_pace_and_failures_with_reasons(jobs: Jobs, documents: Path) -> None:
    (documents / "broken.pdf").write_bytes(b"%PDF-1.7 but not really")
    job = jobs.submit("sync", "Documents", [documents])
    seen: list[Job] = []

    async def play() -> None:
        async for state in jobs.watch(job.id):
            seen.append(state)

    asyncio.run(play())
    assert any(state.progress is not None and state.progress.stage == "reading" for state in seen)
    assert all(state.rate >= 0 for state in seen)
    report = seen[-1].report
    assert report is not None
    assert [failure.path for failure in report.failures] == ["broken.pdf"]
    assert seen[-1].state == "done"


def test_jobs_run_one_after_the_other(jobs: Jobs, documents: Path, tmp_path: Path) -> None:
    first = jobs.submit("sync", "Many", [write_many(tmp_path / "many", 60)])
    second = jobs.submit("sync", "Documents", [documents])
    third = jobs.submit("verify", "Check")
    assert [job.id for job in jobs.active()] == [first.id, second.id, third.id]
    states: list[tuple[str, ...]] = []

    async def play() -> None:
        async for _ in jobs.watch_all():
            states.append(tuple(jobs.job(job.id).state for job in (first, second, third)))
            if not jobs.active():
                return

    asyncio.run(play())
    assert states[-1] == ("done", "done", "done")
    assert all(state.count("running") <= 1 for state in states)
    assert all("waiting" not in state[: state.index("running")] for state in states if "running" in state)
    assert [job.id for job in jobs.jobs()] == [third.id, second.id, first.id]
    verification = jobs.job(third.id).verification
    assert verification is not None
    assert verification.ok
    assert verification.checked["documents"] == 63


def test_verifying_without_repair_only_tells(jobs: Jobs, library: Library, documents: Path) -> None:
    wait_for(jobs, jobs.submit("sync", "Documents", [documents]))
    job = wait_for(jobs, jobs.submit("verify", "Look", repair=False))
    assert job.verification is not None
    assert (job.verification.ok, job.verification.repaired) == (True, ())


@pytest.mark.parametrize("kind", ["sync", "remove"])
def test_errors_keep_their_class_and_message(jobs: Jobs, kind: str) -> None:
    job = wait_for(jobs, jobs.submit(kind, "Nothing there", ["/no/such/place"]))  # type: ignore[arg-type]
    assert (job.state, job.error_type) == ("failed", "UsageError")
    assert "/no/such/place" in job.error


def test_refusing_to_empty_a_library_is_told_and_can_be_overruled(jobs: Jobs, documents: Path) -> None:
    wait_for(jobs, jobs.submit("sync", "Documents", [documents]))
    for file in list(documents.rglob("*.md")):
        file.unlink()
    job = wait_for(jobs, jobs.submit("sync", "Documents", [documents]))
    assert (job.state, job.error_type) == ("failed", "PruneRefused")
    job = wait_for(jobs, jobs.submit("sync", "Documents", [documents], prune=True))
    assert job.report is not None
    assert job.report.counts == {"removed": 2, "unchanged": 1}


def test_another_writer_is_named(tmp_path: Path, documents: Path) -> None:
    with Library(tmp_path / "busy", settings=replace(SETTINGS, lock_seconds=0.1)) as library:
        jobs = Jobs(library, "busy")
        with WriteLock(library.path, 1.0, command="somebody else"):
            job = wait_for(jobs, jobs.submit("sync", "Documents", [documents]))
        asyncio.run(jobs.close(0))
    assert (job.state, job.error_type) == ("failed", "LibraryLocked")
    assert "somebody else" in job.error


def test_names_that_are_no_unicode_travel(jobs: Jobs, tmp_path: Path) -> None:
    job = wait_for(jobs, jobs.submit("sync", "Café", [tmp_path / os.fsdecode(b"caf\xe9")]))
    assert (job.state, job.error_type) == ("failed", "UsageError")
    assert "caf\\udce9" in job.error


def test_removing_by_id_leaves_a_document_of_the_same_path(
    jobs: Jobs, library: Library, tmp_path: Path
) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "note.md").write_text(f"# Note\n\nThis is {place}.\n", encoding="utf-8")
    library.add(tmp_path / "one", tmp_path / "two")
    first, second = (record.id for record in library.documents())
    job = wait_for(jobs, jobs.submit("remove", "Note", documents=[first]))
    assert job.report is not None
    assert job.report.counts == {"removed": 1}
    assert [record.id for record in library.documents()] == [second]
    job = wait_for(jobs, jobs.submit("remove", "Note", documents=[first]))
    assert (job.state, job.report and job.report.outcomes) == ("done", ())


def test_everybody_who_watches_sees_the_end(jobs: Jobs, documents: Path) -> None:
    job = jobs.submit("sync", "Documents", [documents])

    async def reader(pause: asyncio.Event | None) -> Job:
        async for seen in jobs.watch(job.id):
            last = seen
            if pause is not None:
                await pause.wait()
        return last

    async def play() -> None:
        slow = asyncio.Event()
        readers = [asyncio.create_task(reader(slow if number % 5 == 0 else None)) for number in range(50)]
        end = await finished(jobs, job)
        slow.set()
        assert {seen.state for seen in await asyncio.gather(*readers)} == {"done"}
        assert [seen async for seen in jobs.watch(job.id)] == [end]

    asyncio.run(play())


def test_a_watcher_that_leaves_disturbs_nobody(jobs: Jobs, documents: Path) -> None:
    job = jobs.submit("sync", "Documents", [documents])

    async def leave() -> None:
        async for _ in jobs.watch(job.id):
            return

    asyncio.run(leave())
    assert wait_for(jobs, job).state == "done"


def test_a_waiting_job_is_cancelled_at_once(jobs: Jobs, documents: Path, tmp_path: Path) -> None:
    first = jobs.submit("sync", "Many", [write_many(tmp_path / "many", 100)])
    second = jobs.submit("sync", "Documents", [documents])
    assert jobs.cancel(second.id).state == "cancelled"
    assert jobs.cancel(second.id).state == "cancelled"
    assert wait_for(jobs, first).state == "done"
    assert jobs.cancel(first.id).state == "done"


def test_old_jobs_are_forgotten(jobs: Jobs, tmp_path: Path) -> None:
    running = jobs.submit("sync", "Many", [write_many(tmp_path / "many", 300)])
    waiting = [jobs.cancel(jobs.submit("verify", f"Check {number}").id) for number in range(KEPT_JOBS + 30)]
    assert len(jobs.jobs()) == KEPT_JOBS + 1
    assert jobs.job(running.id).title == "Many"
    with pytest.raises(UsageError, match=waiting[0].id):
        jobs.job(waiting[0].id)
    jobs.cancel(running.id)
    assert wait_for(jobs, running).finished


def test_the_very_same_job_waits_once(jobs: Jobs, documents: Path, tmp_path: Path) -> None:
    running = jobs.submit("sync", "Many", [write_many(tmp_path / "many", 300)])
    first = jobs.submit("sync", "Documents", [documents])
    assert jobs.submit("sync", "Documents again", [documents]) == first
    other = jobs.submit("sync", "Documents", [documents], prune=True)
    removals = [jobs.submit("remove", "Remove", documents=[1], ended=lambda _: None) for _ in range(2)]
    assert len({job.id for job in (running, first, other, *removals)}) == 5
    jobs.cancel(first.id)
    assert jobs.submit("sync", "Documents", [documents]).id != first.id
    jobs.cancel(running.id)
    assert wait_for(jobs, running).finished


def test_only_so_many_jobs_may_wait(jobs: Jobs, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbook.serve.jobs.MOST_WAITING", 2)
    with jobs._changed:  # so that none begins
        folders = [*documents.glob("*/*"), documents]
        for number, folder in enumerate(folders):
            if number < 2:
                jobs.submit("sync", "Waiting", [folder])
            else:
                with pytest.raises(UsageError, match="2 jobs wait already, so 'Too many'"):
                    jobs.submit("sync", "Too many", [folder])
        promised = jobs.submit("remove", "Promised", documents=[1])
    assert len(folders) > 2
    assert wait_for(jobs, promised).state == "done"


def test_what_follows_a_job_happens_before_its_end_is_seen(jobs: Jobs, documents: Path) -> None:
    told: list[str] = []

    def ended(job: Job) -> None:
        told.append(f"{job.state}, seen as {jobs.job(job.id).state}")

    wait_for(jobs, jobs.submit("sync", "Documents", [documents], ended=ended))
    assert told == ["done, seen as running"]

    def broken(job: Job) -> None:
        raise PermissionError(13, "Permission denied", job.title)

    job = wait_for(jobs, jobs.submit("verify", "Check", ended=broken))
    assert (job.state, job.error_type) == ("failed", "PermissionError")
    assert wait_for(jobs, jobs.submit("verify", "Check again")).state == "done"


def test_unknown_jobs_are_refused(jobs: Jobs) -> None:
    with pytest.raises(UsageError, match="'nothing'"):
        jobs.cancel("nothing")
    with pytest.raises(UsageError, match="'nothing'"):
        asyncio.run(finished(jobs, Job("nothing", "", "sync", "")))


def test_a_job_says_how_far_it_is(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.submit("sync", "Many", [write_many(tmp_path / "many", 200)])
    steps: list[Progress] = []

    async def play() -> None:
        async for seen in jobs.watch(job.id):
            if seen.progress is not None:
                steps.append(seen.progress)

    asyncio.run(play())
    assert {step.total for step in steps if step.stage == "reading"} == {200}
    assert any(step.stage == "embedding" and step.done == step.total for step in steps)
