"""A dialog in which documents are chosen: a list to search in, each document with a box to tick.

The list is asked for anew with every key, and shows the first few of what
fits: a library may have more documents than a page can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from nicegui import ui

from openbook.index.records import DocumentRecord
from openbook.serve.desk import Desk
from openbook.serve.web.parts import button, plain, text
from openbook.wording import count, one_line

LISTED: Final = 60
"""Documents of the list; more are found by typing."""
MOST_NAMED: Final = 8
"""Chosen documents that are named in the box; the rest is counted."""


class DocumentChoice:
    """Which documents questions are for; none chosen means all."""

    def __init__(self, desk: Desk, documents: Iterable[int], *, changed: Callable[[], None]) -> None:
        self._desk = desk
        self._changed = changed
        wanted = ",".join(map(str, documents))
        named = desk.documents([f"document={wanted}"]) if wanted else ()
        self._chosen: dict[int, str] = {record.id: record.path for record in named}
        self._words = ""

    @property
    def chosen(self) -> Sequence[int]:
        """The ids of the chosen documents."""
        return list(self._chosen)

    def names(self) -> list[tuple[int, str]]:
        """The chosen documents, by id and path."""
        return list(self._chosen.items())

    def drop(self, number: int) -> None:
        """Take a document out of the choice."""
        self._chosen.pop(number, None)
        self._told()

    def button(self) -> None:
        """Draw the button that opens the dialog, and the dialog."""
        self._opener = button("All documents", self._open, icon="o_filter_list", small=True).classes(
            "ob-toggle"
        )
        self._opener.props["aria-haspopup"] = "dialog"
        with ui.dialog() as self._dialog, ui.element("div").classes("ob-dialog ob-choice") as box:
            box.props.update({"role": "dialog", "aria-label": "Choose documents"})
            text("h2", "Ask only these documents", "ob-heading")
            field = ui.element("input").classes("ob-field")
            field.props.update(
                {
                    "type": "search",
                    "placeholder": "Find a document",
                    "aria-label": "Find a document",
                    "autofocus": True,
                }
            )
            field.on(
                "input",
                self._typed,
                js_handler="(event) => emit(event.target.value)",
                throttle=0.15,
                leading_events=False,
            )
            self._list = ui.element("div").classes("ob-choice__list").props("role=group aria-label=Documents")
            with ui.element("div").classes("ob-row ob-spread"):
                button("Ask all documents", self._clear, kind="quiet")
                button("Done", self._dialog.close, kind="primary")
        self._label()

    # -- inside ----------------------------------------------------------------

    async def _open(self) -> None:
        self._dialog.open()
        await self._draw()

    async def _typed(self, event: Any) -> None:
        self._words = str(event.args)
        await self._draw()

    async def _draw(self) -> None:
        words = self._words
        found, more = await self._desk.background.run(self._matching, words)
        if words != self._words:
            return
        self._list.clear()
        with self._list:
            for record in found:
                self._entry(record)
            if not found:
                text("p", "No document has such a path or title.", "ob-muted")
            if more:
                text("p", f"{count(more, 'more document')}; type to find them.", "ob-small ob-muted")

    def _matching(self, words: str) -> tuple[list[DocumentRecord], int]:
        wanted = words.casefold().split()
        found = [
            record
            for record in self._desk.documents()
            if all(word in f"{record.path} {record.title}".casefold() for word in wanted)
        ]
        return found[:LISTED], max(0, len(found) - LISTED)

    def _entry(self, record: DocumentRecord) -> None:
        with ui.element("label").classes("ob-choice__entry"):
            box = ui.element("input").props("type=checkbox")
            box.props["checked"] = record.id in self._chosen
            with ui.element("span").classes("ob-choice__name"):
                plain(one_line(record.path))
                if record.title and record.title != record.path:
                    text("span", one_line(record.title), "ob-small ob-muted")

        def ticked(event: Any) -> None:
            if event.args:
                self._chosen[record.id] = record.path
            else:
                self._chosen.pop(record.id, None)
            self._told()

        box.on("change", ticked, js_handler="(event) => emit(event.target.checked)")

    async def _clear(self) -> None:
        self._chosen.clear()
        self._told()
        await self._draw()

    def _told(self) -> None:
        self._label()
        self._changed()

    def _label(self) -> None:
        self._opener.clear()
        with self._opener:
            ui.icon("o_filter_list").props("aria-hidden=true")
            plain(count(len(self._chosen), "document") if self._chosen else "All documents")
