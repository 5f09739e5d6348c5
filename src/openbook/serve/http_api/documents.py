"""Documents: the list of all files with their outcomes, one document's text and marks, its original file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, Response

from openbook.index.ledger_listing import FileFilter, FileOrder
from openbook.index.records import FileEntry
from openbook.serve.advice import advice
from openbook.serve.desk import Desk
from openbook.serve.http_api import parameters, samples
from openbook.serve.http_api.description import file_reply, reply
from openbook.serve.http_api.parameters import DeskParameter, DocumentId
from openbook.serve.http_api.replies import Json
from openbook.serve.http_api.shapes import DocumentPart, FileList, ListedFile, extended
from openbook.serve.originals import indexed_original_of
from openbook.serve.problems import DOCUMENT_UNKNOWN, FILE_CHANGED, FILE_UNAVAILABLE, ProblemError, unknown
from openbook.types import OutcomeKind

router = APIRouter(tags=["documents"])


@router.get(
    "/documents",
    response_model=FileList,
    responses=reply(samples.FILE_LIST),
    summary="List all files with their outcomes",
)
async def list_documents(
    desk: DeskParameter,
    q: Annotated[
        parameters.Words, Query(description="A part of the path or the title, without regard to case.")
    ] = "",
    outcome: Annotated[
        list[OutcomeKind],
        Query(max_length=8, description="Only files that ended so; all but `removed` if there is none."),
    ] = [],  # noqa: B006
    order: Annotated[FileOrder, Query(description="By what the files are sorted.")] = "path",
    descending: Annotated[parameters.Flag, Query(description="Large or late ones first.")] = False,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Most files of a page.")] = 100,
    offset: Annotated[
        parameters.Offset, Query(description="How many files to leave out; see `next_offset`.")
    ] = 0,
) -> Response:
    """A page of the files, also those that failed, were skipped or hold no text, with the reason."""
    wanted = FileFilter(q, outcome, order=order, descending=descending)
    return Json(await desk.background.run(_listed, desk, wanted, offset=offset, limit=limit))


@router.get(
    "/documents/{document_id:number}",
    response_model=DocumentPart,
    responses=reply(samples.DOCUMENT, DOCUMENT_UNKNOWN),
    summary="One document's text and marks",
)
async def read_document(
    desk: DeskParameter,
    document_id: DocumentId,
    start: Annotated[parameters.Offset, Query(description="The first character that is wanted.")] = 0,
    end: Annotated[
        parameters.Offset | None, Query(description="The character behind the last one; all if absent.")
    ] = None,
) -> Response:
    """The text as every offset of this API refers to it, or a part of it, with the marks that touch it."""
    return await desk.background.run(_read, desk, document_id, start, end)


@router.get(
    "/documents/{document_id:number}/file",
    response_class=FileResponse,
    responses=file_reply(
        "application/octet-stream", kinds=(DOCUMENT_UNKNOWN, FILE_UNAVAILABLE, FILE_CHANGED)
    ),
    summary="The original file",
)
async def download_document(desk: DeskParameter, document_id: DocumentId) -> Response:
    """The file that the document came from, as a download, where it lies unchanged in one of the sources."""
    with unknown(FILE_UNAVAILABLE):
        file = await desk.background.run(indexed_original_of, desk, document_id)
    return FileResponse(
        file,
        media_type="application/octet-stream",
        filename=file.name.encode("utf-8", "replace").decode("utf-8"),
        content_disposition_type="attachment",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"},
    )


def _listed(desk: Desk, wanted: FileFilter, *, offset: int, limit: int) -> FileList:
    wanted = replace(wanted, hidden=desk.removals.pending_documents())
    found, total = desk.library.files(wanted, offset=offset, limit=limit)
    following = offset + len(found)
    return FileList(
        files=tuple(_with_advice(entry) for entry in found),
        total=total,
        offset=offset,
        next_offset=following if found and following < total else None,
        outcomes=desk.library.status().outcomes,
    )


def _with_advice(entry: FileEntry) -> ListedFile:
    return extended(ListedFile, entry, advice=advice(entry))


def _read(desk: Desk, document_id: int, start: int, end: int | None) -> Response:
    with unknown(DOCUMENT_UNKNOWN):
        document = desk.document(document_id)
    record = next(desk.documents([f"document={document_id}"]), None)
    if record is None:
        raise ProblemError(DOCUMENT_UNKNOWN, f"Document {document_id} was removed just now.")
    size = len(document.text)
    start = min(start, size)
    end = size if end is None else max(start, min(end, size))
    return Json(
        DocumentPart(
            id=document_id,
            path=document.path,
            title=document.title,
            language=document.language,
            media_type=document.media_type,
            characters=size,
            chunks=record.chunks,
            added_at=record.added_at,
            modified_at=record.modified_at,
            metadata=document.metadata,
            start=start,
            end=end,
            text=document.text[start:end],
            marks=tuple(mark for mark in document.marks if mark.start <= end and mark.end >= start),
        )
    )
