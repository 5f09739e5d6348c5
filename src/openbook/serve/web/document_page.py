"""The page of one document: the source view of the page *Ask*, as a whole page that an address can name.

/documents/7                    from its beginning
/documents/7?start=120&end=180  at these characters of its text, highlighted
"""

from __future__ import annotations

from functools import partial

from fastapi import Request
from nicegui import ui

from openbook.errors import UsageError
from openbook.serve import path_numbers  # noqa: F401 (the path with `:number` needs it)
from openbook.serve.desk import Desk, Shelf
from openbook.serve.web.layout import frame, script, stylesheet
from openbook.serve.web.parts import plain, state, text
from openbook.serve.web.source_view import SourceView, Spot
from openbook.wording import one_line


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/documents/{document_id:number}")
    async def page(request: Request, document_id: int) -> None:
        desk = shelf.desk(request.query_params.get("library"))
        path = await desk.background.run(_path_of, desk, document_id)
        with frame(shelf, request, "documents", title=one_line(path)) as framed:
            stylesheet("document.css")
            stylesheet("source.css")
            script("ask.js")
            if not path:
                with ui.element("div").classes("ob-page"):
                    _not_here(framed.link("/documents"))
                return
            start, end = (_offset(request.query_params.get(name, "")) for name in ("start", "end"))
            with ui.element("div").classes("ob-sheet"):
                with ui.element("p").classes("ob-sheet__back"), ui.element("a") as back:
                    back.props["href"] = framed.link("/documents")
                    plain("‹ All documents")
                view = SourceView(desk, framed.link, whole=True)
                ui.timer(0, partial(view.show, Spot(document_id, start, end, path=path)), once=True)


def _not_here(documents: str) -> None:
    text("h1", "Document", "ob-visually-hidden")
    with state(
        "o_find_in_page", "This document is not here", "It was removed, or it belongs to another library."
    ):
        text("a", "All documents", "ob-button ob-button--primary").props["href"] = documents


def _path_of(desk: Desk, document_id: int) -> str:
    """The document's path; "" if it is not there, or about to be removed."""
    try:
        record = next(desk.documents([f"document={document_id}"]), None)
    except UsageError:
        return ""
    return record.path if record is not None else ""


def _offset(written: str) -> int:
    """An offset of an address; 0 for what is none."""
    return int(written) if written.isdecimal() and len(written) < 12 else 0
