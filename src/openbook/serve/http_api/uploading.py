"""Files that are sent to the server: written to the disk while they arrive, then read by a job.

What has arrived stays, also where a later file of the same form is refused or
the connection breaks: the job that reads the folder of uploads is begun in any
case, so that no file lies there that the library does not know.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from openbook.errors import StorageFull
from openbook.serve.desk import Desk
from openbook.serve.http_api import samples
from openbook.serve.http_api.description import reply
from openbook.serve.http_api.multipart import FileParts
from openbook.serve.http_api.parameters import DeskParameter
from openbook.serve.http_api.replies import Json
from openbook.serve.http_api.work import QUEUED
from openbook.serve.jobs import Job
from openbook.serve.problems import INVALID, KINDS, ProblemError

router = APIRouter(tags=["documents"])

_FORM = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "format": "binary"},
            "description": "Each file with its name. A name that is known already replaces that document.",
        }
    },
}
_SHOWN = 3


@router.post(
    "/documents/upload",
    status_code=202,
    response_model=Job,
    responses=reply(samples.UPLOAD_JOB, KINDS[StorageFull], status=202, description=QUEUED),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
    summary="Send files to the library",
)
async def upload(request: Request, desk: DeskParameter) -> Response:
    """Send one file or several as a form; when all have arrived, a job reads them into the library."""
    received: list[Path] = []
    try:
        await _receive(desk, FileParts(request.headers.get("content-type", ""), request.stream()), received)
    except BaseException:
        if received:
            _submit(desk, received)
        raise
    if not received:
        raise ProblemError(INVALID, "The form holds no file. Send at least one, with its name.")
    return Json(_submit(desk, received), 202)


async def _receive(desk: Desk, files: FileParts, received: list[Path]) -> None:
    async for file in files:
        received.append(await desk.uploads.receive(file.name, file.content))


def _submit(desk: Desk, received: list[Path]) -> Job:
    names = ", ".join(path.name for path in received[:_SHOWN])
    more = f" and {len(received) - _SHOWN:,} more" if len(received) > _SHOWN else ""
    return desk.jobs.submit("upload", f"Reading {names}{more}", [desk.uploads.folder])
