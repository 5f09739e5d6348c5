"""Jobs: synchronising folders and verifying, how far a job is, and stopping it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from openbook.serve.desk import Desk
from openbook.serve.http_api import samples
from openbook.serve.http_api.description import events_reply, reply
from openbook.serve.http_api.parameters import DeskParameter, OpaqueId
from openbook.serve.http_api.replies import EventStream, Json, event_bytes
from openbook.serve.http_api.shapes import Jobs, SyncBody, VerifyBody
from openbook.serve.jobs import Job
from openbook.serve.problems import (
    FOLDER_REFUSED,
    JOB_UNKNOWN,
    NOTHING_TO_SYNC,
    ProblemError,
    unknown,
)

router = APIRouter(tags=["jobs"])

QUEUED = "The job is queued."


@router.post(
    "/sync",
    status_code=202,
    response_model=Job,
    responses=reply(samples.JOB, FOLDER_REFUSED, NOTHING_TO_SYNC, status=202, description=QUEUED),
    summary="Bring the library in line with folders",
)
async def sync(desk: DeskParameter, body: SyncBody) -> Response:
    """New, changed and moved files enter, files that are gone leave.

    Folders must be sources of the library already, or lie in a folder that the server was told of when it
    started (`openbook serve --allow`). Without any, all sources are synchronised.
    """
    folders = await desk.background.run(_folders, desk, body.folders)
    title = f"Synchronising {', '.join(folder.name or str(folder) for folder in folders)}"
    return Json(desk.jobs.submit("sync", title, folders, prune=body.prune), 202)


@router.post(
    "/verify",
    status_code=202,
    response_model=Job,
    responses=reply(samples.JOB, status=202, description=QUEUED),
    summary="Verify the library",
)
async def verify(desk: DeskParameter, body: VerifyBody | None = None) -> Response:
    """Compare the ledger with itself and with both indexes; with `repair`, put right what disagrees."""
    repair = body is None or body.repair
    return Json(desk.jobs.submit("verify", "Verifying the library", repair=repair), 202)


@router.get("/jobs", response_model=Jobs, responses=reply(samples.JOBS), summary="All jobs")
async def list_jobs(desk: DeskParameter) -> Response:
    """The jobs since the server started, newest first."""
    return Json(Jobs(tuple(desk.jobs.jobs())))


@router.get(
    "/jobs/{job_id}", response_model=Job, responses=reply(samples.JOB, JOB_UNKNOWN), summary="One job"
)
async def read_job(desk: DeskParameter, job_id: OpaqueId) -> Response:
    """A job as it stands: how far it is, or its report."""
    with unknown(JOB_UNKNOWN):
        return Json(desk.jobs.job(job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=events_reply(samples.JOB_EVENTS, JOB_UNKNOWN),
    summary="Watch a job",
)
async def watch_job(desk: DeskParameter, job_id: OpaqueId) -> Response:
    """Server-sent events: the job as it stands, then after each change, until it is finished.

    Each is named after the job's state: `waiting`, `running`, and one of `done`, `failed` and `cancelled`.
    """
    with unknown(JOB_UNKNOWN):
        desk.jobs.job(job_id)
    return EventStream(_changes(desk, job_id))


@router.delete(
    "/jobs/{job_id}", response_model=Job, responses=reply(samples.JOB, JOB_UNKNOWN), summary="Cancel a job"
)
async def cancel_job(desk: DeskParameter, job_id: OpaqueId) -> Response:
    """Ask a job to stop. What it had reported stays; one that is finished stays as it is."""
    with unknown(JOB_UNKNOWN):
        return Json(await desk.background.run(desk.jobs.cancel, job_id))


async def _changes(desk: Desk, job_id: str) -> AsyncGenerator[bytes, None]:
    async for job in desk.jobs.watch(job_id):
        yield event_bytes(job.state, job)


def _folders(desk: Desk, wanted: list[str]) -> list[Path]:
    """The folders that are to be synchronised, each of which the server may read."""
    if wanted:
        with unknown(FOLDER_REFUSED):
            return [desk.folders.check(name) for name in wanted]
    known = desk.folders.sources()
    if not known:
        raise ProblemError(NOTHING_TO_SYNC, "The library has no folder to synchronise yet. Name one.")
    return list(known)
