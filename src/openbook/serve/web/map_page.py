"""The page *Map*: every chunk of a library as a point.

The page is one element, `<openbook-map>`, whose script (`static/map.js`) talks
to `/api/map` directly: a hundred thousand points do not go through a socket
that is made for the clicks of a form.

Refused: a library for plots. The smallest one that draws as many points is a
megabyte, wants inline styles and workers, and knows neither lassos nor questions.
"""

from __future__ import annotations

from hashlib import blake2b

from fastapi import Request
from nicegui import ui

from openbook.serve.desk import Shelf
from openbook.serve.web.layout import STATIC, STATIC_PATH, frame, stylesheet


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/map")
    def page(request: Request) -> None:
        with frame(shelf, request, "map") as shown:
            stylesheet("map.css")
            _script("map.js")
            element = ui.element("openbook-map")
            element.props["data-library"] = shown.desk.name
            element.props["data-named"] = "true" if shown.desk.named else "false"


def _script(name: str) -> None:
    """Have the page load a module of `static/`; its address changes when the file does."""
    version = blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()
    ui.add_head_html(f'<script type="module" src="{STATIC_PATH}/{name}?v={version}"></script>')
