"""A document in the form that suits it, or that somebody wishes for, and what else is known of the place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from openbook.serve.view.highlight import Highlight
from openbook.serve.view.pages import has_pages
from openbook.serve.view.place import Place, place_of
from openbook.serve.view.rendered import rendered_view
from openbook.serve.view.text import text_view, window_around, window_at
from openbook.types import Document

WishedForm: TypeAlias = Literal["auto", "text", "rendered"]
ShownForm: TypeAlias = Literal["text", "rendered"]


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document, or the part of it from `start` to `end`, as a sanitised HTML fragment.

    `before` and `after` are what to ask for with `at` to see the parts before
    and after, null where there is no more. `pages` says whether the document
    has pages that can be drawn. `place` is that of the first highlight.
    """

    path: str
    title: str
    form: ShownForm
    html: str
    start: int
    end: int
    before: int | None
    after: int | None
    pages: bool
    place: Place | None


def document_view(
    document: Document,
    highlights: Sequence[Highlight] = (),
    *,
    form: WishedForm = "auto",
    at: int | None = None,
) -> DocumentView:
    """Show a document with its highlights; rendered, if it can be and no part is wished for with `at`.

    What cannot be rendered with exact highlights is shown as text, also where `rendered` is wished for.
    """
    total = len(document.text)
    seen = [one for one in highlights if max(one.start, 0) < min(one.end, total)]
    html = rendered_view(document, seen) if form != "text" and at is None else None
    place = place_of(document, seen[0].start, seen[0].end) if seen else None
    pages = has_pages(document)
    if html is not None:
        return DocumentView(
            document.path, document.title, "rendered", html, 0, total, None, None, pages, place
        )
    first = seen[0] if seen else Highlight(0, 0)
    window = window_around(document, first.start, first.end) if at is None else window_at(document, at)
    html = text_view(document, seen, start=window.start, end=window.end)
    return DocumentView(
        document.path,
        document.title,
        "text",
        html,
        window.start,
        window.end,
        window.before,
        window.after,
        pages,
        place,
    )
