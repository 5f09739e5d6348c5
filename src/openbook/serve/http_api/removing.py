"""Removing documents. For a few seconds it can be undone; from the first moment on nobody finds them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from openbook.serve.desk import Desk
from openbook.serve.http_api import parameters, samples
from openbook.serve.http_api.description import reply
from openbook.serve.http_api.parameters import DeskParameter, DocumentId, OpaqueId
from openbook.serve.http_api.replies import Json
from openbook.serve.http_api.shapes import PendingRemovals, RemovalBody
from openbook.serve.problems import DOCUMENT_UNKNOWN, REMOVAL_UNKNOWN, unknown
from openbook.serve.removals import Removal

router = APIRouter(tags=["removals"])

_BEGUN = "The documents are hidden; until `until` this can be undone."


@router.get(
    "/removals",
    response_model=PendingRemovals,
    responses=reply(samples.REMOVALS),
    summary="What can still be undone",
)
async def list_removals(desk: DeskParameter) -> Response:
    """The removals whose time is not over yet."""
    return Json(PendingRemovals(tuple(desk.removals.pending()), desk.options.undo_seconds))


@router.post(
    "/removals",
    status_code=202,
    response_model=Removal,
    responses=reply(samples.REMOVAL, DOCUMENT_UNKNOWN, status=202, description=_BEGUN),
    summary="Remove documents",
)
async def remove(desk: DeskParameter, body: RemovalBody) -> Response:
    """Hide these documents at once, and remove them, with every byte of their text, when the time is over."""
    return await _removed(desk, body.documents)


@router.delete(
    "/documents",
    status_code=202,
    response_model=Removal,
    responses=reply(samples.REMOVAL, DOCUMENT_UNKNOWN, status=202, description=_BEGUN),
    summary="Remove documents, by address",
)
async def remove_by_address(
    desk: DeskParameter,
    document: Annotated[
        list[parameters.Number],
        Query(alias="id", min_length=1, max_length=100, description="Their numbers."),
    ],
) -> Response:
    """The same as `POST /api/removals`, for clients that prefer the method DELETE."""
    return await _removed(desk, document)


@router.delete(
    "/documents/{document_id:number}",
    status_code=202,
    response_model=Removal,
    responses=reply(samples.REMOVAL, DOCUMENT_UNKNOWN, status=202, description=_BEGUN),
    summary="Remove one document",
)
async def remove_one(desk: DeskParameter, document_id: DocumentId) -> Response:
    """The same for one document."""
    return await _removed(desk, [document_id])


@router.post(
    "/removals/{removal_id}/undo",
    response_model=Removal,
    responses=reply(samples.REMOVAL, REMOVAL_UNKNOWN),
    summary="Undo a removal",
)
async def undo(desk: DeskParameter, removal_id: OpaqueId) -> Response:
    """Bring back what a removal hid, as long as its time is not over."""
    with unknown(REMOVAL_UNKNOWN):
        return Json(await desk.background.run(desk.removals.undo, removal_id))


async def _removed(desk: Desk, documents: list[int]) -> Response:
    with unknown(DOCUMENT_UNKNOWN):
        return Json(await desk.background.run(desk.removals.remove, documents), 202)
