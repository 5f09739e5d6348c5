"""The bar that offers to undo a removal while that is possible."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from openbook.errors import UsageError
from openbook.serve.desk import Desk
from openbook.serve.removals import Removal
from openbook.serve.web.parts import button, text
from openbook.wording import count


class UndoBar:
    """One line for each removal of the desk that can be undone, whoever began it."""

    def __init__(self, desk: Desk, on_change: Callable[[], Awaitable[None]]) -> None:
        self._desk = desk
        self._on_change = on_change
        self._shown: list[Removal] = []
        self._bar = ui.element("div").classes("ob-undo").props("role=status aria-live=polite")
        self.refresh()
        ui.timer(0.5, self.refresh)

    def refresh(self) -> None:
        """Show what can be undone now."""
        pending = self._desk.removals.pending()
        if pending == self._shown:
            return
        self._shown = pending
        self._bar.clear()
        with self._bar:
            for removal in pending:
                self._line(removal)

    def _line(self, removal: Removal) -> None:
        what = removal.paths[0] if len(removal.paths) == 1 else count(len(removal.paths), "document")
        with ui.element("div").classes("ob-undo__line"):
            with ui.element("div"):
                text("p", f"Deleted {what}.")
                if removal.note:
                    text("p", removal.note, "ob-small ob-undo__note")
            button("Undo", lambda: self._undo(removal.id), icon="undo", small=True)

    async def _undo(self, removal_id: str) -> None:
        try:
            self._desk.removals.undo(removal_id)
        except UsageError as error:
            ui.notify(str(error), multi_line=True)
        self.refresh()
        await self._on_change()
