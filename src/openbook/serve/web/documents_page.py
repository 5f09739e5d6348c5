"""The page *Documents*."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from openbook.serve.desk import Shelf
from openbook.serve.web.layout import frame
from openbook.serve.web.parts import state, text


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/documents")
    def page(request: Request) -> None:
        with frame(shelf, request, "documents"), ui.element("div").classes("ob-page"):
            text("h1", "Documents", "ob-title")
            state("o_description", "Nothing here yet", "Add a folder, and this page fills.")
