"""The page *Search*: results as one types, filters, and why each result is where it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from openbook.errors import OpenbookError
from openbook.serve.desk import Desk, Shelf
from openbook.serve.web.hit_list import hits_html
from openbook.serve.web.kinds import kind_name
from openbook.serve.web.layout import Frame, frame, link, stylesheet
from openbook.serve.web.parts import button, plain, state, text
from openbook.types import Hits

FIRST: Final = 10
MOST: Final = 50
"""Results that are shown at first, and after "Show more"."""

_SINCE: Final = (("", "Any time"), ("7", "Past week"), ("31", "Past month"), ("366", "Past year"))


def build(shelf: Shelf) -> None:
    """Register the page."""

    @ui.page("/search")
    async def page(request: Request) -> None:
        with frame(shelf, request, "search") as framed:
            stylesheet("search.css")
            kinds = await framed.desk.background.run(_kinds, framed.desk)
            with ui.element("div").classes("ob-page"):
                view = _View(framed, kinds)
                view.draw(request.query_params.get("q", ""))
        if view.wish.question:
            await view.search()


@dataclass(slots=True)
class _Wish:
    """What is searched for, and with which filters."""

    question: str = ""
    path: str = ""
    kind: str = ""
    days: str = ""
    single: bool = False
    explain: bool = False
    k: int = FIRST

    def where(self) -> list[str]:
        conditions = []
        if self.path.strip():
            pattern = self.path.strip()
            conditions.append(f"path={pattern}" if "*" in pattern or "?" in pattern else f"path~{pattern}")
        if self.kind:
            conditions.append(f"type={self.kind}")
        if self.days:
            conditions.append(f"modified>={_days_ago(int(self.days))}")
        return conditions


class _View:
    """The page of one visitor."""

    def __init__(self, framed: Frame, kinds: Sequence[str]) -> None:
        self._desk: Desk = framed.desk
        self._kinds = kinds
        self.wish = _Wish()
        self._turn = 0

    def draw(self, question: str) -> None:
        self.wish.question = question
        text("h1", "Search", "ob-title ob-visually-hidden")
        with ui.element("form").classes("ob-search").props("role=search") as form:
            ui.icon("search").classes("ob-search__icon").props("aria-hidden=true")
            field = ui.element("input").classes("ob-search__field")
            field.props.update({"type": "search", "name": "q", "autocomplete": "off", "autofocus": True})
            field.props.update({"aria-label": "Search the documents", "placeholder": "Words or a question"})
            # Not `value`: Vue would set that again whenever results are drawn, and wipe out what was typed.
            field.props.update({"defaultValue": question, "maxlength": "2000"})
        form.on("submit.prevent", self._settled)
        field.on(
            "input",
            self._typed,
            js_handler="(event) => emit(event.target.value)",
            throttle=0.15,
            leading_events=False,
        )
        with ui.element("div").classes("ob-filters"):
            self._filters()
        self._summary = ui.element("p").classes("ob-muted ob-small").props("role=status aria-live=polite")
        self._results = ui.element("div").classes("ob-results")
        with self._results:
            self._nothing_yet()

    def _filters(self) -> None:
        path = ui.element("input").classes("ob-field ob-filters__path")
        path.props.update({"aria-label": "Only in documents whose path holds", "placeholder": "Any document"})
        path.on(
            "input",
            self._setter("path"),
            js_handler="(event) => emit(event.target.value)",
            throttle=0.3,
            leading_events=False,
        )
        _choice(
            "Kind of document",
            [("", "Any kind"), *((kind, kind_name(kind)) for kind in self._kinds)],
            self._setter("kind"),
        )
        _choice("Changed", _SINCE, self._setter("days"))
        _switch("One for each document", self._setter("single"))
        _switch("Explain", self._setter("explain"))

    def _setter(self, name: str) -> Any:
        async def changed(event: Any) -> None:
            setattr(self.wish, name, event.args)
            await self.search()

        return changed

    async def _typed(self, event: Any) -> None:
        self.wish.question, self.wish.k = str(event.args), FIRST
        await self.search()

    async def _settled(self) -> None:
        await self.search(settled=True)

    async def _more(self) -> None:
        self.wish.k = MOST
        await self.search()

    async def search(self, *, settled: bool = False) -> None:
        """Search, and show what is found unless something newer was typed meanwhile."""
        self._turn += 1
        turn, wish = self._turn, self.wish
        ui.run_javascript(
            f"history.replaceState(null, '', {json.dumps(link(self._desk, '/search', q=wish.question))})"
        )
        if not wish.question.strip():
            self._show(self._nothing_yet, "")
            return
        try:
            hits = await self._desk.background.run(
                self._desk.search, wish.question, k=wish.k, where=wish.where(), explain=wish.explain,
                per_document=1 if wish.single else None, noted=settled,
            )  # fmt: skip
        except OpenbookError as error:
            if turn == self._turn:
                message = str(error)
                self._show(
                    lambda: state("o_error_outline", "That could not be searched", message, bad=True), ""
                )
            return
        if turn == self._turn:
            self._show(lambda: self._found(hits), _summary(hits))

    def _show(self, draw: Any, summary: str) -> None:
        self._summary.clear()
        with self._summary:
            plain(summary)
        self._results.clear()
        with self._results:
            draw()

    def _found(self, hits: Hits) -> None:
        if not hits:
            state("o_search_off", "Nothing found", "Try other words, or fewer filters.")
            return
        ui.html(hits_html(self._desk, hits, explain=self.wish.explain), sanitize=False)
        if len(hits) >= self.wish.k and self.wish.k < MOST:
            button("Show more", self._more)

    def _nothing_yet(self) -> None:
        if self._kinds:
            state(
                "search",
                "Find a place in your documents",
                "By its words and by its meaning, as you type. Misspelt words are put right.",
            )
        else:
            _empty_library(self._desk)


def _kinds(desk: Desk) -> list[str]:
    """The media types of all documents; none where there is no document."""
    return sorted({record.media_type for record in desk.documents()})


def _empty_library(desk: Desk) -> Element:
    element = state(
        "o_library_add", "This library is empty", "Add documents first; their text can be searched at once."
    )
    with element:
        entry = text("a", "Add documents", "ob-button ob-button--primary")
        entry.props["href"] = link(desk, "/documents")
    return element


def _choice(label: str, choices: Any, on_change: Any) -> None:
    """A choice of few, as the browser's own control: it works with any keyboard and on any phone."""
    select = ui.element("select").classes("ob-field ob-filters__choice")
    select.props["aria-label"] = label
    with select:
        for value, name in choices:
            option = ui.element("option")
            option.props["value"] = value
            with option:
                plain(name)
    select.on("change", on_change, js_handler="(event) => emit(event.target.value)")


def _switch(label: str, on_change: Any) -> None:
    with ui.element("label").classes("ob-switch"):
        box = ui.element("input").props("type=checkbox")
        plain(label)
    box.on("change", on_change, js_handler="(event) => emit(event.target.checked)")


def _summary(hits: Hits) -> str:
    found = f"{len(hits)} place{'' if len(hits) == 1 else 's'}"
    return " · ".join([found, *hits.notes])


def _days_ago(days: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%d")
