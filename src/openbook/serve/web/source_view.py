"""A document with the cited characters highlighted, in the form that shows them best.

    pages      the pages of a PDF, with boxes over the characters
    rendered   Markdown as its writer meant it
    text       every character; what every document can be shown as

`source_of` does the work and can run in any thread; `SourceView` draws.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from nicegui import ui
from nicegui.element import Element

from openbook.errors import OpenbookError, UsageError
from openbook.json_form import json_text
from openbook.serve.desk import Desk
from openbook.serve.originals import is_changed, original_of
from openbook.serve.view.highlight import Highlight, HighlightKind
from openbook.serve.view.place import place_of
from openbook.serve.view.rendered import rendered_view
from openbook.serve.view.text import Window, text_view, window_around, window_at
from openbook.serve.web.page_images import PageImages, page_images, pages_html
from openbook.serve.web.parts import button, plain, skeleton, state, text
from openbook.types import Document
from openbook.wording import one_line

Form: TypeAlias = Literal["pages", "rendered", "text"]

NAMES: Final[dict[Form, str]] = {"pages": "Pages", "rendered": "Rendered", "text": "Text"}
LONGEST_QUOTE: Final = 4_000
"""Characters of a quote that is copied, or shown where its document is gone."""


@dataclass(frozen=True, slots=True)
class Spot:
    """What is to be shown: document.text[start:end], or with end <= start the document from its beginning.

    `number` is that of the citation. `quote` and `path` are what an answer says of it. `exact` says
    that just these characters are meant, not a stretch in which something is.
    """

    document_id: int
    start: int = 0
    end: int = 0
    number: int = 1
    quote: str = ""
    path: str = ""
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A document made ready to be drawn in `form`, one of `forms`. `notices` are what a person should know.

    `document` is None where it is gone from the library. `window` says which part of the text is shown.
    """

    spot: Spot
    document: Document | None = None
    form: Form = "text"
    forms: tuple[Form, ...] = ("text",)
    html: str = ""
    place: str = ""
    window: Window | None = None
    notices: tuple[str, ...] = ()
    quote: str = ""


def source_of(desk: Desk, spot: Spot, form: Form | None = None, *, window_start: int | None = None) -> Source:
    """Read a document and write it as HTML, in this form if it can be had, else in the best one.

    `window_start` begins the part that is shown of a text too large to be shown whole.
    """
    try:
        document = desk.document(spot.document_id)
    except UsageError as error:
        return Source(spot, notices=(str(error),), quote=spot.quote)
    notices = list(_about_the_file(desk, spot.document_id))
    highlights = _highlights(spot)
    pages = page_images(desk, document, spot.document_id, spot.start, spot.end) if not notices else None
    rendered = rendered_view(document, highlights)
    forms: list[Form] = ["text"]
    if rendered is not None:
        forms.insert(0, "rendered")
    if pages is not None:
        forms.insert(0, "pages")
    chosen = form if form in forms else forms[0]
    window = None
    if chosen == "pages" and pages is not None:
        html = pages_html(desk, spot.document_id, pages, spot.number)
        notices += _about_the_boxes(pages, spot)
    elif chosen == "rendered" and rendered is not None:
        html = rendered
    else:
        window = (
            window_around(document, spot.start, spot.end)
            if window_start is None
            else window_at(document, window_start)
        )
        html = text_view(document, highlights, start=window.start, end=window.end)
    cited = spot.end > spot.start
    return Source(
        spot,
        document,
        chosen,
        tuple(forms),
        html,
        place=place_of(document, spot.start, spot.end).words if cited else "",
        window=window,
        notices=tuple(notices),
        quote=document.text[spot.start : spot.end][:LONGEST_QUOTE] if cited else "",
    )


def _highlights(spot: Spot) -> list[Highlight]:
    if spot.end <= spot.start:
        return []
    kind: HighlightKind = "cited" if spot.exact else "evidence"
    return [Highlight(spot.start, spot.end, number=spot.number, kind=kind)]


def _about_the_file(desk: Desk, document_id: int) -> Iterator[str]:
    """Whether the file is still as it was when its text was stored."""
    seen = desk.library.file_of(document_id)
    if seen is None:
        return  # it came from no file
    try:
        file = original_of(desk, document_id)
        if is_changed(file, seen):
            yield "The file has changed since it was read. This is the text that was read and cited."
    except (UsageError, OSError):
        yield "The file is no longer where it was. This is the text that was read from it."


def _about_the_boxes(pages: PageImages, spot: Spot) -> list[str]:
    if spot.end > spot.start and not pages.boxes:
        return ["These words could not be found on the page image; Text shows them."]
    return []


class SourceView:
    """The document in the page, and what can be done with it. Made inside the element it is to stand in."""

    def __init__(self, desk: Desk, link: Callable[..., str], *, whole: bool = False) -> None:
        """`whole` says that this is the document's own page, which needs no way to it."""
        self._desk = desk
        self._link = link
        self._whole = whole
        self._turn = 0
        self._client = ui.context.client
        self._source = Source(Spot(0))
        self._head = ui.element("header").classes("ob-source__head")
        self._body = ui.element("div").classes("ob-source__body")
        self._body.props.update({"tabindex": "0", "role": "region", "aria-label": "The source"})

    async def show(self, spot: Spot, form: Form | None = None, *, window_start: int | None = None) -> None:
        """Show a place of a document. The newest call wins where an earlier one is not done yet."""
        self._turn += 1
        turn = self._turn
        if spot.document_id != self._source.spot.document_id or form != self._source.form:
            self._body.clear()
            with self._body:
                skeleton(6)
        try:
            source = await self._desk.background.run_long(
                source_of, self._desk, spot, form, window_start=window_start
            )
        except OpenbookError as error:
            source = Source(spot, notices=(str(error),), quote=spot.quote)
        if turn == self._turn and not self._client.is_deleted:
            self._source = source
            self._draw(reveal=window_start is None)

    def _draw(self, *, reveal: bool) -> None:
        source = self._source
        self._head.clear()
        with self._head:
            self._title(source)
            self._tools(source)
            for notice in source.notices:
                with ui.element("p").classes("ob-source__notice ob-small"):
                    ui.icon("o_info").props("aria-hidden=true")
                    plain(one_line(notice))
        self._body.clear()
        with self._body:
            if source.document is None:
                _gone(source)
            else:
                self._text(source)
        if reveal:
            self._client.run_javascript("openbookAsk.reveal()")

    def _title(self, source: Source) -> None:
        path = one_line(source.document.path if source.document is not None else source.spot.path)
        with ui.element("div").classes("ob-source__title"):
            with ui.element("div").classes("ob-source__names"):
                name = text("h1" if self._whole else "h2", path or "A document", "ob-source__path")
                name.props.update({"tabindex": "-1", "title": path})
                place = one_line(source.place).replace(" > ", " › ")
                if place:
                    text("p", place, "ob-source__place")
            if len(source.forms) > 1:
                self._forms(source)

    def _tools(self, source: Source) -> None:
        document, spot = source.document, source.spot
        with ui.element("div").classes("ob-source__tools"):
            if source.quote:
                _copying(
                    "Copy quote", "o_content_copy", json_text(source.quote, ascii_only=True), "Quote copied"
                )
            if document is not None:
                address = self._link(f"/documents/{spot.document_id}", **_range(spot))
                written = f"location.origin + {json_text(address, ascii_only=True)}"
                _copying("Copy link", "o_link", written, "Link copied")
                if not self._whole:
                    _action("Whole document", "o_open_in_full", address)
                else:
                    _action("Ask this document", "o_forum", self._link("/", documents=spot.document_id))

    def _forms(self, source: Source) -> None:
        with ui.element("div").classes("ob-segments").props('role=group aria-label="How it is shown"'):
            for form in source.forms:
                segment = ui.element("button").classes("ob-segments__one")
                segment.props.update(
                    {"type": "button", "aria-pressed": "true" if form == source.form else "false"}
                )
                with segment:
                    plain(NAMES[form])
                segment.on("click", self._turning(form))

    def _turning(self, form: Form) -> Callable[[], Awaitable[None]]:
        async def turned() -> None:
            await self.show(self._source.spot, form)

        return turned

    def _text(self, source: Source) -> None:
        window = source.window
        if window is not None and window.before is not None:
            button("Show what comes before", self._moving(window.before), icon="o_expand_less", small=True)
        ui.html(source.html, sanitize=False).classes(f"ob-document ob-document--{source.form}")
        if window is not None and window.after is not None:
            button("Show what follows", self._moving(window.after), icon="o_expand_more", small=True)

    def _moving(self, start: int) -> Callable[[], Awaitable[None]]:
        async def moved() -> None:
            await self.show(self._source.spot, self._source.form, window_start=start)

        return moved


def _gone(source: Source) -> None:
    """What an answer kept of a document that is no longer there."""
    state(
        "o_link_off",
        "This document is gone",
        "It is no longer in the library. What was quoted of it stands here.",
    )
    if source.quote:
        text("blockquote", source.quote[:LONGEST_QUOTE], "ob-source__kept")


def _copying(label: str, icon: str, expression: str, done: str) -> None:
    """A button that copies what a JavaScript expression is worth; `expression` is made of JSON."""
    entry = button(label, icon=icon, kind="quiet", small=True)
    entry.on("click", js_handler=f"() => openbookAsk.copy({expression}, '{done}')")


def _action(label: str, icon: str, address: str) -> Element:
    entry = ui.element("a").classes("ob-button ob-button--quiet ob-button--small")
    entry.props["href"] = address
    with entry:
        ui.icon(icon).props("aria-hidden=true")
        plain(label)
    return entry


def _range(spot: Spot) -> dict[str, int]:
    return {"start": spot.start, "end": spot.end} if spot.end > spot.start else {}
