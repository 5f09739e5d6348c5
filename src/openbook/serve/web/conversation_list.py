"""Earlier conversations in the sidebar: open, rename, delete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import ui
from nicegui.element import Element

from openbook.index.conversation_records import Conversation
from openbook.serve.desk import Desk
from openbook.serve.web.layout import link
from openbook.serve.web.parts import button, plain, text
from openbook.wording import one_line

LISTED = 50
"""Conversations that are listed, the ones used last."""


class ConversationList:
    """The list, drawn into each of `places` (the sidebar, and the dialog that stands for it on a phone)."""

    def __init__(self, desk: Desk, places: list[Element], *, deleted: Callable[[int], None]) -> None:
        self._desk = desk
        self._places = places
        self._deleted = deleted
        self._open: int | None = None
        self._holder = ui.element("div")

    async def refresh(self, open_: int | None) -> None:
        """Draw the list anew. `open_` is the conversation of this page."""
        self._open = open_
        found = await self._desk.background.run(self._desk.library.conversations)
        for place in self._places:
            place.clear()
            with place:
                self._draw(found[:LISTED])

    def _draw(self, found: list[Conversation]) -> None:
        with ui.element("nav").classes("ob-talks").props("aria-label=Conversations"):
            new = ui.element("a").classes("ob-talks__new")
            new.props["href"] = link(self._desk, "/")
            with new:
                ui.icon("o_add").props("aria-hidden=true")
                plain("New conversation")
            if found:
                text("h2", "Earlier", "ob-talks__title")
            with ui.element("ul").classes("ob-talks__list"):
                for one in found:
                    self._entry(one)

    def _entry(self, one: Conversation) -> None:
        name = one_line(one.name)
        with ui.element("li").classes("ob-talks__entry"):
            entry = ui.element("a").classes("ob-talks__link")
            entry.props.update({"href": link(self._desk, "/", conversation=one.id), "title": name})
            if one.id == self._open:
                entry.props["aria-current"] = "page"
            with entry:
                plain(name)
            button(
                f"Rename “{name}”",
                lambda: self._rename(one),
                icon="o_edit",
                kind="quiet",
                small=True,
                only_icon=True,
            )
            button(
                f"Delete “{name}”",
                lambda: self._delete(one),
                icon="o_delete",
                kind="quiet",
                small=True,
                only_icon=True,
            )

    @contextmanager
    def _dialog(self, title: str) -> Iterator[ui.dialog]:
        """An open dialog, in a place that stays when the list is drawn anew; gone when it is closed."""
        with self._holder, ui.dialog(value=True) as dialog, ui.element("div").classes("ob-dialog") as box:
            box.props.update({"role": "dialog", "aria-label": title})
            text("h2", title, "ob-heading")
            yield dialog
        dialog.on("hide", dialog.delete)

    def _rename(self, one: Conversation) -> None:
        with self._dialog("Rename the conversation") as dialog:
            field = ui.element("input").classes("ob-field")
            field.props.update(
                {"defaultValue": one.name, "maxlength": "200", "aria-label": "Name", "autofocus": True}
            )

            async def renamed(event: Any) -> None:
                name = str(event.args).strip()
                if name:
                    await self._desk.background.run(lambda: self._desk.chat(one.id).rename(name))
                    dialog.close()
                    await self.refresh(self._open)

            field.on("keydown.enter", renamed, js_handler="(event) => emit(event.target.value)")
            with ui.element("div").classes("ob-row ob-dialog__buttons"):
                button("Cancel", dialog.close)
                save = button("Rename", kind="primary")
                save.on("click", renamed, js_handler=f"() => emit(getHtmlElement({field.id}).value)")

    def _delete(self, one: Conversation) -> None:
        with self._dialog("Delete this conversation?") as dialog:
            text("p", f"“{one_line(one.name)}” and its answers are deleted for good. Your documents stay.")

            async def deleted() -> None:
                notes = await self._desk.background.run(lambda: self._desk.chat(one.id).delete())
                dialog.close()
                for note in notes:
                    ui.notify(note)
                if one.id == self._open:
                    self._deleted(one.id)
                else:
                    await self.refresh(self._open)

            with ui.element("div").classes("ob-row ob-dialog__buttons"):
                button("Keep it", dialog.close).props["autofocus"] = True
                button("Delete", deleted, icon="o_delete", kind="danger")
