"""Documents to look at, over HTTP: with highlighted characters, as text, rendered, or as pages of a PDF.

Images have an ETag and are asked for again each time, which costs nothing
while they are the same: an image that a browser kept on its own could be under
the boxes of a newer file.

Refused: boxes in pixels, which hold for one width only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from openbook.errors import UsageError
from openbook.json_form import json_form
from openbook.serve.desk import Desk
from openbook.serve.http_api import parameters
from openbook.serve.http_api.description import documented, reply
from openbook.serve.http_api.parameters import DeskParameter, DocumentId
from openbook.serve.http_api.replies import Json
from openbook.serve.originals import original_of
from openbook.serve.problems import (
    DOCUMENT_UNKNOWN,
    FILE_CHANGED,
    FILE_UNAVAILABLE,
    Kind,
    ProblemError,
    unknown,
)
from openbook.serve.view.highlight import Highlight
from openbook.serve.view.page_worker import Box, PageSize
from openbook.serve.view.pages import NARROWEST, WIDEST, Original, has_pages, pages_of
from openbook.serve.view.place import Place
from openbook.serve.view.showing import DocumentView, WishedForm, document_view
from openbook.types import Document

router = APIRouter(tags=["documents"])

PNG: Final = "image/png"
PAGE_UNKNOWN: Final = Kind("page-unknown", 404, "The document has no such page.")
_PAGE_KINDS: Final = (DOCUMENT_UNKNOWN, FILE_UNAVAILABLE, PAGE_UNKNOWN, FILE_CHANGED)

StartParameter: TypeAlias = Annotated[
    parameters.Offset, Query(description="The first highlighted character of the document's text.")
]
EndParameter: TypeAlias = Annotated[
    parameters.Offset,
    Query(description="The character behind the last highlighted one; up to `start`, none is."),
]
PageNumber: TypeAlias = Annotated[
    int, Path(ge=1, le=parameters.LARGEST, description="The number of a page, from 1 on.", examples=[1])
]


@dataclass(frozen=True, slots=True)
class PageList:
    """All pages of a document, as drawn, and the numbers of those with highlighted characters."""

    pages: tuple[PageSize, ...]
    highlighted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PageBoxes:
    """Where the highlighted characters are on a page: a box for each line, none if that is not certain."""

    page: int
    boxes: tuple[Box, ...] = ()


_PLACE: Final = Place("page", (2,), "Page 2", "Wheels > Truing", "Page 2, Truing")
_VIEW: Final = DocumentView(
    path="repair-handbook.pdf",
    title="Repair handbook",
    form="text",
    html='<div class="ob-text"><p>A wheel is <mark id="cite-1" data-number="1">true</mark>.</p></div>',
    start=0,
    end=16,
    before=None,
    after=None,
    pages=True,
    place=_PLACE,
)
_PAGES: Final = PageList((PageSize(1, 595.0, 842.0, "1"), PageSize(2, 595.0, 842.0, "2")), (2,))
_BOXES: Final = PageBoxes(2, (Box(0.119, 0.204, 0.62, 0.017),))


_IMAGE_REPLIES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The page.", "content": {PNG: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The image is that of the ETag that was sent."},
    **documented(*_PAGE_KINDS),
}


@router.get(
    "/documents/{document_id:number}/view",
    response_model=DocumentView,
    responses=reply(json_form(_VIEW), DOCUMENT_UNKNOWN),
    summary="A document as HTML, with highlighted characters",
)
async def view_document(
    desk: DeskParameter,
    document_id: DocumentId,
    start: StartParameter = 0,
    end: EndParameter = 0,
    number: Annotated[
        int, Query(ge=0, le=1_000_000, description="The number in the highlight's id: `cite-3`.")
    ] = 1,
    form: Annotated[
        WishedForm,
        Query(description="`rendered` shows Markdown as it is meant, where the highlight stays exact."),
    ] = "auto",
    at: Annotated[
        parameters.Offset | None,
        Query(description="Where the shown part of a large document begins: `before` or `after` of a reply."),
    ] = None,
) -> Response:
    """A sanitised fragment. The text content of the form `text` is exactly the text from `start` to `end`."""
    highlights = [Highlight(start, end, number)] if start < end else []

    def shown() -> Json:
        return Json(document_view(_document(desk, document_id), highlights, form=form, at=at))

    return await desk.background.run(shown)


@router.get(
    "/documents/{document_id:number}/pages",
    response_model=PageList,
    responses=reply(json_form(_PAGES), *_PAGE_KINDS),
    summary="The pages of a PDF and their sizes",
)
async def list_pages(
    desk: DeskParameter, document_id: DocumentId, start: StartParameter = 0, end: EndParameter = 0
) -> Response:
    """Sizes in points, turned and cropped as the page is drawn. The file must be the one that was indexed."""

    def listed() -> Json:
        document = _document(desk, document_id)
        sizes = desk.pages.sizes(_original(desk, document_id, document))
        return Json(PageList(sizes, pages_of(document, start, end) if start < end else ()))

    return await desk.background.run_long(listed)


@router.get(
    "/documents/{document_id:number}/pages/{number:number}/image",
    response_class=Response,
    responses=_IMAGE_REPLIES,
    summary="A page of a PDF as an image",
)
async def page_image(
    desk: DeskParameter,
    document_id: DocumentId,
    number: PageNumber,
    width: Annotated[int, Query(ge=NARROWEST, le=WIDEST, description="Pixels from left to right.")] = 1_000,
    if_none_match: Annotated[str, Header(max_length=1_000)] = "",
) -> Response:
    """A PNG; narrower than asked for where the page is extremely high."""

    def drawn() -> Response:
        original = _original(desk, document_id, _document(desk, document_id))
        tag = f'"{original.content_hash.hex()}-{number}-{width}"'
        headers = {
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        with unknown(PAGE_UNKNOWN):
            image = desk.pages.image(original, number, width)
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(image, headers=headers, media_type=PNG)

    return await desk.background.run_long(drawn)


@router.get(
    "/documents/{document_id:number}/pages/{number:number}/boxes",
    response_model=PageBoxes,
    responses=reply(json_form(_BOXES), *_PAGE_KINDS),
    summary="Where characters of the text are on a page of a PDF",
)
async def page_boxes(
    desk: DeskParameter,
    document_id: DocumentId,
    number: PageNumber,
    start: StartParameter = 0,
    end: EndParameter = 0,
) -> Response:
    """Boxes in fractions of the page's width and height, from the top left of the image."""

    def found() -> Json:
        document = _document(desk, document_id)
        original = _original(desk, document_id, document)
        if number > len(desk.pages.sizes(original)):
            raise ProblemError(PAGE_UNKNOWN, f"{document.path!r} has no page {number}.")
        boxes = desk.pages.boxes(original, document, number, start=start, end=end)
        return Json(PageBoxes(number, boxes))

    return await desk.background.run_long(found)


def _document(desk: Desk, document_id: int) -> Document:
    with unknown(DOCUMENT_UNKNOWN):
        return desk.document(document_id)


def _original(desk: Desk, document_id: int, document: Document) -> Original:
    """The file whose pages are drawn, with the hash that its bytes must have."""
    with unknown(FILE_UNAVAILABLE):
        if not has_pages(document):
            raise UsageError(f"{document.path!r} has no pages: it is no PDF.")
        seen = desk.library.file_of(document_id)
        if seen is None:
            raise UsageError(f"{document.path!r} did not come from a file.")
        return Original(original_of(desk, document_id), seen.content_hash)
