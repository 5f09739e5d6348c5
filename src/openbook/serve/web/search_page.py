"""The page *Search*."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from openbook.serve.desk import Shelf
from openbook.serve.web.layout import frame
from openbook.serve.web.parts import state, text


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/search")
    def page(request: Request) -> None:
        with frame(shelf, request, "search"), ui.element("div").classes("ob-page"):
            text("h1", "Search", "ob-title")
            state("o_description", "Nothing here yet", "Add a folder, and this page fills.")
