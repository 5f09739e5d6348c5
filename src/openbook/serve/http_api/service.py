"""The server and its libraries: is it alive, is it ready, what does it hold, what was asked of it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from openbook.serve.desk import Desk
from openbook.serve.http_api import samples
from openbook.serve.http_api.description import reply
from openbook.serve.http_api.parameters import DeskParameter
from openbook.serve.http_api.replies import Json
from openbook.serve.http_api.shapes import VERSION, Health, Libraries, LibraryEntry, Ready, Stats
from openbook.serve.problems import NOT_READY, ProblemError
from openbook.types import LibraryStatus

router = APIRouter(tags=["server"])
_STARTED: Final = time.monotonic()


@router.get("/health", response_model=Health, responses=reply(samples.HEALTH), summary="Is it alive?")
async def health() -> Response:
    """Answers as long as the server runs at all, whatever state its libraries are in."""
    return Json(Health("alive", VERSION))


@router.get("/ready", response_model=Ready, responses=reply(samples.READY, NOT_READY), summary="Is it ready?")
async def ready(request: Request) -> Response:
    """Answers 200 once every library is open and what its first question needs is loaded, else 503."""
    desks = list(request.app.state.shelf)
    waiting = [
        f"{desk.name}: {desk.trouble or 'its model is being loaded'}" for desk in desks if not desk.ready
    ]
    if waiting:
        raise ProblemError(NOT_READY, f"Not ready yet: {'; '.join(waiting)}.")
    return Json(Ready("ready", tuple(desk.name for desk in desks)))


@router.get(
    "/libraries", response_model=Libraries, responses=reply(samples.LIBRARIES), summary="Which libraries?"
)
async def libraries(request: Request) -> Response:
    """The libraries that this server has. Their names are what the parameter `library` takes."""
    desks = list(request.app.state.shelf)
    entries = [await desk.background.run(_entry, desk, default=desk is desks[0]) for desk in desks]
    return Json(Libraries(tuple(entries)))


@router.get(
    "/status", response_model=LibraryStatus, responses=reply(samples.STATUS), summary="What does it hold?"
)
async def status(desk: DeskParameter) -> Response:
    """What the library holds, how complete it is, and every file that has a problem."""
    return Json(await desk.background.run(desk.library.status))


@router.get("/stats", response_model=Stats, responses=reply(samples.STATS), summary="How is it used?")
async def stats(desk: DeskParameter) -> Response:
    """Counts, sizes and generations, and the last questions with the time that each took."""
    return Json(
        Stats(
            library=desk.name,
            status=await desk.background.run(desk.library.status),
            recent=tuple(desk.recent()),
            jobs=Counter(job.state for job in desk.jobs.jobs()),
            removals=len(desk.removals.pending()),
            uptime_seconds=round(time.monotonic() - _STARTED, 1),
        )
    )


def _entry(desk: Desk, *, default: bool) -> LibraryEntry:
    held = desk.library.status()
    return LibraryEntry(
        name=desk.name,
        default=default,
        ready=desk.ready,
        documents=held.documents,
        chunks=held.chunks,
        model=held.model,
        language_model=desk.library.settings.model,
    )
